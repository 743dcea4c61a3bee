"""Bands: the curve under a draw is the curve of the films drawn, and a band holds the curve."""

import numpy as np
import pytest

from spark_cxr.metrics import intervals, measure
from spark_cxr.metrics.sample import make_sample


def scored(n=120, n_groups=40, decimals=1):
    """Make tied scores of two labels."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, n)
    share = 1 / (1 + np.exp(-np.round(rng.normal(size=n) + truth, decimals)))
    shares = np.column_stack([1 - share, share])
    return ["ab"[i] for i in truth], shares, "ab", [f"g{i % n_groups:02}" for i in range(n)]


def counted(weights):
    """Count hits and alarms of label b under one draw, and give the films drawn, repeated."""
    truth, shares, labels, groups = scored()
    sample = make_sample(truth, shares, labels, groups)
    order = np.argsort(-shares[:, 1], kind="stable")
    ends = np.append(np.flatnonzero(np.diff(shares[order, 1])), len(order) - 1)
    positive = (sample.truth == 1)[order]
    counts = intervals.weigh(weights[:, None], sample.groups[order], positive, ends)
    repeated = np.repeat(np.arange(sample.n), weights[sample.groups].astype(int))
    return counts, sample.truth[repeated] == 1, shares[repeated, 1]


@pytest.mark.parametrize("seed", range(5))
def test_the_roc_under_a_draw_is_scikit_learns_of_the_films_drawn(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    weights = np.random.default_rng(seed).integers(0, 3, 40).astype(float)
    (hits, alarms), positive, scores = counted(weights)
    across, up, _ = sklearn.roc_curve(positive, scores, drop_intermediate=False)

    np.testing.assert_allclose(
        intervals.read_roc(hits, alarms)[0], np.interp(intervals.RATES, across, up), atol=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_precision_under_a_draw_is_that_where_a_recall_is_first_reached(seed):
    weights = np.random.default_rng(seed).integers(0, 3, 40).astype(float)
    (hits, alarms), positive, scores = counted(weights)
    expected = []
    for recall in intervals.RECALLS:
        falling = sorted(set(scores), reverse=True)
        reached = next(
            s for s in falling if positive[scores >= s].sum() >= recall * positive.sum() - 1e-9
        )
        expected.append(positive[scores >= reached].mean())

    np.testing.assert_allclose(intervals.read_precision(hits, alarms)[0], expected)


def test_a_draw_without_one_kind_has_no_curve():
    hits, alarms = np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[1.0, 2.0], [0.0, 0.0]])

    assert np.isnan(intervals.read_roc(hits, alarms)).all()
    assert np.isnan(intervals.read_precision(hits, alarms)[0]).all()
    assert (intervals.read_precision(hits, alarms)[1] == 1).all()


def test_bands_hold_their_curves():
    metrics = measure(*scored())
    for curve in metrics.curves.roc:
        at = np.interp(curve.band.at, curve.false_positive_rate, curve.true_positive_rate)
        assert (np.array(curve.band.low) <= at + 1e-9).all()
        assert (np.array(curve.band.high) >= at - 1e-9).all()
    for curve in metrics.curves.precision_recall:
        assert curve.band.low < curve.band.high


def test_six_copies_of_each_film_narrow_a_band_only_if_taken_for_six_patients():
    truth, shares, labels, _ = scored(n=60)
    copies, widths = (truth * 6, np.tile(shares, (6, 1)), labels), []
    for n_groups in (60, 360):
        groups = [f"g{row % n_groups}" for row in range(360)]
        band = measure(*copies, groups).curves.roc[1].band
        widths.append(np.mean(np.subtract(band.high, band.low)))

    assert widths[0] > 1.8 * widths[1]


def test_one_patient_gives_no_band():
    truth, shares, labels, _ = scored()

    assert measure(truth, shares, labels, ["p"] * 120).curves.roc[1].band is None


def test_a_curve_that_most_draws_lack_has_no_band():
    hits = np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    drawn = intervals.read_roc(hits, np.ones((3, 2)))

    assert intervals.middle(drawn[:2], intervals.RATES) is not None
    assert intervals.middle(drawn, intervals.RATES) is None


def test_the_interval_of_average_precision_is_that_of_resampled_groups():
    sklearn = pytest.importorskip("sklearn.metrics")
    truth, shares, labels, groups = scored()
    codes, rng, drawn = np.unique(groups, return_inverse=True)[1], np.random.default_rng(0), []
    positive = np.array([each == "b" for each in truth])
    for _ in range(2000):
        times = np.bincount(rng.integers(0, 40, 40), minlength=40)[codes]
        rows = np.repeat(np.arange(120), times)
        drawn.append(sklearn.average_precision_score(positive[rows], shares[rows, 1]))
    ours = measure(truth, shares, labels, groups, resamples=2000).intervals.average_precision[1]

    assert (ours.low, ours.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)
