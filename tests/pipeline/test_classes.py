"""Which labels are told apart, and which count as one."""

import pytest
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.pipeline.classes import choose_classes, read_classes


@pytest.fixture(scope="module")
def films(spark):
    labels = ["COVID-19", "Normal", "Normal", "Pneumonia", None]
    rows = [(f"p{i}", label) for i, label in enumerate(labels)]
    return spark.createDataFrame(rows, "path string, label string")


def test_without_a_wish_each_label_is_a_class(films):
    assert choose_classes(films, ()).names == ("COVID-19", "Normal", "Pneumonia")


def test_classes_are_those_that_were_asked_for(films):
    assert choose_classes(films, ("Pneumonia", "COVID-19")).names == ("COVID-19", "Pneumonia")


def test_labels_are_merged_into_one_class_and_the_rest_is_left_out(films):
    classes = choose_classes(films, ("COVID-19", "other=Normal+Pneumonia"))
    taken = {row["path"]: row["label"] for row in classes.take(films).collect()}
    assert taken == {"p0": "COVID-19", "p1": "other", "p2": "other", "p3": "other"}


def test_an_unknown_label_is_refused_with_the_nearest(films):
    with pytest.raises(InputError, match=r"Received: Pneumonja. Did you mean Pneumonia\?"):
        choose_classes(films, ("COVID-19", "other=Normal+Pneumonja"))


def test_one_class_is_refused(films):
    with pytest.raises(InputError, match=r"at least two classes of images. Received: all"):
        choose_classes(films, ("all=COVID-19+Normal",))


def test_images_without_labels_are_refused(films):
    bare = films.withColumn("label", F.lit(None).cast("string"))
    with pytest.raises(InputError, match=r"Received: no label"):
        choose_classes(bare, ())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a=x+y", "b=y+z"), "a label in one class of --classes. Received: y twice"),
        (("a=x", "a=y"), "a class once of --classes. Received: a twice"),
        (("a=",), "--classes by name. Received: a="),
        (("=x",), "--classes by name. Received: =x"),
        (("a=x++y",), r"--classes by name. Received: a=x\+\+y"),
    ],
)
def test_what_is_no_list_of_classes_is_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        read_classes(words)
