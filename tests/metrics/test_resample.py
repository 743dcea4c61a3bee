"""The bootstrap: exact weights, seeds, groups, coverage, and edges where it is silent."""

import dataclasses

import numpy as np
import pytest

from spark_cxr.metrics import measure, resample
from spark_cxr.metrics.intervals import percentile_interval, share_interval
from spark_cxr.metrics.sample import make_sample


def scored(seed=0, n=120, n_groups=30, k=3, decimals=2):
    """Make rounded (hence tied) scores whose rows come in groups."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    margins = rng.normal(size=(n, k))
    margins[np.arange(n), truth] += 1
    shares = np.exp(np.round(margins, decimals))
    shares /= shares.sum(axis=1, keepdims=True)
    return ["abc"[i] for i in truth], shares, "abc"[:k], [f"g{i % n_groups}" for i in range(n)]


def coin(rng, n_groups, films):
    """Make patients who are all right or all wrong, four in five of them right."""
    right = np.repeat(rng.random(n_groups) < 0.8, films)
    shares = np.where(right[:, None], [[0.9, 0.1]], [[0.1, 0.9]])
    return ["a"] * len(right), shares, "ab", [f"p{i // films}" for i in range(len(right))]


def test_a_weight_of_two_is_the_same_as_seeing_the_group_twice():
    truth, shares, labels, groups = scored()
    prepared = resample.prepare(make_sample(truth, shares, labels, groups))
    counts = np.random.default_rng(1).integers(0, 4, (30, 1)).astype(float)
    names = sorted(set(groups))
    rows = [
        row for row, group in enumerate(groups) for _ in range(int(counts[names.index(group), 0]))
    ]
    weighted = resample.statistics(prepared, counts)
    repeated = measure(
        [truth[row] for row in rows], shares[rows], labels, [groups[row] for row in rows]
    )

    for field in dataclasses.fields(resample.Statistics):
        np.testing.assert_allclose(
            getattr(weighted, field.name)[0], getattr(repeated, field.name), err_msg=field.name
        )


def test_the_same_seed_gives_the_same_intervals():
    assert measure(*scored(), seed=5) == measure(*scored(), seed=5)


def test_another_seed_gives_other_intervals():
    assert measure(*scored(), seed=5).intervals != measure(*scored(), seed=6).intervals


def test_memory_for_resamples_does_not_change_them(monkeypatch):
    expected = measure(*scored()).intervals
    monkeypatch.setattr(resample, "CHUNK_CELLS", 500)

    actual = measure(*scored()).intervals

    assert actual.accuracy == expected.accuracy
    assert actual.auc == expected.auc


def test_order_of_the_images_does_not_change_intervals():
    truth, shares, labels, groups = scored()
    there = measure(truth, shares, labels, groups).intervals
    back = measure(truth[::-1], shares[::-1], labels, groups[::-1]).intervals

    assert back.accuracy == there.accuracy
    assert back.auc == there.auc


def test_intervals_hold_the_measure_itself():
    found = measure(*scored())
    between = found.intervals

    pairs = [
        (between.accuracy, found.accuracy),
        (between.f1_macro, found.f1_macro),
        (between.log_loss, found.log_loss),
        (between.brier, found.brier),
        *zip(between.auc, found.auc, strict=True),
        *zip(between.recall, found.recall, strict=True),
    ]
    for interval, value in pairs:
        assert interval.low < value < interval.high


def test_resampling_patients_is_wider_than_resampling_their_films():
    truth, shares, labels, patients = coin(np.random.default_rng(0), 30, films=10)
    films = [str(row) for row in range(len(truth))]
    by_patient = measure(truth, shares, labels, patients).intervals.accuracy
    by_film = measure(truth, shares, labels, films).intervals.accuracy

    ratio = (by_patient.high - by_patient.low) / (by_film.high - by_film.low)

    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_intervals_by_patient_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        between = measure(*coin(rng, 60, films=4), resamples=200).intervals.accuracy
        held += between.low <= 0.8 <= between.high

    assert 0.89 <= held / 200 <= 0.99


def test_ten_patients_without_a_mistake_leave_room_for_one():
    truth, groups = ["a", "b"] * 10, [f"p{i // 2}" for i in range(20)]
    found = measure(truth, [[0.9, 0.1], [0.2, 0.8]] * 10, "ab", groups)

    assert found.accuracy == 1
    assert found.intervals.accuracy.high == 1
    assert found.intervals.accuracy.low == pytest.approx(0.7225, abs=1e-4)
    assert found.intervals.recall[0].low == pytest.approx(0.7225, abs=1e-4)
    assert found.intervals.auc[0].low == pytest.approx(0.7225, abs=1e-4)
    assert found.intervals.auc_macro == found.intervals.auc[0]


def test_a_class_that_is_never_found_may_still_be_found_sometimes():
    found = measure(["a"] * 9 + ["b"], [[0.9, 0.1]] * 10, "ab", [f"p{i}" for i in range(10)])

    assert found.recall[1] == 0
    assert found.intervals.recall[1].low == 0
    assert found.intervals.recall[1].high == pytest.approx(0.7935, abs=1e-4)


def test_one_patient_gives_no_interval_of_a_middling_share():
    found = measure(["a", "a"], [[0.9, 0.1], [0.1, 0.9]], "ab", ["p", "p"])

    assert found.accuracy == 0.5
    assert found.intervals.accuracy is None


def test_a_measure_missing_from_most_resamples_has_no_interval():
    drawn = np.array([np.nan] * 60 + [0.4, 0.5] * 20)

    assert percentile_interval(drawn) is None
    assert share_interval(drawn, 10) is None


def test_percentiles_are_the_middle_95_percent():
    interval = percentile_interval(np.arange(1001) / 1000)

    assert (interval.low, interval.high) == pytest.approx((0.025, 0.975))
