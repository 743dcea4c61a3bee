"""One label against the rest: by hand and against scikit-learn."""

import numpy as np
import pytest

from spark_cxr.metrics import area_under_roc, precision_recall, roc, sensitivity_at

POSITIVE = np.array([False, False, True, True])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])


@pytest.mark.parametrize(
    ("positive", "scores", "expected"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75),
        ([0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        ([1, 0, 0], [0.5, 0.5, 0.2], 0.75),
        ([1, 1, 0], [0.9, 0.8, 0.1], 1.0),
        ([0, 0, 1], [0.9, 0.8, 0.1], 0.0),
    ],
)
def test_auc_counts_wins_and_half_counts_ties(positive, scores, expected):
    assert area_under_roc(np.array(positive, bool), np.array(scores)) == expected


@pytest.mark.parametrize("only", [True, False])
def test_auc_and_roc_are_none_when_one_kind_is_missing(only):
    positive = np.full(3, only)
    scores = np.array([0.1, 0.2, 0.3])

    assert area_under_roc(positive, scores) is None
    assert roc(positive, scores) is None


def test_roc_has_a_point_for_each_distinct_score():
    curve = roc(POSITIVE, SCORES)

    assert curve.false_positive_rate == (0, 0, 0.5, 0.5, 1)
    assert curve.true_positive_rate == (0, 0.5, 0.5, 1, 1)


def test_tied_scores_share_one_point():
    curve = roc(POSITIVE, np.array([0.5, 0.5, 0.5, 0.9]))

    assert curve.false_positive_rate == (0, 0, 1)
    assert curve.true_positive_rate == (0, 0.5, 1)


def test_precision_recall_by_hand():
    curve = precision_recall(POSITIVE, SCORES)

    assert curve.recall == (0.5, 0.5, 1, 1)
    assert curve.precision == (1, 0.5, 2 / 3, 0.5)
    assert curve.average_precision == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert curve.prevalence == 0.5


def test_precision_recall_is_none_without_positives():
    assert precision_recall(np.zeros(3, bool), np.array([0.1, 0.2, 0.3])) is None


@pytest.mark.parametrize(("specificity", "expected"), [(1.0, 0.5), (0.95, 0.5), (0.5, 1), (0, 1)])
def test_sensitivity_is_the_best_that_keeps_the_specificity(specificity, expected):
    assert sensitivity_at(roc(POSITIVE, SCORES), specificity) == expected


def test_a_specificity_of_exactly_19_in_20_counts_as_95_percent():
    positive = np.array([True] + [False] * 20)
    scores = np.array([0.5, 0.9] + [0.1] * 19)

    assert sensitivity_at(roc(positive, scores), 0.95) == 1


def test_sensitivity_of_no_curve_is_none():
    assert sensitivity_at(None, 0.95) is None


@pytest.mark.parametrize("seed", range(5))
def test_curves_equal_scikit_learn_on_tied_scores(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    positive = rng.random(200) < 0.3
    scores = np.round(rng.normal(size=200) + positive, 1)

    false_rate, true_rate, _ = sklearn.roc_curve(positive, scores, drop_intermediate=False)
    precision, recall, _ = sklearn.precision_recall_curve(positive, scores)
    ours, falling = roc(positive, scores), precision_recall(positive, scores)

    np.testing.assert_allclose(ours.false_positive_rate, false_rate)
    np.testing.assert_allclose(ours.true_positive_rate, true_rate)
    np.testing.assert_allclose(falling.precision[::-1], precision[:-1])
    np.testing.assert_allclose(falling.recall[::-1], recall[:-1])
    assert area_under_roc(positive, scores) == pytest.approx(
        sklearn.roc_auc_score(positive, scores)
    )
    assert falling.average_precision == pytest.approx(
        sklearn.average_precision_score(positive, scores)
    )
