import pytest

from spark_cxr.errors import InputError
from spark_cxr.pipeline.split import check_split, split


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
