from collections import Counter

import pytest

from spark_cxr.errors import InputError
from spark_cxr.pipeline.splits import check_split, folds, split


def films(spark, patients=40, per_patient=3, labels=("a", "b")):
    rows = [
        (f"{p}-{f}", labels[p % len(labels)], f"p{p}")
        for p in range(patients)
        for f in range(per_patient)
    ]
    return spark.createDataFrame(rows, "sha256 string, label string, group_id string")


def sides(rows):
    return {row["sha256"]: row["is_test"] for row in rows.collect()}


@pytest.mark.parametrize("seed", range(3))
def test_no_patient_is_on_both_sides(spark, seed):
    rows = split(films(spark), "patient", 0.3, seed).collect()
    by_patient: dict[str, set[bool]] = {}
    for row in rows:
        by_patient.setdefault(row["group_id"], set()).add(row["is_test"])
    assert {len(found) for found in by_patient.values()} == {1}


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_neither_order_nor_partitioning_matters(spark, parts):
    whole = films(spark)
    shuffled = whole.orderBy("sha256", ascending=False).repartition(parts)
    assert sides(split(shuffled, "patient", 0.3, 1)) == sides(split(whole, "patient", 0.3, 1))


def test_the_name_of_a_patient_does_not_matter(spark):
    renamed = films(spark).selectExpr("sha256", "label", "sha2(group_id, 256) as group_id")
    assert sides(split(renamed, "patient", 0.3, 1)) == sides(split(films(spark), "patient", 0.3, 1))


def test_another_seed_gives_another_split(spark):
    assert sides(split(films(spark), "patient", 0.3, 1)) != sides(
        split(films(spark), "patient", 0.3, 2)
    )


def test_patients_with_many_films_are_not_drawn_more_often(spark):
    rows = [
        (f"{p}-{f}", "ab"[p % 2], f"p{p}") for p in range(200) for f in range(20 if p < 100 else 1)
    ]
    table = spark.createDataFrame(rows, "sha256 string, label string, group_id string")
    table = table.selectExpr("sha2(sha256, 256) as sha256", "label", "group_id")
    tested = split(table, "patient", 0.5, 0).where("is_test")
    large = tested.where("cast(substr(group_id, 2) as int) < 100").select("group_id").distinct()
    assert 35 <= large.count() <= 65


def test_each_label_gives_its_share_of_patients(spark):
    rows = split(films(spark, patients=40), "patient", 0.25, 0)
    counts = rows.where("is_test").groupBy("label").agg({"group_id": "approx_count_distinct"})
    assert {row[0]: row[1] for row in counts.collect()} == {"a": 5, "b": 5}


def test_split_by_image_splits_patients(spark):
    rows = split(films(spark, patients=10, per_patient=6), "image", 0.5, 0).collect()
    mixed = {r["group_id"] for r in rows if r["is_test"]} & {
        r["group_id"] for r in rows if not r["is_test"]
    }
    assert mixed


def test_a_lone_patient_of_a_class_trains_and_the_split_is_refused(spark):
    rows = films(spark, patients=3, labels=("a", "a", "rare"))
    with pytest.raises(InputError, match=r"Received: too few patients of rare"):
        check_split(split(rows, "patient", 0.3, 0))


def test_one_class_only_is_refused(spark):
    rows = split(films(spark, labels=("a",)), "patient", 0.3, 0)
    with pytest.raises(InputError) as error:
        check_split(rows)
    assert str(error.value) == (
        "Expected at least two classes of images. Received: a. "
        "Give a folder for each class, or --labels FILE.csv."
    )


def with_paths(spark, **options):
    return films(spark, **options).selectExpr("*", "concat('d/', sha256, '.png') as path")


def split_file(tmp_path, sides):
    lines = ["filename,split", *(f"{name},{side}" for name, side in sides.items())]
    (tmp_path / "sides.csv").write_text("\n".join(lines))
    return str(tmp_path / "sides.csv")


def test_a_file_says_who_tests_and_the_unnamed_are_left_out(spark, tmp_path):
    path = split_file(tmp_path, {"0-0.png": "train", "1-0": "test", "2-0": "", "3-0": "val"})
    assert sides(split(with_paths(spark), path, 0.3, 0)) == {"0-0": False, "1-0": True}


def test_validation_tests_where_a_file_has_no_test(spark, tmp_path):
    path = split_file(tmp_path, {"0-0": "Train", "1-0": "val"})
    assert sides(split(with_paths(spark), path, 0.3, 0)) == {"0-0": False, "1-0": True}


def test_an_unknown_word_in_a_split_file_is_refused(spark, tmp_path):
    path = split_file(tmp_path, {"0-0": "train", "1-0": "holdout"})
    with pytest.raises(InputError, match=r"train, val, test or nothing .* with holdout"):
        split(with_paths(spark), path, 0.3, 0)


CROSSING = {"0-0": "train", "0-1": "test", "1-0": "train", "3-0": "test", "2-0": "train"}


def test_a_file_that_splits_a_patient_is_refused_by_name(spark, tmp_path):
    rows = split(with_paths(spark), split_file(tmp_path, CROSSING), 0.3, 0)
    with pytest.raises(InputError, match=r"1 groups .*d/0-1\.png is tested, d/0-0\.png trains"):
        check_split(rows, may_cross=False)


def test_drop_leaves_out_the_crossing_training_films_only(spark, tmp_path):
    path = split_file(tmp_path, CROSSING)
    kept = sides(split(with_paths(spark), path, 0.3, 0, "drop"))
    assert kept == {"0-1": True, "1-0": False, "3-0": True, "2-0": False}


@pytest.mark.parametrize("seed", range(2))
def test_folds_share_no_patient_and_each_label_evenly(spark, seed):
    rows = folds(films(spark, patients=40), "patient", 5, seed).collect()
    of = {(r["group_id"], r["label"]): r["fold"] for r in rows}
    assert len({(r["group_id"], r["fold"]) for r in rows}) == 40
    assert {(label, fold): 4 for label in "ab" for fold in range(5)} == Counter(
        (label, fold) for (_, label), fold in of.items()
    )


def test_more_folds_than_patients_of_a_label_are_refused(spark):
    with pytest.raises(InputError, match="Ask for fewer folds"):
        folds(films(spark, patients=6), "patient", 5, 0)
