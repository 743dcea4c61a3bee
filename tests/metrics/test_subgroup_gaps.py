"""Missed disease by group: by hand, with a planted gap, and without one."""

import json

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.subgroup_gaps import subgroup_gaps

SEX, AGE, MAKER = ("F", "M"), ("0-17", "18-39", "40-64", "65+"), ("A", "B", "C")


def drawn(seed, positives=300, missed=0.05, planted=0.0, films=1):
    """Draw a test of which `positives` films have the disease; the women's is missed more."""
    rng = np.random.default_rng(seed)
    patients = positives // films
    parts = {
        "sex": rng.choice(SEX, patients),
        "age": rng.choice(AGE, patients, p=[0.05, 0.25, 0.4, 0.3]),
        "maker": rng.choice(MAKER, patients),
    }
    chance = missed + planted * (parts["sex"] == "F")
    is_missed = np.concatenate([rng.random(patients) < chance for _ in range(1)]).repeat(films)
    groups = [f"p{i // films}" for i in range(positives)]
    own = {by: each.repeat(films).tolist() for by, each in parts.items()}
    return np.ones(positives, dtype=bool), is_missed, groups, own


def found(seeds, **drawing):
    return [subgroup_gaps(*drawn(seed, **drawing), resamples=100, seed=seed) for seed in seeds]


def alarms(seeds, **drawing):
    return sum(bool(each.alarms) for each in found(seeds, **drawing))


def by_name(gaps):
    return {row.name: row for row in gaps.rows}


def test_shares_and_gaps_by_hand():
    positive = [True] * 6 + [False] * 2
    missed = [True, False, False, False, True, True, True, True]
    sex = ["F", "F", "F", "F", "M", "M", "M", "F"]
    gaps = subgroup_gaps(positive, missed, list("abcdefgh"), {"sex": sex}, label="COVID")
    women, men = (by_name(gaps)[name] for name in "FM")

    assert (gaps.label, gaps.positives, gaps.patients) == ("COVID", 6, 6)
    assert gaps.missed.value == pytest.approx(3 / 6)
    assert (women.by, women.positives, women.patients) == ("sex", 4, 4)
    assert women.missed.value == pytest.approx(1 / 4)
    assert women.gap.value == pytest.approx(1 / 4 - 1)
    assert men.gap.value == pytest.approx(1 - 1 / 4)
    assert men.missed.interval.high == 1
    assert gaps.rows == (women, men)


def test_few_patients_say_nothing_however_large_the_gap():
    positive, missed, groups, _ = drawn(0, positives=200)
    maker = ["A"] * 181 + ["B"] * 19
    missed[181:] = True
    gaps = subgroup_gaps(positive, missed, groups, {"maker": maker})

    assert [row.is_too_small for row in gaps.rows] == [True, True]  # nor what is left without it
    assert gaps.alarms == ()


def test_many_films_of_few_patients_say_nothing():
    positive, missed, _, parts = drawn(0)
    gaps = subgroup_gaps(positive, missed, [f"p{i % 10}" for i in range(300)], parts)

    assert all(row.is_too_small for row in gaps.rows)


def test_films_of_which_nothing_is_known_are_counted_and_stay_out():
    positive, missed, groups, parts = drawn(0)
    sex = [name if i % 3 else None for i, name in enumerate(parts["sex"])]
    gaps = subgroup_gaps(positive, missed, groups, {"sex": sex})

    assert gaps.unknown == {"sex": 100}
    assert sum(row.positives for row in gaps.rows) == 200
    assert gaps.positives == 300


def test_films_without_the_disease_do_not_count():
    positive, missed, groups, parts = drawn(1)
    alone = subgroup_gaps(positive, missed, groups, parts, resamples=100)
    others = {by: each * 2 for by, each in parts.items()}
    both = subgroup_gaps(
        np.append(positive, ~positive), np.append(missed, ~missed),
        [*groups, *(f"n{i}" for i in range(300))], others, resamples=100,
    )  # fmt: skip

    assert [row.p for row in both.rows] == [row.p for row in alone.rows]
    assert [row.missed.value for row in both.rows] == [row.missed.value for row in alone.rows]


def test_a_planted_gap_is_found():
    assert alarms(range(20), planted=0.2) >= 18


