"""Age, sex, maker and device of films: from headers and label files into the table, into groups."""

from dataclasses import astuple

import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.images.demographics import AGE_BANDS, age_band
from spark_cxr.output import Output
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.ingest import account_of, ingest_step
from spark_cxr.pipeline.subgroups import (
    MOST,
    OTHERS,
    Subgroups,
    band_of,
    common,
    missed_disease,
    missed_findings,
    subgroups_of,
)

WHO = ("age", "sex", "maker", "device")
LABELS = ("COVID-19", "No_findings", "Pneumonia")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Write DICOM phantoms that know who they are of, a PNG that does not, and a label file."""
    folder, films = tmp_path_factory.mktemp("people"), list(phantoms(12, 5, 64, ("dicom",)))
    for number, film in enumerate(films):
        (folder / f"f{number:02d}.dcm").write_bytes(film.data)
    (folder / "z.png").write_bytes(next(phantoms(1, 9, 64, ("png",))).data)
    rows = ["f00.dcm,7Y,F,Siemens Healthineers,Ysio", "f01.dcm,88,,,", "z.png,104 W,female,GE,"]
    text = "\n".join(["name,age,sex,maker,device,label", *(f"{row},ill" for row in rows)])
    (folder / "labels.csv").write_text(text + "\n")
    return folder, films


def ingested(spark, folder, out, **settings):
    cfg = defaults(ingest={"images": [str(folder)], **settings})
    done = ingest_step(spark, cfg.ingest, Output(str(out)))
    return done, {row["path"].rsplit("/", 1)[-1]: row for row in done.images.collect()}


@pytest.fixture(scope="module")
def labelled(spark, drawn, tmp_path_factory):
    folder, _ = drawn
    out = tmp_path_factory.mktemp("labelled")
    labels = {"labels": str(folder / "labels.csv"), "unmatched": "keep"}
    return ingested(spark, folder, out / "T", **labels)


def test_headers_say_who_is_on_a_film_and_what_took_it(labelled, drawn):
    _, films = drawn
    for number in range(2, 12):
        row = labelled[1][f"f{number:02d}.dcm"]
        person = films[number].demographics
        assert tuple(row[name] for name in WHO) == astuple(person)
        assert ("child" in row["flags"]) == person.is_child


def test_a_label_file_counts_before_the_header_and_where_it_is_silent_the_header(labelled, drawn):
    _, images = labelled
    _, films = drawn
    assert tuple(images["f00.dcm"][name] for name in WHO) == (7, "F", "Siemens", "Ysio")
    other = films[1].demographics
    expected = (88, other.sex, other.maker, other.device)
    assert tuple(images["f01.dcm"][name] for name in WHO) == expected
    assert ["child" in images[f"f0{n}.dcm"]["flags"] for n in (0, 1)] == [True, False]


def test_a_film_without_a_header_has_what_the_label_file_says(labelled):
    row = labelled[1]["z.png"]
    assert [row[name] for name in WHO] == [None, "F", "GE", None]


@pytest.mark.slow
def test_a_table_of_before_is_read_with_nobody_known(spark, labelled, tmp_path):
    done, images = labelled
    output = Output(str(tmp_path / "T"))
    output.write_table(done.images.drop("maker", "device"), "images")
    output.write_table(spark.createDataFrame([], "path string, reason string"), "quarantine")
    read = account_of(spark, output)
    assert read.images.columns == done.images.columns
    assert read.images.where("maker is null and device is null").count() == len(images)


@pytest.mark.slow
def test_groups_are_in_the_order_of_paths(spark, labelled):
    done, images = labelled
    strange = spark.createDataFrame([("file:/nowhere.png",)], "path string")
    predictions = done.images.select("path").orderBy(F.desc("path")).union(strange)
    found = subgroups_of(predictions, done.images)
    rows = [images[name] for name in sorted(images)]
    films = sorted([*(row["path"] for row in rows), "file:/nowhere.png"])
    place = films.index("file:/nowhere.png")
    assert {names[place] for names in found.by.values()} == {None}
    bands = [band for n, band in enumerate(found.by["age band"]) if n != place]
    assert bands == [age_band(row["age"]) for row in rows]
    makers = [maker for n, maker in enumerate(found.by["maker"]) if n != place]
    assert makers == [row["maker"] for row in rows]


@pytest.mark.slow
def test_bands_in_a_table_are_those_of_the_function(spark):
    ages = spark.createDataFrame([(age,) for age in (*range(91), None)], "age int")
    rows = ages.withColumn("band", band_of(F.col("age"))).collect()
    assert [row["band"] for row in rows] == [age_band(row["age"]) for row in rows]
    assert {row["band"] for row in rows} == {None, *(name for name, _ in AGE_BANDS)}


# Without Spark


def test_only_properties_with_several_groups_are_reported():
    found = Subgroups({"sex": ("F", "F", None), "maker": ("A", "B", None), "device": (None,) * 3})
    assert found.several() == {"maker": ("A", "B", None)}


def test_sources_and_views_come_first():
    found = Subgroups({"sex": ("F", "M")}).beside(["a", "b"], [None, "PA"])
    assert [*found.by] == ["source", "view", "sex"]


def test_rare_devices_stand_together():
    names = [f"d{n:02d}" for n in range(30) for _ in range(40 - n)]
    kept = common([*names, None])
    assert set(kept) == {None, OTHERS, *(f"d{n:02d}" for n in range(MOST))}
    assert len(kept) == len(names) + 1
    assert common(["a", None, "b"]) == ("a", None, "b")


def test_two_of_several_normal_names_are_no_disease():
    labels = ("Normal", "No_findings", "Pneumonia")
    truth = ["Normal", "No_findings", "Pneumonia", "Pneumonia"]
    shares = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    sexes = Subgroups({"sex": ("F", "M", "F", "M")})
    found = missed_disease(truth, shares, labels, ["a", "b", "c", "d"], sexes, resamples=100)
    assert (found.positives, found.missed.value) == (2, 0.5)


def films_of(missed_in_f: float, seed: int = 0, count: int = 400):
    """Draw films of as many patients, half of them ill, of whom more women are missed."""
    dice = np.random.default_rng(seed)
    sexes = dice.choice(["F", "M"], count)
    truth = np.where(np.arange(count) % 2, "Pneumonia", "No_findings")
    is_missed = dice.random(count) < np.where(sexes == "F", missed_in_f, 0.1)
    said = np.where(is_missed | (truth == "No_findings"), 1, 2)
    shares = np.full((count, 3), 0.1)
    shares[np.arange(count), said] = 0.8
    return truth.tolist(), shares, sexes, is_missed


@pytest.mark.parametrize(("missed_in_f", "names"), [(0.5, ["F"]), (0.1, [])])
def test_a_planted_gap_is_found_and_nothing_without_one(missed_in_f, names):
    truth, shares, sexes, _ = films_of(missed_in_f)
    groups = [f"p{n}" for n in range(len(truth))]
    known = Subgroups({"sex": tuple(sexes)})
    found = missed_disease(truth, shares, LABELS, groups, known, resamples=100)
    assert [row.name for row in found.alarms] == names
    assert (found.label, found.positives) == ("disease", 200)


def test_without_a_normal_label_or_groups_nothing_is_said():
    truth, shares, sexes, _ = films_of(0.5)
    groups, known = [f"p{n}" for n in range(len(truth))], Subgroups({"sex": tuple(sexes)})
    others = ("COVID-19", "Healthy", "Pneumonia")
    spelled = ["Healthy" if label == "No_findings" else label for label in truth]
    assert missed_disease(spelled, shares, others, groups, known) is None
    assert missed_disease(truth, shares, LABELS, groups, Subgroups()) is None
    named = missed_disease(spelled, shares, others, groups, known, normal="Healthy", resamples=100)
    assert named.positives == 200


def test_a_normal_label_that_is_none_is_refused():
    with pytest.raises(InputError, match="Healthy"):
        missed_disease(["a"], [[0.5, 0.5]], ("a", "b"), ["p"], Subgroups(), normal="Healthy")


def test_a_film_with_findings_is_missed_where_none_is_answered():
    truth = np.array([[1, 0], [1, np.nan], [0, 1], [0, 0], [np.nan, np.nan]])
    shares = np.array([[0.2, 0.1], [0.6, 0.1], [0.2, 0.3], [0.1, 0.1], [0.1, 0.1]])
    known = Subgroups({"sex": ("F", "F", "M", "M", "F")})
    found = missed_findings(truth, shares, (0.5, 0.25), [*"abcde"], known, resamples=100)
    assert found.positives == 3
    assert [(row.name, row.positives, row.missed.value) for row in found.rows] == [
        ("F", 2, 0.5),
        ("M", 1, 0.0),
    ]
