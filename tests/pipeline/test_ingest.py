import csv
import hashlib
import io
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chispa import assert_df_equality
from PIL import Image
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.images.film import Limits
from spark_cxr.output import Output
from spark_cxr.pipeline import film_run
from spark_cxr.pipeline.data_summary import data_caveats
from spark_cxr.pipeline.ingest import account_of, ingest_step
from spark_cxr.pipeline.pseudonyms import pseudonym
from spark_cxr.pipeline.readers import read_files
from spark_cxr.pipeline.reading import Reading, look
from spark_cxr.schemas import IMAGES, QUARANTINE, columns


def ingested(spark, tmp_path, **settings):
    cfg = defaults(ingest=settings)
    output = Output(str(tmp_path / "T"))
    done = ingest_step(spark, cfg.ingest, output)
    images = {row["path"].rsplit("/", 1)[-1]: row for row in done.images.collect()}
    quarantine = {
        row["path"].rsplit("/", 1)[-1]: row
        for row in spark.read.parquet(output.table("quarantine")).collect()
    }
    return done, images, quarantine


def manifest(films: Path) -> dict[str, dict[str, str]]:
    with (films / "manifest.csv").open(newline="") as file:
        return {row["path"].rsplit("/", 1)[-1]: row for row in csv.DictReader(file)}


def grey_png(level: int, size: int = 48, lying: bool = False) -> bytes:
    out = io.BytesIO()
    pixels = np.full((size, size), level, np.uint8)
    pixels[: size // 2] //= 2
    Image.fromarray(pixels.T if lying else pixels).save(out, "PNG")
    return out.getvalue()


def write(folder: Path, **files: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.png").write_bytes(data)


@pytest.fixture(scope="module")
def all_films(spark, films, tmp_path_factory):
    return ingested(
        spark,
        tmp_path_factory.mktemp("ingest"),
        images=[str(films)],
        labels=str(films / "manifest.csv"),
    )


def test_every_file_is_a_row_of_images_or_quarantine(all_films, films):
    _, images, quarantine = all_films
    assert set(images) | set(quarantine) == set(manifest(films))
    assert not set(images) & set(quarantine)


def test_every_broken_phantom_is_set_aside_for_its_reason(all_films, films):
    _, _, quarantine = all_films
    expected = {n: r["expected_reason"] for n, r in manifest(films).items() if r["expected_reason"]}
    assert {name: row["reason"] for name, row in quarantine.items()} == expected
    assert len(expected) == 9


def test_labels_and_views_are_those_of_the_manifest(all_films, films):
    _, images, _ = all_films
    told = manifest(films)
    for name, row in images.items():
        assert (row["label"], row["view"]) == (told[name]["label"], told[name]["view"])


def test_source_is_the_one_that_the_manifest_names(all_films):
    assert {row["source"] for row in all_films[1].values()} == {"phantom"}


def test_films_of_one_patient_share_a_pseudonym_and_no_id_is_left(all_films, films):
    _, images, _ = all_films
    told = manifest(films)
    by_patient: dict[str, set[str]] = {}
    for name, row in images.items():
        by_patient.setdefault(told[name]["patient_id"], set()).add(row["patient_id"])
    assert all(len(pseudonyms) == 1 for pseudonyms in by_patient.values())
    assert len(set().union(*by_patient.values())) == len(by_patient)
    assert not set(by_patient) & {row["patient_id"] for row in images.values()}


def test_digest_and_size_are_those_of_the_file(all_films, films):
    for row in all_films[1].values():
        data = Path(row["path"].removeprefix("file:")).read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert row["bytes"] == len(data)


def test_tables_have_the_columns_of_the_schemas(all_films, spark):
    done, _, _ = all_films
    assert done.images.columns == columns(IMAGES)
    assert columns(QUARANTINE) == ["path", "sha256", "reason", "detail"]


def test_a_table_of_before_is_read_without_its_difference_hash(all_films, spark, tmp_path):
    before = all_films[0].images.withColumn("dhash", F.lit(7).cast("bigint"))
    output = Output(str(tmp_path / "T"))
    output.write_table(before, "images")
    shutil.copytree(all_films[0].twins.replace("twins", "quarantine"), tmp_path / "T/quarantine")
    read = account_of(spark, output)
    assert read.images.columns == [name for name in before.columns if name != "dhash"]
    assert read.n_images == all_films[0].n_images


def test_dicom_patient_without_label_file_is_a_pseudonym_too(spark, films, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_CXR_KEY", "a key of enough letters")
    _, images, _ = ingested(spark, tmp_path, images=[str(films)])
    told = manifest(films)
    dicoms = {name: row for name, row in images.items() if row["format"] == "dicom"}
    assert dicoms
    for name, row in dicoms.items():
        assert row["patient_id"] == pseudonym(b"a key of enough letters", told[name]["patient_id"])


def test_equal_pixels_without_patients_are_one_group(spark, tmp_path):
    # Not the same picture in another brightness: that is a twin by its looks.
    other = grey_png(100, lying=True)
    write(tmp_path / "P" / "a", one=grey_png(100), twin=grey_png(100), other=other)
    _, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "P")])
    assert images["one.png"]["group_id"] == images["twin.png"]["group_id"]
    assert images["one.png"]["group_id"] != images["other.png"]["group_id"]


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_partitioning_does_not_change_the_tables(spark, films, parts):
    settings = defaults(ingest={"images": [str(films)]}).ingest
    files = read_files(spark, settings.images, settings.max_bytes)
    reading = Reading(Limits(), b"k", "")
    whole, parted = look(files, reading), look(files.repartition(parts), reading)
    assert parted.rdd.getNumPartitions() == parts
    assert_df_equality(parted, whole, ignore_row_order=True, ignore_nullable=True)


