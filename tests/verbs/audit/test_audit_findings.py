import pytest
from film_tables import SETTINGS

from spark_cxr.pipeline.checks.findings import (
    SourceCells,
    check_findings,
    judge_finding_sources,
    judge_unknown,
)

TWO = ("one", "two")


def cells(*pairs, films=100):
    """Write what is known of a finding as (positive, negative) of source one and two."""
    return {s: SourceCells(films, *pair) for s, pair in zip(TWO, pairs, strict=True)}


def test_findings_as_frequent_in_every_source_pass():
    check = judge_finding_sources({"Edema": cells((20, 80), (20, 80))}, TWO, SETTINGS)
    assert check.status == "pass"
    assert dict(check.numbers)["worst_cramers_v"] == pytest.approx(0)


def test_the_finding_that_goes_most_closely_with_the_source_is_named():
    found = {"Edema": cells((20, 80), (20, 80)), "Hernia": cells((1, 99), (95, 5))}
    check = judge_finding_sources(found, TWO, SETTINGS)
    assert check.status == "fail"
    assert "Of 2 findings Hernia goes most closely" in check.sentence
    assert check.grid.rows[1][2:] == ("1 of 100 (1.0\u202f%)", "95 of 100 (95.0\u202f%)")


def test_a_finding_of_one_source_fails_and_is_named_with_it():
    check = judge_finding_sources({"Edema": cells((2, 98), (0, 100))}, TWO, SETTINGS)
    assert check.status == "fail"
    assert "Edema (one)" in check.sentence
    assert dict(check.numbers)["findings_of_one_source"] == 1


def test_one_source_alone_is_not_judged():
    found = {"Edema": {"one": SourceCells(100, 20, 80)}}
    assert judge_finding_sources(found, ["one"], SETTINGS).status == "not_applicable"


def test_answers_unknown_alike_everywhere_pass():
    check = judge_unknown({"Edema": cells((10, 40), (10, 40))}, TWO, SETTINGS)
    assert check.status == "pass"
    assert dict(check.numbers)["unknown_share"] == 0.5


def test_a_hospital_that_never_answers_fails():
    found = {"Edema": cells((10, 90), (10, 90)), "Mass": cells((10, 90), (0, 0))}
    check = judge_unknown(found, TWO, SETTINGS)
    assert check.status == "fail"
    assert "Whether Mass is known" in check.sentence
    assert check.brief == "25.0\u202f% unknown"


def test_nothing_unknown_is_nothing_to_judge():
    found = {"Edema": cells((10, 90), (10, 90))}
    assert judge_unknown(found, TWO, SETTINGS).status == "not_applicable"


def test_counts_come_from_the_table_of_films(spark):
    rows = [
        ("one", {"Edema": True, "Mass": False}),
        ("one", {"Edema": False}),
        ("two", {"Edema": False, "Mass": True}),
        ("two", {}),
        ("two", None),
    ]
    films = spark.createDataFrame(rows, "source string, findings map<string,boolean>")
    sources, unknown = check_findings(films, SETTINGS)
    assert [row[0] for row in sources.grid.rows] == ["Edema", "Mass"]
    assert sources.grid.rows[0][2:] == ("1 of 2 (50.0\u202f%)", "0 of 1 (0.0\u202f%)")
    assert sources.grid.rows[1][2:] == ("0 of 1 (0.0\u202f%)", "1 of 1 (100.0\u202f%)")
    assert unknown.grid.rows[1] == ("Mass", "1 of 2 (50.0\u202f%)", "2 of 3 (66.7\u202f%)")
