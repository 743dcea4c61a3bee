"""Thresholds of a yes or no: each row is what counting at that threshold gives."""

import numpy as np
import pytest

from spark_cxr.metrics import measure, measure_findings
from spark_cxr.metrics.threshold_table import MOST, threshold_tables

RNG = np.random.default_rng(5)
N = 900
HAS = np.arange(N) % 3 == 0
SCORES = 1 / (1 + np.exp(-RNG.normal(size=N) - 1.5 * HAS))
GROUPS = [f"patient-{row // 2}" for row in range(N)]


@pytest.fixture(scope="module")
def classes():
    truth = np.where(HAS, "ill", "well").tolist()
    return measure(truth, np.c_[SCORES, 1 - SCORES], ("ill", "well"), GROUPS, resamples=200)


@pytest.fixture(scope="module")
def findings():
    truth = HAS.astype(float)
    truth[:90] = np.nan
    given = (truth[:, None], SCORES[:, None], ("Mass",), GROUPS, (0.37,))
    return measure_findings(*given, resamples=200)


def check_rows(table, has, scores):
    """Count anew at each threshold."""
    assert (table.positives, table.negatives) == (has.sum(), (~has).sum())
    for row in table.rows:
        yes = scores >= row.threshold
        assert row.true_positives == (yes & has).sum()
        assert row.false_positives == (yes & ~has).sum()


def test_rows_of_both_classes_are_counts_at_their_threshold(classes):
    ill, well = threshold_tables(classes)
    check_rows(ill, HAS, SCORES)
    check_rows(well, ~HAS, 1 - SCORES)


def test_rows_of_a_finding_are_counts_over_the_films_where_it_is_known(findings):
    (table,) = threshold_tables(findings)
    check_rows(table, HAS[90:], SCORES[90:])


def test_the_own_point_of_a_class_is_its_recall_and_precision(classes):
    own = threshold_tables(classes)[0].own
    assert own.row.threshold == 0.5
    assert own.sensitivity.value == classes.recall[0]
    assert own.specificity.value == classes.recall[1]
    assert own.ppv.interval == classes.intervals.precision[0]
    assert own.npv.value == classes.precision[1]


def test_the_own_point_of_a_finding_is_that_of_its_figures(findings):
    (table,) = threshold_tables(findings)
    figures, row = findings.rows[0].figures, table.own.row
    assert row.threshold == 0.37
    assert row in table.rows
    assert table.sensitivity(row) == figures.sensitivity.value
    assert table.specificity(row) == figures.specificity.value
    assert table.ppv(row) == figures.ppv.value
    assert table.npv(row) == figures.npv.value


@pytest.mark.parametrize("which", ["classes", "findings"])
def test_a_table_is_bounded_falls_and_reaches_both_ends(which, request):
    table = threshold_tables(request.getfixturevalue(which))[0]
    thresholds = [row.threshold for row in table.rows]
    assert len(thresholds) <= MOST
    assert thresholds == sorted(thresholds, reverse=True)
    last = table.rows[-1]
    assert (last.true_positives, last.false_positives) == (table.positives, table.negatives)


@pytest.mark.parametrize("wanted", [0.9, 0.95, 0.99])
def test_a_sensitivity_is_reached_by_the_highest_threshold_that_can(classes, wanted):
    row = threshold_tables(classes)[0].reaching(wanted)
    of_ill = np.sort(SCORES[HAS])[::-1]
    assert row.threshold == of_ill[int(np.ceil(wanted * len(of_ill) - 1e-9)) - 1]


def test_of_more_than_two_classes_none_is_a_yes_or_no():
    shares = np.full((6, 3), 1 / 3)
    assert threshold_tables(measure(list("abcabc"), shares, "abc", list("uvwxyz"))) == ()
