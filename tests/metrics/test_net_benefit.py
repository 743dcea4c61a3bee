"""What answers are worth: by hand, against the plain formula, and over seeds."""

import json

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.net_benefit import decision_curve, decision_curves, predictive_values
from spark_cxr.metrics.records import Interval


def drawn(n=500, seed=0, decimals=12):
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1.5, 1.5, n)
    scores = (1 / (1 + np.exp(-odds))).round(decimals)
    return rng.random(n) < scores, scores, [f"p{i}" for i in range(n)]


def test_net_benefit_by_hand():
    found = decision_curve(
        [True, True, False, False], [0.9, 0.4, 0.6, 0.1], list("pqrs"), thresholds=[0.25, 0.5]
    )

    # At 0.25: two found, one alarm that weighs a third. At 0.5: one found, one alarm at par.
    assert found.model == pytest.approx(((2 - 1 / 3) / 4, 0))
    assert found.treat_all == pytest.approx(((2 - 2 / 3) / 4, 0))
    assert (found.prevalence, found.films, found.groups) == (0.5, 4, 4)


@pytest.mark.parametrize("decimals", [2, 12])
def test_it_is_the_plain_formula(decimals):
    positive, scores, groups = drawn(decimals=decimals)
    found = decision_curve(positive, scores, groups)
    for place, at in enumerate(found.thresholds):
        yes = [score >= at for score in scores]
        hits = sum(y and p for y, p in zip(yes, positive, strict=True))
        alarms = sum(yes) - hits
        expected = hits / 500 - alarms / 500 * at / (1 - at)

        assert found.model[place] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("decimals", [2, 12])
def test_it_equals_dcurves(decimals):
    pandas, dca = pytest.importorskip("pandas"), pytest.importorskip("dcurves").dca
    positive, scores, groups = drawn(decimals=decimals)
    found = decision_curve(positive, scores, groups)
    table = dca(
        data=pandas.DataFrame({"has": positive.astype(int), "model": scores}),
        outcome="has",
        modelnames=["model"],
        thresholds=np.asarray(found.thresholds),
    )
    for name, ours in (("model", found.model), ("all", found.treat_all)):
        theirs = table[table.model == name].sort_values("threshold").net_benefit.to_numpy()

        assert theirs == pytest.approx(np.array(ours), abs=1e-9)


def test_the_band_holds_the_curve_of_a_large_hospital():
    at, inside = (0.05, 0.1, 0.2, 0.3, 0.4), []
    large = decision_curve(*drawn(200_000, 99_999), thresholds=at, resamples=2).model
    for seed in range(100, 220):
        band = decision_curve(*drawn(seed=seed), thresholds=at, resamples=200, seed=seed).band
        inside.append((np.array(band.low) <= large) & (large <= np.array(band.high)))

    assert 0.89 <= np.mean(inside) <= 0.99


def test_an_honest_model_is_useful_over_a_range():
    low, high = decision_curve(*drawn(5000)).useful

    assert low < 0.1 and high > 0.6


def test_a_coin_is_useful_nowhere():
    positive, _, groups = drawn(2000)

    assert decision_curve(positive, np.full(2000, positive.mean()), groups).useful is None


def test_one_patient_has_no_band():
    assert decision_curve([True, False], [0.9, 0.1], ["p", "p"]).band is None


def test_no_films_have_no_curve():
    assert decision_curve([], [], []) is None


def test_the_curve_becomes_json():
    json.dumps(decision_curve(*drawn(50)).to_json(), allow_nan=False)


@pytest.mark.parametrize("at", [0, 1, 1.5])
def test_a_threshold_out_of_range_is_refused(at):
    with pytest.raises(ConfigError, match="above 0 and below 1"):
        decision_curve([True], [0.5], ["p"], thresholds=[at])


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="each of 2 films"):
        decision_curve([True], [0.5], ["p", "q"])


# PPV and NPV


def estimate(value, low, high):
    return Estimate(value, Interval(low, high))


def test_predictive_values_by_hand():
    found = predictive_values(estimate(0.9, 0.8, 0.95), estimate(0.8, 0.7, 0.9), 0.1)

    assert found.ppv.value == pytest.approx(0.09 / (0.09 + 0.18))
    assert found.npv.value == pytest.approx(0.72 / (0.72 + 0.01))
    assert 0.2 < found.ppv.interval.low < found.ppv.value < found.ppv.interval.high < 0.6
    assert 0.95 < found.npv.interval.low < found.npv.value < found.npv.interval.high < 1


@pytest.mark.parametrize(
    ("found", "spared"), [((1, 0.9, 1), (1, 0.9, 1)), ((0, 0, 0.1), (0.5, 0.4, 0.6))]
)
def test_figures_without_a_logarithm_have_an_interval_too(found, spared):
    both = predictive_values(estimate(*found), estimate(*spared), 0.2)

    for each in (both.ppv, both.npv):
        assert 0 <= each.interval.low <= each.value <= each.interval.high <= 1


def test_an_end_at_0_or_1_stays_within_the_possible():
    both = predictive_values(estimate(0.9, 0.7, 1.0), estimate(0.9, 0.7, 1.0), 0.2)

    assert both.ppv.interval.high == both.npv.interval.high == 1


def test_what_never_says_yes_has_no_ppv():
    found = predictive_values(estimate(0, 0, 0.1), estimate(1, 0.9, 1), 0.2)

    assert found.ppv == Estimate(None)
    assert found.npv.value == pytest.approx(0.8)


def test_figures_without_an_interval_give_none():
    found = predictive_values(Estimate(0.9), Estimate(0.8), 0.1)

    assert found.ppv.interval is None


def test_the_interval_of_a_ppv_keeps_its_promise():
    rng, held = np.random.default_rng(0), 0
    true = 0.05 * 0.85 / (0.05 * 0.85 + 0.95 * 0.1)
    for _ in range(300):
        found = []
        for share, n in ((0.85, 120), (0.9, 300)):
            at = rng.binomial(n, share) / n
            half = 1.96 * np.sqrt(at * (1 - at) / n)
            found.append(estimate(at, max(at - half, 0), min(at + half, 1)))
        ppv = predictive_values(*found, 0.05).ppv
        held += ppv.interval.low <= true <= ppv.interval.high

    assert held >= 275


@pytest.mark.parametrize("prevalence", [0, 1, 2])
def test_a_prevalence_out_of_range_is_refused(prevalence):
    with pytest.raises(ConfigError, match="above 0 and below 1"):
        predictive_values(Estimate(0.9), Estimate(0.8), prevalence)


def test_curves_of_the_commonest_labels_come_in_their_order():
    rng = np.random.default_rng(3)
    truth = (rng.random((300, 3)) < [0.5, 0.02, 0.3]).astype(float)
    truth[:40, 2] = np.nan
    shares = np.clip(truth * 0.4 + rng.random((300, 3)) * 0.5, 0, 1)
    shares = np.where(np.isnan(shares), 0.5, shares)
    groups = [f"p{n}" for n in range(300)]
    curves = decision_curves(truth, shares, ["a", "rare", "b"], groups, resamples=100)
    assert [each.label for each in curves] == ["a", "b"], "too few films have the other"
    assert curves[1].films == 260, "only those of which it is known"
    (first,) = decision_curves(truth, shares, ["a", "rare", "b"], groups, most=1, resamples=100)
    assert first == curves[0]
