"""Which test films travel with a model: drawn by a hash, one way on any number of partitions."""

import hashlib

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import functions as F

from spark_cxr.model.examples import read_examples
from spark_cxr.model.findings import NO_FINDING
from spark_cxr.output import Output
from spark_cxr.pipeline.model_examples import chosen, leave_examples
from tests.quick import defaults

LABELS = ("COVID", "Normal")
FINDINGS = ("Edema", "Nodule")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write twelve films."""
    place = tmp_path_factory.mktemp("tested")
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64), np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return place


def rows(spark, folder, source="hospital"):
    """Give six films of either class."""
    films = [
        (f"file:{folder}/{n}.png", hashlib.sha256(b"%d" % n).hexdigest(), LABELS[n % 2], source)
        for n in range(12)
    ]
    return spark.createDataFrame(films, "path string, sha256 string, label string, source string")


def kept(spark, folder, source, tmp_path, **train):
    """Leave films in a directory; give what they are known to have, and whether they are drawn."""
    place = Output(str(tmp_path / "model"))
    leave_examples(rows(spark, folder, source), LABELS, defaults(train=train), place)
    if "examples" not in place.names():
        return None
    names = ["examples/examples.json", *(f"examples/{k}.png" for k in range(1, 7))]
    found, _ = read_examples(place, Listed(names, place))
    return [next(name for name, has in each.known.items() if has) for each in found.films]


class Listed:
    """A manifest as far as `read_examples` looks at it."""

    labels = LABELS

    def __init__(self, names, place):
        self.files = {
            name: hashlib.sha256(data).hexdigest()
            for name in names
            if (data := place.read_bytes(name)) is not None
        }


def test_so_many_of_each_class_in_the_order_of_classes(spark, folder):
    found = chosen(rows(spark, folder), LABELS, 2, 0)
    assert [row["known"] for row in found] == [
        *({"COVID": True, "Normal": False},) * 2,
        *({"COVID": False, "Normal": True},) * 2,
    ]


def test_the_same_films_whatever_the_partitions_and_the_order(spark, folder):
    films = rows(spark, folder)
    plain = [row["path"] for row in chosen(films, LABELS, 2, 0)]
    for shuffled in (films.repartition(5, "path"), films.orderBy(F.desc("path")).coalesce(1)):
        assert [row["path"] for row in chosen(shuffled, LABELS, 2, 0)] == plain


def test_a_seed_chooses_others(spark, folder):
    films = rows(spark, folder)
    drawn = [tuple(row["path"] for row in chosen(films, LABELS, 1, seed)) for seed in range(4)]
    assert len(set(drawn)) > 1


def test_what_the_model_says_of_a_film_does_not_count(spark, folder):
    films = rows(spark, folder)
    plain = [row["path"] for row in chosen(films, LABELS, 2, 0)]
    wrong = films.withColumn("prediction", F.lit("COVID")).withColumn("confidence", F.rand(1))
    assert [row["path"] for row in chosen(wrong, LABELS, 2, 0)] == plain


def test_films_of_findings_and_those_without(spark):
    has = [
        {"Edema": True, "Nodule": True, "Other": False},
        {"Edema": False, "Nodule": False},
        {"Edema": False, "Nodule": None},
        {"Edema": False, "Nodule": True},
    ]
    films = spark.createDataFrame(
        [(f"{n}.png", f"{n}", each) for n, each in enumerate(has)],
        "path string, sha256 string, findings map<string,boolean>",
    )
    found = {row["path"]: row for row in chosen(films, FINDINGS, 3, 0)}
    assert set(found) == {"0.png", "1.png", "3.png"}
    assert found["0.png"]["known"] == {"Edema": True, "Nodule": True}
    assert found["1.png"]["shelf"] == NO_FINDING


def test_films_of_patients_travel_only_where_that_is_wanted(spark, folder, tmp_path):
    assert kept(spark, folder, "hospital", tmp_path) is None
    assert kept(spark, folder, "hospital", tmp_path, examples=2) == ["COVID"] * 2 + ["Normal"] * 2


def test_drawn_films_travel_unasked(spark, folder, tmp_path):
    assert kept(spark, folder, "phantom", tmp_path) == ["COVID", "Normal"]


def test_a_film_that_is_gone_is_left_out(spark, folder, tmp_path):
    lost = rows(spark, folder).withColumn("path", F.concat(F.col("path"), F.lit("x")))
    place = Output(str(tmp_path / "model"))
    leave_examples(lost, LABELS, defaults(train={"examples": 1}), place)
    assert place.names() == []
