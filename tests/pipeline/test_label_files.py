"""Label files as publishers pack and divide them."""

import gzip
import zipfile

import pytest
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.pipeline import label_file
from spark_cxr.pipeline.csv_text import uncompressed
from spark_cxr.pipeline.label_file import read_csv
from spark_cxr.pipeline.labels import label_rows, labels_of_files

CSV = 'image,Edema\na.png,1\n"b, c.png",\n'


def answers(spark, folder, dataset, *paths, **more):
    """Give label, patient and view of files below a folder, as a data set's files say it."""
    settings = defaults(
        ingest={"dataset": f"{dataset}={folder}", "findings": ["all"], **more}
    ).ingest
    files = spark.createDataFrame([(f"file:{folder}/{path}",) for path in paths], "path string")
    found = labels_of_files(files, label_rows(spark, settings, b"k"), settings).collect()
    return {row["path"].removeprefix(f"file:{folder}/"): row for row in found}


def test_a_packed_file_is_read_like_a_plain_one(spark, tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", CSV)
    for name in ("a.csv.gz", "a.csv.zip"):
        rows = read_csv(spark, str(tmp_path / name)).collect()
        assert [tuple(row) for row in rows] == [("a.png", "1"), ("b, c.png", None)]
        assert rows[0].asDict() == {"image": "a.png", "Edema": "1"}


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zip"])
def test_a_large_file_is_dealt_out_to_tasks_and_a_small_one_is_not(
    spark, tmp_path, monkeypatch, name
):
    lines = [f'"film\n{n}.png",Edema|Mass' for n in range(40)]
    text = "\n".join(["image,label", *lines, ""]).encode()
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.csv", text)
    else:
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)

    def rows_by_task():
        rows = read_csv(spark, str(path)).withColumn("task", F.spark_partition_id()).collect()
        return sorted((row["image"], row["label"]) for row in rows), {row["task"] for row in rows}

    before, tasks = rows_by_task()
    assert (len(before), len(tasks)) == (40, 1)
    monkeypatch.setattr(label_file, "LOT", len(text) // 3)
    after, tasks = rows_by_task()
    assert after == before
    assert len(tasks) == 3


def test_an_archive_of_two_files_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", CSV)
    with pytest.raises(
        InputError, match=r"a ZIP archive of one label file. Received: a.zip with 2"
    ):
        uncompressed(path.read_bytes(), "a.zip")
    with pytest.raises(InputError, match="a ZIP archive"):
        uncompressed(b"no archive", "a.zip")


MIMIC_LABELS = "subject_id,study_id,Edema,No Finding\n10,50,1.0,\n11,51,,1.0\n"
MIMIC_FILMS = (
    "files/p10/p10/s50/d-1.jpg",
    "files/p10/p10/s50/d-2.jpg",
    "files/p11/p11/s51/d-3.jpg",
)


def test_labels_of_a_study_go_to_all_its_films_by_folder(spark, tmp_path):
    (tmp_path / "mimic-cxr-2.0.0-chexpert.csv.gz").write_bytes(gzip.compress(MIMIC_LABELS.encode()))
    found = answers(spark, tmp_path, "mimic", *MIMIC_FILMS)
    assert [found[path]["label"] for path in MIMIC_FILMS] == ["Edema", "Edema", "No Finding"]
    patients = [found[path]["file_patient"] for path in MIMIC_FILMS]
    assert patients[0] == patients[1] != patients[2]


def test_labels_of_a_study_go_to_its_films_by_the_second_file(spark, tmp_path):
    (tmp_path / "mimic-cxr-2.0.0-chexpert.csv").write_text(MIMIC_LABELS)
    (tmp_path / "mimic-cxr-2.0.0-metadata.csv").write_text(
        "dicom_id,subject_id,study_id,ViewPosition\nd-1,10,50,PA\nd-2,10,50,LATERAL\nd-3,11,51,AP\n"
    )
    found = answers(spark, tmp_path, "mimic", "d-1.jpg", "x/d-2.jpg", "d-3.jpg")
    assert [(row["label"], row["file_view"]) for _, row in sorted(found.items())] == [
        *(("Edema", "PA"), ("No Finding", "AP"), ("Edema", "lateral"))
    ]


def test_a_file_of_lines_of_json_is_joined_with_what_lies_beside(spark, tmp_path):
    path = "train/patient1/study1/view1_frontal"
    (tmp_path / "report_fixed.json").write_text(
        f'{{"path_to_image": "{path}.jpg", "Edema": 1.0, "Fracture": null, "No Finding": null}}\n'
    )
    (tmp_path / "df_chexpert_plus_240401.csv").write_text(
        f"path_to_image,deid_patient_id,ap_pa,age,sex\n{path}.jpg,p1,AP,91.0,Female\n"
    )
    found = answers(spark, tmp_path, "chexpert_plus", f"PNG/{path}.png")[f"PNG/{path}.png"]
    assert (found["findings"], found["file_view"]) == ({"Edema": True}, "AP")
    assert (found["age"], found["sex"]) == (90, "F")


def test_a_file_without_names_of_columns_is_read_with_its_second_part(spark, tmp_path):
    (tmp_path / "train.txt").write_text("1 a.png positive cohen\n2 b.png negative rsna\n")
    (tmp_path / "test.txt").write_text("3 c.png positive sirm\n")
    found = answers(spark, tmp_path, "covidx", "train/a.png", "train/b.png", "test/c.png")
    assert {path: row["label"] for path, row in found.items()} == {
        "train/a.png": "COVID-19",
        "train/b.png": "No Finding",
        "test/c.png": "COVID-19",
    }


def test_problems_of_a_report_go_to_its_films(spark, tmp_path):
    (tmp_path / "indiana_reports.csv").write_text(
        "uid,MeSH,Problems\n1,normal,normal\n2,x,Cardiomegaly;Pulmonary Artery\n3,x,No Indexing\n"
    )
    (tmp_path / "indiana_projections.csv").write_text(
        "uid,filename,projection\n1,1_a.png,Frontal\n2,2_b.png,Lateral\n3,3_c.png,Frontal\n"
    )
    found = answers(spark, tmp_path, "indiana", "1_a.png", "2_b.png", "3_c.png")
    assert {path: (row["label"], row["file_view"]) for path, row in found.items()} == {
        "1_a.png": ("No Finding", None),
        "2_b.png": ("Cardiomegaly|Pulmonary Artery", "lateral"),
        "3_c.png": (None, None),
    }


def test_a_file_of_ones_own_need_not_have_the_publishers_columns(spark, tmp_path):
    (tmp_path / "mine.csv").write_text("path,findings,age\na.png,Edema|Mass,40\n")
    found = answers(spark, tmp_path, "nih", "a.png", labels=str(tmp_path / "mine.csv"))
    assert (found["a.png"]["label"], found["a.png"]["age"]) == ("Edema|Mass", 40)


def test_readers_of_a_column_a_finding_agree_too(spark, tmp_path):
    text = "image_id,rad_id,Edema,Mass\na,R1,1,0\na,R2,1,1\na,R3,0,0\n"
    (tmp_path / "own.csv").write_text(text)
    settings = {"labels": str(tmp_path / "own.csv"), "findings": ["all"]}
    (row,) = label_rows(spark, defaults(ingest=settings).ingest).collect()
    assert row["findings"] == {"Edema": True, "Mass": False}