def test_folder_name_is_the_label_at_any_depth(spark, tmp_path):
    write(tmp_path / "P" / "site 1" / "train" / "Viral Pneumonia", deep=grey_png(90))
    write(tmp_path / "P" / "Normal" / "images", kaggle=grey_png(91))
    _, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "P")])
    assert images["deep.png"]["label"] == "Viral Pneumonia"
    assert images["kaggle.png"]["label"] == "Normal"


def test_hidden_files_and_side_files_are_no_files(spark, tmp_path):
    write(tmp_path / "P", a=grey_png(90))
    write(tmp_path / "P" / "_masks", a=grey_png(255))
    (tmp_path / "P" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "P" / "notes.txt").write_bytes(b"x")
    done, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "P")])
    assert done.files == 1
    assert list(images) == ["a.png"]


def test_globs_and_several_folders_name_their_sources(spark, tmp_path):
    write(tmp_path / "hospital a" / "x", one=grey_png(90))
    write(tmp_path / "hospital b" / "x", two=grey_png(91))
    write(tmp_path / "hospital b" / "y", three=grey_png(92))
    roots = [str(tmp_path / "hospital a"), f"{tmp_path}/hospital b/x*"]
    _, images, _ = ingested(spark, tmp_path, images=roots)
    sources = {name: row["source"] for name, row in images.items()}
    assert sources == {"one.png": "hospital a", "two.png": "hospital b"}


def test_a_film_on_whose_source_the_label_file_is_silent_has_none(spark, tmp_path):
    write(tmp_path / "P", a=grey_png(90), b=grey_png(91))
    lines = ("file,label,source", "a.png,ill,hospital a", "b.png,well,")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    labels = str(tmp_path / "labels.csv")
    _, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "P")], labels=labels)
    sources = {name: row["source"] for name, row in images.items()}
    assert sources == {"a.png": "hospital a", "b.png": None}


def test_a_file_over_the_limit_is_set_aside_unread(spark, tmp_path):
    write(tmp_path / "P", small=grey_png(90), large=grey_png(91) + bytes(5000))
    _, images, quarantine = ingested(spark, tmp_path, images=[str(tmp_path / "P")], max_bytes=4000)
    assert list(images) == ["small.png"]
    assert quarantine["large.png"]["reason"] == "too_large"
    assert "limit 4000" in quarantine["large.png"]["detail"]


def test_too_many_bad_files_fail_the_job_after_the_quarantine_is_written(spark, films, tmp_path):
    with pytest.raises(InputError, match=r"Expected at most 10.0% bad files .* 9 of 69 bad"):
        ingested(spark, tmp_path, images=[str(films)], max_bad=0.1)
    assert spark.read.parquet(str(tmp_path / "T" / "quarantine")).count() == 9
    assert not (tmp_path / "T" / "images").exists()


