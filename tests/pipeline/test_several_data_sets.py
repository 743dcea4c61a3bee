"""Several data sets in one run: label files of different forms, aligned by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import Output
from spark_cxr.pipeline.ingest import ingest_step
from spark_cxr.pipeline.labels import dataset_of, label_rows, labels_of_files, sets_of
from spark_cxr.pipeline.official_split import official_split
from spark_cxr.settings import Ingest


def film(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (48, 48), dtype=np.uint8)
    Image.fromarray(noise).save(path)


@pytest.fixture
def two_sets(tmp_path: Path) -> dict[str, Path]:
    """Write three films of NIH and three of CheXpert, as their publishers name them."""
    nih, chexpert = tmp_path / "nih", tmp_path / "CheXpert-v1.0-small"
    for number in (1, 2, 3):
        film(nih / "images_001" / "images" / f"0000000{number}_000.png", number)
        film(chexpert / "train" / f"patient0000{number}" / "study1" / "view1_frontal.jpg", number)
    (nih / "Data_Entry_2017_v2020.csv").write_text(
        "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position\n"
        "00000001_000.png,Effusion|Mass,1,57,M,PA\n00000002_000.png,No Finding,2,58,F,AP\n"
    )
    (nih / "train_val_list.txt").write_text("00000001_000.png\n")
    (nih / "test_list.txt").write_text("00000002_000.png\n")
    head = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Pleural Effusion\n"
    start = "CheXpert-v1.0-small/train/patient0000"
    (chexpert / "train.csv").write_text(
        f"{head}{start}1/study1/view1_frontal.jpg,Female,68,Frontal,AP,,1.0,-1.0\n"
        f"{start}2/study1/view1_frontal.jpg,Male,95,Lateral,,,,0.0\n"
    )
    (chexpert / "valid.csv").write_text(
        f"{head}{start}3/study1/view1_frontal.jpg,Male,5,Frontal,PA,1.0,0.0,0.0\n"
    )
    return {"nih": nih, "chexpert": chexpert}


def ingest_of(folders: dict[str, Path], **more) -> Ingest:
    dataset = ",".join(f"{name}={folder}" for name, folder in folders.items())
    return defaults(ingest={"dataset": dataset, "likeness": 1.0, **more}).ingest


def test_findings_of_two_sets_stand_in_one_table(spark, two_sets, tmp_path):
    settings = ingest_of(two_sets, findings=["all"])
    done = ingest_step(spark, settings, Output(str(tmp_path / "T")))
    rows = {row["path"].rpartition("/nih/")[2] or row["path"]: row for row in done.images.collect()}
    nih, chexpert = ([r for r in rows.values() if r["source"] == s] for s in ("nih", "chexpert"))
    assert (len(nih), len(chexpert)) == (3, 3)
    found = sorted(
        (row["label"] or "", row["findings"], row["age"], row["sex"], row["view"]) for row in nih
    )
    assert found == [
        ("", None, None, None, None),  # a film of which the file says nothing
        ("Effusion|Mass", {"Effusion": True, "Mass": True}, 57, "M", "PA"),
        ("No Finding", {"Effusion": False, "Mass": False}, 58, "F", "AP"),
    ]
    found = sorted((row["label"], row["age"], row["view"], row["findings"]) for row in chexpert)
    assert found == [
        ("Edema", 68, "AP", {"Edema": True}),
        ("No Finding", 5, "PA", {"Edema": False, "Effusion": False}),
        ("No Finding", 90, "lateral", {"Effusion": False}),
    ]
    patients = {row["patient_id"] for row in rows.values() if row["patient_id"]}
    assert len(patients) == 5, "patient 1 of one set is not patient 1 of the other"


def test_a_finding_that_one_set_lacks_is_unknown_there_and_refused_if_none_has_it(spark, two_sets):
    rows = label_rows(spark, ingest_of(two_sets, findings=["mass"])).collect()
    assert {row["source"] for row in rows if row["findings"]} == {"nih"}
    with pytest.raises(InputError, match=r"--findings of one of the label files. Received: nodul"):
        label_rows(spark, ingest_of(two_sets, findings=["mass", "nodul"]))


def test_one_label_a_film_comes_from_folders_and_files_of_several_sets(spark, tmp_path):
    folders = {"ozturk": tmp_path / "o", "cohen": tmp_path / "c" / "images"}
    (tmp_path / "c" / "images").mkdir(parents=True)
    (tmp_path / "c" / "metadata.csv").write_text(
        "patientid,filename,finding,view,offset,modality\n4,a.png,Pneumonia/Viral/COVID-19,PA,3,X-ray\n"
    )
    settings = ingest_of(folders)
    paths = (f"file:{tmp_path}/o/Pneumonia/00000013_005.png", f"file:{tmp_path}/c/images/a.png")
    files = spark.createDataFrame([(path,) for path in paths], "path string")
    rows = label_rows(spark, settings, b"k")
    found = labels_of_files(files, rows, settings).collect()
    assert sorted((row["label"], row["file_source"]) for row in found) == [
        *(("COVID-19", "cohen"), ("Pneumonia", None))
    ]


def test_each_set_has_its_own_expressions(tmp_path):
    import re

    folders = {"ozturk": tmp_path / "o", "kermany": tmp_path / "k", "radiography": tmp_path / "r"}
    known = dataset_of(ingest_of(folders))

    def patient(path):
        found = re.search(known.patient_regex, f"file:{tmp_path}/{path}")
        return found and next(filter(None, found.groups()))

    assert patient("o/Pneumonia/00000013_005.png") == "00000013"
    assert patient("k/NORMAL/IM-0115-0001.jpeg") == "IM-0115"
    assert patient("k/NORMAL/00000013_005.png") is None
    left_out = [f"file:{tmp_path}/{part}/masks/a.png" for part in ("r/COVID", "o/COVID")]
    assert [bool(re.search(known.leave_out, path)) for path in left_out] == [True, False]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "nih=/a,chexpert"}, "a folder for each of several data sets.*: chexpert."),
        ({"dataset": "nih=/a,nih=/b"}, "each data set once"),
        ({"dataset": "nih=/a,rsna=/b", "labels": "x.csv"}, "Write --labels NAME=FILE,NAME=FILE"),
        ({"dataset": "nih=/a,rsna=/b", "labels": "rnsa=x.csv"}, r"rnsa. Did you mean rsna\?"),
    ],
)
def test_sets_that_are_named_wrongly_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        sets_of(defaults(ingest=settings).ingest)


def test_a_folder_and_a_file_can_be_given_for_each_set():
    one, other = sets_of(
        defaults(ingest={"dataset": "nih=/a,my/own.toml=/b", "labels": "nih=x.csv"}).ingest
    )
    assert (one.dataset, one.images, one.labels) == ("nih", ("/a",), "x.csv")
    assert (other.dataset, other.images, other.labels) == ("my/own.toml", ("/b",), "")
    (alone,) = sets_of(defaults(ingest={"dataset": "nih=/a", "labels": "y.csv"}).ingest)
    assert (alone.dataset, alone.images, alone.labels) == ("nih", ("/a",), "y.csv")


def test_the_official_split_comes_from_lists_and_from_folders(spark, two_sets):
    films = [f"file:{two_sets['nih']}/images_001/images/0000000{n}_000.png" for n in (1, 2, 3)] + [
        f"file:{two_sets['chexpert']}/valid/patient00009/study1/view1_frontal.jpg"
    ]
    images = spark.createDataFrame([(path,) for path in films], "path string")
    found = official_split(images, ingest_of(two_sets)).collect()
    assert {row["path"]: row["split"] for row in found} == dict(
        zip((films[0], films[1], films[3]), ("train", "test", "valid"), strict=True)
    )
    assert official_split(images, defaults(ingest={"dataset": "vindr"}).ingest) is None
