"""Does it hold here? Verdicts and their words, by hand and over seeds."""

import json

import numpy as np
import pytest

from spark_cxr.metrics import measure, measure_findings
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.intervals import difference_interval
from spark_cxr.metrics.records import Interval
from spark_cxr.metrics.transfer import trained_figure, transfer_of, transfers


def estimate(value, low, high):
    return Estimate(value, Interval(low, high))


def accuracy(there, here, films=500):
    return transfer_of("accuracy", estimate(*there), estimate(*here), 2000, films)


def test_the_interval_of_a_difference_by_hand():
    found = difference_interval(0.9, Interval(0.87, 0.92), 0.8, Interval(0.76, 0.85))

    assert (found.low, found.high) == pytest.approx(
        (0.1 - np.hypot(0.03, 0.05), 0.1 + np.hypot(0.02, 0.04))
    )


def test_the_interval_of_a_difference_keeps_its_promise():
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        found = []
        for share, n in ((0.9, 150), (0.8, 200)):
            at = rng.binomial(n, share) / n
            half = 1.96 * np.sqrt(at * (1 - at) / n)
            found += [at, Interval(at - half, at + half)]
        between = difference_interval(*found)
        held += between.low <= 0.1 <= between.high

    assert 275 <= held <= 295


@pytest.mark.parametrize(
    ("there", "here", "verdict", "sentence"),
    [
        ((0.9, 0.88, 0.92), (0.78, 0.74, 0.82), "worse", "worse by 12.0 points (7.5 to 16.5)"),
        ((0.8, 0.78, 0.82), (0.9, 0.88, 0.92), "better", "better by 10.0 points (7.2 to 12.8)"),
        ((0.9, 0.89, 0.91), (0.9, 0.88, 0.92), "holds",
         "holds: the difference is −2.2 to +2.2 points"),
        ((0.9, 0.88, 0.92), (0.88, 0.8, 0.95), "cannot be said",
         "cannot be said: 500 films leave −10.2 to +5.3 points open"),
    ],
)  # fmt: skip
def test_accuracy_in_words(there, here, verdict, sentence):
    found = accuracy(there, here)

    assert (found.verdict, found.sentence) == (verdict, sentence)


def test_an_auc_is_said_in_decimals():
    found = transfer_of(
        "auc_macro", estimate(0.95, 0.94, 0.96), estimate(0.85, 0.82, 0.88), 2000, 500
    )

    assert found.sentence == "worse by 0.100 (0.068 to 0.132)"


def test_a_handful_of_films_says_nothing():
    found = accuracy((0.9, 0.88, 0.92), (0.2, 0.1, 0.3), films=14)

    assert found.verdict == "cannot be said"
    assert found.sentence == "cannot be said: 14 films"
    assert found.difference.value is None


def test_a_small_test_of_the_training_is_said():
    found = transfer_of("accuracy", estimate(0.9, 0.5, 1.0), estimate(0.8, 0.7, 0.9), 12, 500)

    assert found.sentence == "cannot be said: 12 films in the training's test"


def test_what_one_side_lacks_is_said():
    here, none = estimate(0.8, 0.7, 0.9), Estimate(None)

    assert "the training has no such figure" in transfer_of("auc x", none, here, 99, 99).sentence
    assert "the films here do not" in transfer_of("auc x", here, none, 99, 99).sentence


def test_a_perfect_figure_from_which_no_draw_differs_can_be_compared():
    found = transfer_of("auc_macro", Estimate(1.0), estimate(0.9, 0.85, 0.94), 400, 400)

    assert found.sentence == "worse by 0.100 (0.060 to 0.150)"


def test_a_smaller_margin_asks_for_more_films():
    there, here = estimate(0.9, 0.89, 0.91), estimate(0.9, 0.87, 0.92)

    assert transfer_of("accuracy", there, here, 900, 900).verdict == "holds"
    assert transfer_of("accuracy", there, here, 900, 900, margin=0.01).verdict == "cannot be said"


def drawn(n, right, seed):
    rng = np.random.default_rng(seed)
    truth = rng.choice(["a", "b"], n)
    named = np.where(rng.random(n) < right, truth, np.where(truth == "a", "b", "a"))
    sure = rng.uniform(0.5, 1, n)
    stated = np.where(
        (named == "a")[:, None], np.stack([sure, 1 - sure], 1), np.stack([1 - sure, sure], 1)
    )
    return measure(
        truth.tolist(), stated, "ab", [f"p{i}" for i in range(n)], seed=seed, resamples=200
    )


def kept(found):
    """Give figures as model.json keeps them."""
    figures = {"n": found.n}
    for name in ("accuracy", "auc_macro"):
        ends = getattr(found.intervals, name)
        figures |= {name: getattr(found, name), f"{name}_low": ends.low, f"{name}_high": ends.high}
    return figures


def test_a_models_figures_are_read_from_its_manifest():
    figures = {
        "n": 9,
        "accuracy": 0.9,
        "accuracy_low": 0.8,
        "accuracy_high": 0.95,
        "auc_macro": None,
    }

    assert trained_figure(figures, "accuracy") == estimate(0.9, 0.8, 0.95)
    assert trained_figure(figures, "auc_macro") == trained_figure(figures, "ece") == Estimate(None)


def test_the_training_against_itself_holds():
    found = drawn(1500, 0.9, 0)

    assert [each.verdict for each in transfers(kept(found), found)] == ["holds", "holds"]
    assert [each.difference.value for each in transfers(kept(found), found)] == [0, 0]


def test_two_places_alike_are_seldom_told_apart():
    rng, apart = np.random.default_rng(0), 0
    for _ in range(300):
        found = []
        for n in (400, 300):
            at = rng.binomial(n, 0.9) / n
            half = 1.96 * np.sqrt(at * (1 - at) / n)
            found.append((at, at - half, at + half))
        apart += accuracy(*found).verdict in ("worse", "better")

    assert 5 <= apart <= 25


def test_a_place_where_it_is_worse_is_found():
    for seed in range(2):
        found = transfers(kept(drawn(1000, 0.95, seed)), drawn(300, 0.8, 1000 + seed))

        assert found[0].verdict == "worse"


def test_findings_are_held_one_by_one():
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 2)) < 0.3).astype(float)
    truth[10:, 1] = np.nan
    stated = np.clip(0.5 * truth + rng.random((400, 2)) * 0.5, 0, 1)
    stated[np.isnan(stated)] = 0.5
    found = measure_findings(
        truth,
        stated,
        ("Effusion", "Mass"),
        [f"p{i}" for i in range(400)],
        (0.5, 0.5),
        resamples=100,
    )
    trained = {"n": 3000, "auc_macro": 0.9, "auc_macro_low": 0.89, "auc_macro_high": 0.91,
               "auc Effusion": 0.9, "auc Effusion_low": 0.88, "auc Effusion_high": 0.92,
               "auc Mass": 0.9, "auc Mass_low": 0.88, "auc Mass_high": 0.92}  # fmt: skip
    held = {each.figure: each for each in transfers(trained, found)}

    assert list(held) == ["auc_macro", "auc Effusion", "auc Mass"]
    assert held["auc Effusion"].verdict == "better"
    assert held["auc Mass"].sentence == "cannot be said: 10 films"


def test_it_becomes_json():
    said = json.dumps(accuracy((0.9, 0.88, 0.92), (0.78, 0.74, 0.82)).to_json(), allow_nan=False)

    assert json.loads(said)["verdict"] == "worse"