def test_only_bad_files_are_refused(spark, tmp_path):
    write(tmp_path / "P", a=b"no image", b=b"")
    with pytest.raises(InputError, match=r"at least one image that decodes.*2 of 2 bad"):
        ingested(spark, tmp_path, images=[str(tmp_path / "P")])


def test_missing_folder_is_named(spark, tmp_path):
    with pytest.raises(InputError, match=r"--images that exist. Received: file:.*/nowhere"):
        ingested(spark, tmp_path, images=[str(tmp_path / "nowhere")])


def test_empty_folder_is_refused(spark, tmp_path):
    (tmp_path / "P").mkdir()
    with pytest.raises(InputError, match=r"at least one image file in --images"):
        ingested(spark, tmp_path, images=[str(tmp_path / "P")])


def test_folders_within_each_other_are_refused(spark, tmp_path):
    write(tmp_path / "P" / "a", one=grey_png(90))
    with pytest.raises(ValueError, match=r"--images that do not contain each other"):
        ingested(spark, tmp_path, images=[str(tmp_path / "P"), str(tmp_path / "P" / "a")])


def test_cohens_metadata_gives_labels_views_patients_and_offsets(spark, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_CXR_KEY", "k" * 16)
    write(tmp_path / "images", a=grey_png(90), b=grey_png(91), c=grey_png(92), d=grey_png(93))
    (tmp_path / "metadata.csv").write_text(
        "patientid,offset,finding,view,modality,filename\n"
        "2,0,Pneumonia/Viral/COVID-19,PA,X-ray,a.png\n"
        '2,3,Pneumonia/Bacterial/Streptococcus,AP Supine,X-ray,"b.png"\n'
        "7,,No Finding,L,X-ray,c.png\n"
        "8,1,Pneumonia/Viral/COVID-19,Axial,CT,d.png\n"
        "9,1,todo,PA,X-ray,not-there.png\n"
    )
    _, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "images")], dataset="cohen")
    told = {n: (r["label"], r["view"], r["day_offset"]) for n, r in sorted(images.items())}
    assert told == {
        "a.png": ("COVID-19", "PA", 0),
        "b.png": ("Pneumonia", "AP", 3),
        "c.png": ("No_findings", "lateral", None),
        "d.png": (None, None, None),
    }
    assert (
        images["a.png"]["patient_id"] == images["b.png"]["patient_id"] == pseudonym(b"k" * 16, "2")
    )


def test_ozturks_nih_names_give_patients(spark, tmp_path):
    write(
        tmp_path / "P" / "Pneumonia", **{"00000013_005": grey_png(90), "00000013_006": grey_png(9)}
    )
    _, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "P")], dataset="ozturk")
    assert len({row["patient_id"] for row in images.values()} - {None}) == 1


def test_radiography_masks_are_no_films(spark, tmp_path):
    write(tmp_path / "P" / "COVID" / "images", one=grey_png(90))
    write(tmp_path / "P" / "COVID" / "masks", one=grey_png(255))
    done, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "P")], dataset="radiography")
    assert done.files == 1
    assert images["one.png"]["label"] == "COVID"


def test_an_unreadable_file_is_a_row_and_not_the_end(spark, tmp_path, monkeypatch):
    write(tmp_path / "P", a=grey_png(90), b=grey_png(91))
    monkeypatch.setattr(
        film_run, "read_files", lambda *a: read_files(*a).where("path like '%a.png'")
    )  # what ignoreCorruptFiles makes of a file that the disk does not give
    _, images, quarantine = ingested(spark, tmp_path, images=[str(tmp_path / "P")])
    assert list(images) == ["a.png"]
    assert quarantine["b.png"]["reason"] == "unreadable"


def test_real_films_of_ozturk_have_the_patients_of_their_manifest(spark, shared_data, tmp_path):
    part = tmp_path / "ozturk" / "Pneumonia"
    part.mkdir(parents=True)
    for film in sorted((shared_data / "ozturk" / "Pneumonia").iterdir())[:40]:
        shutil.copy(film, part)
    _, images, _ = ingested(spark, tmp_path, images=[str(part.parent)], dataset="ozturk")
    with (shared_data / "manifest.csv").open(newline="") as file:
        patients = {
            row["path"].rsplit("/", 1)[-1]: row["patient_id"]
            for row in csv.DictReader(file)
            if row["path"].startswith("ozturk/Pneumonia")
        }
    expected = len({patients[name] for name in images})
    assert len({row["patient_id"] for row in images.values()}) == expected


