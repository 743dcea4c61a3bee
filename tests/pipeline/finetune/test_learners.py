"""Who trains, who validates, and who must not."""

import pytest
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.pipeline.finetune.learners import choose_learners, of_learners
from spark_cxr.pipeline.parted import Parted
from spark_cxr.pipeline.split import check_split, split

LABELS = ("COVID-19", "Normal")


@pytest.fixture(scope="module")
def parted(spark):
    """Two films each of 80 patients, half of them of either class."""
    made = [(f"f{i}", f"s{i}", LABELS[i // 2 % 2], f"p{i // 2}") for i in range(160)]
    rows = spark.createDataFrame(made, "path string, sha256 string, label string, group_id string")
    rows = split(rows, "patient", 0.25, 0).persist()
    return Parted(rows, LABELS, check_split(rows), 0)


@pytest.fixture(scope="module")
def learners(parted):
    return choose_learners(parted, None, defaults(finetune={"val_fraction": 0.2}))


def sides(learners):
    return {row["path"]: row["side"] for row in learners.rows.collect()}


def patients(paths):
    return {int(path[1:]) // 2 for path in paths}


def test_a_fifth_of_the_patients_of_the_training_validates(learners):
    assert learners.counts == {"COVID-19": (48, 12), "Normal": (48, 12)}


def test_no_patient_both_trains_and_validates(learners):
    found = sides(learners)
    train, val = (patients(p for p, s in found.items() if s == side) for side in ("train", "val"))
    assert (len(train), len(val), train & val) == (48, 12, set())


def test_nobody_who_tests_learns(parted, learners):
    tested = {row["path"] for row in parted.rows.where("is_test").collect()}
    assert patients(tested) & patients(sides(learners)) == set()


def test_target_is_the_number_of_the_class(learners):
    rows = learners.rows.collect()
    assert all(row["target"] == int(row["path"][1:]) // 2 % 2 for row in rows)


def test_patients_of_never_neither_train_nor_validate_and_are_counted(parted):
    trains = [r["group_id"] for r in parted.rows.where("not is_test").orderBy("path").collect()]
    never = parted.rows.where(F.col("group_id").isin(trains[0], trains[40]))
    found = choose_learners(parted, never.limit(3), defaults())
    known = {int(trains[0][1:]), int(trains[40][1:])}
    assert (patients(sides(found)) & known, found.kept_out) == (set(), 4)


def test_split_of_learners_has_the_whole_test_and_who_learned(parted, learners):
    found = of_learners(parted, learners)
    counts = {r["is_test"]: r["count"] for r in found.rows.groupBy("is_test").count().collect()}
    assert counts == {True: found.n_test, False: found.n_train}
    assert (found.n_train, found.n_test) == (120, 40)


def test_class_that_never_leaves_bare_is_refused(parted):
    never = parted.rows.where("not is_test and label = 'Normal'")
    with pytest.raises(InputError) as caught:
        choose_learners(parted, never, defaults())
    assert str(caught.value) == (
        "Expected films of each class that train, and that validate. "
        "Received: too few patients of Normal. "
        "Add images, change --val-fraction, or leave the class out with --classes."
    )