def test_chance_alone_raises_no_alarm():
    assert alarms(range(30)) <= 2


@pytest.mark.slow
def test_a_planted_gap_is_found_in_95_of_100_seeds():
    """20 points among 300 positives, half of them women: 5 % against 25 % missed."""
    gaps = found(range(100), planted=0.2)

    assert sum(any(row.name == "F" for row in each.alarms) for each in gaps) >= 95


@pytest.mark.slow
@pytest.mark.parametrize("drawing", [{}, {"missed": 0.3}, {"films": 3, "positives": 900}])
def test_chance_alone_raises_an_alarm_in_5_of_100_seeds_at_most(drawing):
    assert alarms(range(100), **drawing) <= 5


def test_films_of_a_patient_are_no_proof_of_their_own():
    """Ten films each of 60 patients: what looks like 600 films is 60 answers."""
    assert alarms(range(30), positives=600, films=10, missed=0.3) <= 2


def test_a_property_that_differs_between_the_films_of_a_patient_is_tested_too():
    rng = np.random.default_rng(0)
    view = ["AP", "PA"] * 200
    missed = rng.random(400) < np.where(np.array(view) == "AP", 0.35, 0.05)
    groups = [f"p{i // 2}" for i in range(400)]
    gaps = subgroup_gaps(np.ones(400, dtype=bool), missed, groups, {"view": view})

    assert [row.name for row in gaps.alarms] == ["AP"]
    assert by_name(gaps)["AP"].patients == 200


def test_the_other_side_of_an_alarm_is_beyond_chance_and_no_alarm():
    gaps = subgroup_gaps(*drawn(3, planted=0.4))
    men = by_name(gaps)["M"]

    assert men.is_beyond_chance and not men.is_alarm
    assert men.gap.interval.high < 0


def test_more_groups_need_a_clearer_gap():
    positive, missed, groups, parts = drawn(7, planted=0.1)
    many = {f"property {i}": np.random.default_rng(i).permutation(parts["age"]) for i in range(12)}
    few = by_name(subgroup_gaps(positive, missed, groups, {"sex": parts["sex"]}))["F"].p
    lot = by_name(subgroup_gaps(positive, missed, groups, {"sex": parts["sex"], **many}))["F"].p

    assert lot > 2 * few


def test_the_p_is_the_exact_one_of_two_groups():
    stats = pytest.importorskip("scipy.stats")
    positive, missed, groups, parts = drawn(5, planted=0.08)
    ours = by_name(subgroup_gaps(positive, missed, groups, {"sex": parts["sex"]}))["F"].p
    women = np.array(parts["sex"]) == "F"
    n, m, k = len(missed), int(missed.sum()), int(women.sum())
    hits = np.arange(min(m, k) + 1)
    gaps = np.abs(hits / k - (m - hits) / (n - k))
    far = gaps >= gaps[int((missed & women).sum())] - 1e-9
    exact = stats.hypergeom(n, m, k).pmf(hits)[far].sum()

    assert ours == pytest.approx(exact, abs=0.02)


def test_no_film_with_the_disease_gives_no_rows():
    gaps = subgroup_gaps([False] * 3, [False] * 3, list("pqr"), {"sex": ["F", "M", "M"]})

    assert (gaps.rows, gaps.missed.value) == ((), None)


def test_one_group_alone_has_no_gap():
    positive, missed, groups, _ = drawn(0)
    (row,) = subgroup_gaps(positive, missed, groups, {"sex": ["F"] * 300}).rows

    assert (row.gap.value, row.is_too_small) == (None, True)


def test_the_same_seed_gives_the_same_gaps():
    first, second = (subgroup_gaps(*drawn(2), seed=4) for _ in range(2))

    assert first == second


def test_it_becomes_json():
    said = json.loads(json.dumps(subgroup_gaps(*drawn(0)).to_json(), allow_nan=False))

    assert said["rows"][0]["too_few"] is False
    assert said["rows"][0]["missed"]["interval"].keys() == {"low", "high"}


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"\{'sex': 2\}"):
        subgroup_gaps([True], [True], ["p"], {"sex": ["F", "M"]})


def test_too_few_resamples_are_refused():
    with pytest.raises(ConfigError, match="At least 100"):
        subgroup_gaps([True], [True], ["p"], {}, resamples=9)