def test_settings_of_the_run_count_before_those_of_the_data_set():
    from spark_cxr.pipeline.labels import dataset_of

    settings = defaults(ingest={"dataset": "ozturk", "patient_regex": "(x)"}).ingest
    assert dataset_of(settings).patient_regex == "(x)"
    assert dataset_of(replace(settings, dataset="cohen", unmatched="error")).unmatched == "error"
    assert dataset_of(replace(settings, dataset="cohen", labels="folder")).labels == "folder"
    plain = replace(settings, patient_regex="")
    assert dataset_of(plain).patient_regex.startswith("/(")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "Expected a regular expression. Received: ingest.patient_regex=( (missing )"),
        (
            "abc",
            "Expected a regular expression with a group. Received: ingest.patient_regex=abc.",
        ),
    ],
)
def test_a_wrong_patient_regex_is_refused(pattern, message):
    from spark_cxr.pipeline.labels import dataset_of

    with pytest.raises(ValueError) as error:
        dataset_of(defaults(ingest={"patient_regex": pattern}).ingest)
    assert str(error.value).startswith(message)


def test_files_that_cost_too_much_take_no_row_from_the_films_beside_them(spark, films, tmp_path):
    pytest.importorskip("gdcm")
    from tests.images.bombs import BOMBS

    good = [path for path in sorted(films.rglob("*.png")) if "bad" not in path.name][:4]
    folder = tmp_path / "films"
    write(folder, **{f"good{number}": path.read_bytes() for number, path in enumerate(good)})
    reasons = {
        "webp lossless": "too_large",
        "dicom window": "too_slow or out_of_memory",
        "dicom deflated": "too_slow",
        "jpeg 2000 empty": "truncated",
    }
    write(folder, **{name.replace(" ", "_"): BOMBS[name]() for name in reasons})
    _, images, quarantine = ingested(
        spark, tmp_path, images=[str(folder)], labels="none", max_seconds=3.0
    )
    found = {name.removesuffix(".png").replace("_", " "): row for name, row in quarantine.items()}
    assert set(found) == set(reasons)
    assert [n for n, row in found.items() if row["reason"] not in reasons[n].split(" or ")] == []
    assert len(images) == len(good)


def test_damaged_films_are_counted_and_named_in_reports(spark, films, tmp_path):
    good = sorted(films.rglob("*.png"))[0].read_bytes()
    jpeg = io.BytesIO()
    Image.fromarray(np.add.outer(np.arange(64), np.arange(64)).astype("u1")).save(jpeg, "JPEG")
    more = jpeg.getvalue()[:-2] + bytes(range(1, 40)) + b"\xff\xd9"
    write(tmp_path / "films", good=good, damaged=more)
    done, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "films")], labels="none")
    assert (done.damaged, done.counts()["damaged"]) == (1, 1)
    assert images["damaged.png"]["flags"] == ["damaged"]
    said = list(data_caveats(done, drawn=False))
    assert said[0].startswith("1 of 2 films are damaged: ")


def test_film_that_kills_its_worker_costs_no_other_its_row(
    spark, films, tmp_path, monkeypatch, caplog
):
    """The worker dies of it as long as it decodes it itself."""
    for number, path in enumerate(sorted(films.rglob("*.png"))[:4]):
        write(tmp_path / "films", **{f"film{number}": path.read_bytes()})

    def deadly(files, reading, *others):
        def kill(path):
            if path.endswith("film2.png"):
                os.kill(os.getpid(), signal.SIGKILL)
            return path

        if not reading.is_wary:
            files = files.withColumn("path", F.udf(kill, "string")("path"))
        return look(files, reading, *others)

    monkeypatch.setattr(film_run, "look", deadly)
    done, images, _ = ingested(spark, tmp_path, images=[str(tmp_path / "films")], labels="none")
    assert (done.files, len(images)) == (4, 4)
    assert "a worker died" in caplog.text


def test_wary_reading_gives_the_same_rows(spark, films):
    files = read_files(spark, [str(films)], 10**8)
    plain, wary = (
        sorted(look(files, Reading(Limits(), b"k" * 16, "", is_wary)).collect(), key=str)
        for is_wary in (False, True)
    )
    assert plain == wary
