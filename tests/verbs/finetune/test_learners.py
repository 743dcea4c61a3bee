"""Who trains, who validates, and who must not."""

import pytest
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.pipeline.partition import Partition, People, part
from spark_cxr.pipeline.splits import check_split, split
from spark_cxr.verbs.finetune.learners import choose_learners, of_learners, with_validation

LABELS = ("COVID-19", "Normal")


@pytest.fixture(scope="module")
def parted(spark):
    """Two films each of 80 patients, half of them of either class."""
    made = [(f"f{i}", f"s{i}", LABELS[i // 2 % 2], f"p{i // 2}") for i in range(160)]
    rows = spark.createDataFrame(made, "path string, sha256 string, label string, group_id string")
    rows = split(rows, "patient", 0.25, 0).persist()
    return Partition(rows, LABELS, check_split(rows), 0, People(80, 0))


@pytest.fixture(scope="module")
def learners(parted):
    return choose_learners(parted, None, None, defaults(finetune={"val_fraction": 0.2}))


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
    found = choose_learners(parted, never.limit(3), None, defaults())
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
        choose_learners(parted, never, None, defaults())
    assert str(caught.value) == (
        "Expected films of each class that train, and that validate. "
        "Received: too few patients of Normal. "
        "Add images, change --val-fraction, or leave the class out with --classes."
    )


@pytest.fixture(scope="module")
def films(spark):
    """Two films each of 80 patients, as in `parted`."""
    made = [(f"f{i}", f"s{i}", LABELS[i // 2 % 2], *[f"p{i // 2}"] * 2) for i in range(160)]
    return spark.createDataFrame(
        made, "path string, sha256 string, label string, group_id string, patient_id string"
    ).persist()


def asked(tmp_path, names, crossing="error"):
    """Ask for a split file: the side of each film, by its number."""
    lines = ["path,split", *(f"f{i},{side}" for i, side in enumerate(names) if side)]
    (tmp_path / "sides.csv").write_text("\n".join(lines))
    return defaults(train={"split": str(tmp_path / "sides.csv"), "crossing": crossing})


def learn(films, cfg):
    parted = part(films, films, LABELS, cfg)
    return choose_learners(*with_named(parted, films, cfg), cfg)


def with_named(parted, films, cfg):
    found, named = with_validation(parted, films, films, cfg)
    return found, None, named


def test_films_that_a_split_names_for_validation_validate(tmp_path, films):
    names = ["train"] * 80 + ["val"] * 40 + ["test"] * 36 + [""] * 4
    cfg = asked(tmp_path, names)
    parted = part(films, films, LABELS, cfg)
    found, _, named = with_named(parted, films, cfg)
    assert (parted.left_out, found.left_out) == (44, 4)
    learners = choose_learners(found, None, named, cfg)
    assert learners.counts == {"COVID-19": (40, 20), "Normal": (40, 20)}
    assert {p for p, side in sides(learners).items() if side == "val"} == {
        f"f{i}" for i in range(80, 120)
    }
    assert learners.kept_out == 0


@pytest.mark.parametrize(("crossing", "validate"), [("drop", 38), ("keep", 40)])
def test_a_patient_who_also_trains_or_tests_does_not_validate(tmp_path, films, crossing, validate):
    names = ["train"] * 81 + ["val"] * 40 + ["test"] * 39
    assert learn(films, asked(tmp_path, names, crossing)).n_val == validate


def test_a_split_that_names_no_validation_has_a_share_of_the_training(tmp_path, films):
    cfg = asked(tmp_path, ["train"] * 100 + ["val"] * 60)
    parted = part(films, films, LABELS, cfg)
    assert with_validation(parted, films, films, cfg) == (parted, None)
