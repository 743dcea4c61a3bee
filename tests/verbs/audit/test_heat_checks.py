"""What is said of heat: on the lungs, in the corners, on the border, class by class."""

import numpy as np
from film_tables import by_name

from spark_cxr.config import defaults
from spark_cxr.metrics.checks import FAIL, NOT_APPLICABLE, PASS, WARN
from spark_cxr.verbs.audit.heat import SHARES, check_heat, no_maps

LABELS = ("ill", "well")
SETTINGS = defaults().audit


def shares(spark, *groups):
    """Make rows: (films, answer, lungs, corners, border, likeness)."""
    rows = [
        (f"{g}-{i}", answer, lungs, corners, border, 0.25, False, likeness)
        for g, (films, answer, lungs, corners, border, likeness) in enumerate(groups)
        for i in range(films)
    ]
    table = spark.createDataFrame(rows, SHARES)
    sources = [(row[0], f"s{row[1]}") for row in rows]
    films = spark.createDataFrame(sources, "path string, source string")
    return by_name(check_heat(table, films, LABELS, SETTINGS))


EVEN = (8, 0, 0.25, 0.09, 0.36, 0.1)


def test_even_heat_passes(spark):
    found = shares(spark, EVEN, (8, 1, 0.4, 0.05, 0.2, 0.2))
    assert {check.status for check in found.values()} == {PASS}
    assert found["heat_lungs"].sentence.startswith(
        "Of the evidence for the answers on 16 test films, 32.5\u202f% lies on the lungs, "
    )


def test_one_class_that_looks_at_corners_is_enough(spark):
    found = shares(spark, EVEN, (8, 1, 0.25, 0.3, 0.4, 0.1))
    assert found["heat_corners"].status == FAIL
    assert "For well it is 30.0\u202f%" in found["heat_corners"].sentence
    assert found["heat_border"].status == PASS


def test_lungs_that_hardly_count_are_a_warning_and_then_a_fail(spark):
    assert shares(spark, (8, 0, 0.15, 0.09, 0.36, 0.1))["heat_lungs"].status == WARN
    assert shares(spark, (8, 0, 0.05, 0.09, 0.36, 0.1))["heat_lungs"].status == FAIL


def test_heat_that_does_not_care_for_the_head_is_a_fail(spark):
    found = shares(spark, (8, 0, 0.25, 0.09, 0.36, 0.95))["heat_shuffled"]
    assert found.status == FAIL
    assert "by 0.95 on average" in found.sentence


def test_class_of_few_films_is_shown_and_not_judged(spark):
    found = shares(spark, EVEN, (1, 1, 0.0, 1.0, 1.0, 0.1))
    assert found["heat_corners"].status != FAIL
    assert [row[0] for row in found["heat_lungs"].grid.rows] == [
        *("all films", "ill", "well", "s0", "s1")
    ]


def test_network_without_maps_is_not_asked():
    assert no_maps().status == NOT_APPLICABLE


def test_numbers_are_plain(spark):
    for check in shares(spark, EVEN).values():
        assert all(isinstance(value, float | int) for _, value in check.numbers)
        assert np.isfinite([value for _, value in check.numbers]).all()
