import pytest
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.pipeline.finding_counts import (
    NONE,
    FindingTally,
    count_findings,
    enough_of,
    known_text,
    with_strata,
)
from spark_cxr.pipeline.splits import folds, split

DDL = "path string, sha256 string, label string, group_id string, findings map<string,boolean>"


def films(spark, rows):
    """Make films of (group, findings)."""
    return spark.createDataFrame(
        [(f"f{i:04}", f"s{i:04}", "x", group, found) for i, (group, found) in enumerate(rows)], DDL
    )


def test_counts_films_and_patients_of_each_finding_and_leaves_the_unknown_out(spark):
    rows = [
        ("a", {"Effusion": True, "Nodule": False}),
        ("a", {"Effusion": True}),
        ("b", {"Effusion": False, "Nodule": True}),
        ("c", {"Effusion": False}),
        ("d", {}),
        ("e", None),
    ]
    assert count_findings(films(spark, rows)) == (
        FindingTally("Effusion", 2, 2, 1, 2),
        FindingTally("Nodule", 1, 1, 1, 1),
    )


def test_share_is_that_of_the_known():
    assert FindingTally("Effusion", 1, 3, 1, 3).share == 0.25


def test_a_finding_of_too_few_patients_is_left_out():
    many, few = FindingTally("Effusion", 50, 50, 20, 30), FindingTally("Hernia", 50, 90, 3, 40)
    assert enough_of([few, many], 10) == (many,)


def test_films_without_a_finding_to_learn_are_refused():
    few = FindingTally("Hernia", 50, 90, 3, 40)
    with pytest.raises(InputError, match=r"with 10 patients.*Received: Hernia: 3 and 40\."):
        enough_of([few], 10)
    with pytest.raises(InputError, match="films of which no finding is known"):
        enough_of([], 10)


@pytest.fixture(scope="module")
def drawn(spark):
    """120 patients of two films; Rare is on 6 of them, Common on every second, None on the rest."""
    rows = []
    for patient in range(120):
        found = {"Rare": patient % 20 == 0, "Common": patient % 2 == 0}
        rows += [(f"p{patient}", found), (f"p{patient}", {**found, "Rare": False})]
    made = films(spark, rows).persist()
    return made, count_findings(made)


def test_each_side_of_a_split_has_its_share_of_the_rarest_finding(drawn):
    rows, counts = drawn
    for seed in range(3):
        sides = split(with_strata(rows, counts, 2), "patient", 0.5, seed)
        has_it = F.col("findings")["Rare"] & F.col("is_test")
        assert sides.where(has_it).select("group_id").distinct().count() == 3


def test_every_fold_has_the_rarest_finding(drawn):
    rows, counts = drawn
    dealt = folds(with_strata(rows, counts, 3), "patient", 3, 0)
    found = dealt.where(F.col("findings")["Rare"]).groupBy("fold").count().collect()
    assert sorted(row["count"] for row in found) == [2, 2, 2]


def test_a_finding_that_has_no_patients_of_its_own_makes_no_stratum(spark):
    both = [(f"p{i}", {"Rare": i < 4, "Twin": i < 4, "Common": i < 20}) for i in range(40)]
    made = films(spark, both)
    strata = with_strata(made, count_findings(made), 2)
    found = {row["label"]: row["count"] for row in strata.groupBy("label").count().collect()}
    assert found == {"000 Rare": 4, "002 Common": 16, NONE: 20}


def test_films_without_a_finding_join_the_commonest_where_they_are_too_few(spark):
    made = films(spark, [(f"p{i}", {"Common": i > 0}) for i in range(10)])
    strata = with_strata(made, count_findings(made), 2)
    assert {row["label"] for row in strata.collect()} == {NONE}


def test_text_of_what_is_known_does_not_hang_on_the_order(spark):
    rows = films(spark, [("a", {"B": False, "A": True}), ("b", {"A": True, "B": False})])
    texts = {row[0] for row in rows.select(known_text(F.col("findings"))).collect()}
    assert texts == {"A=true|B=false"}
