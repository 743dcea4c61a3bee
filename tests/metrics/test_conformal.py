"""Rule in, rule out or unsure: what the limits promise, by hand, over seeds and against MAPIE."""

import json
from math import ceil

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.conformal import ConformalSets, conformal_sets, coverage_of
from spark_cxr.records import read_record

LABELS = ("Normal", "COVID", "Pneumonia")
FINDINGS = ("Effusion", "Mass")


def softmax(margins):
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn_classes(n, seed, films=1):
    """Draw films of three classes, the third of them rare and hard; a patient's are alike."""
    rng = np.random.default_rng(seed)
    patients = n // films
    own = rng.choice(3, patients, p=[0.5, 0.35, 0.15])
    truth = np.repeat(own, films)
    margins = np.repeat(rng.normal(0, 1.2, (patients, 3)), films, axis=0)
    margins += rng.normal(0, 0.5, (n, 3))
    margins[np.arange(n), truth] += np.array([2.5, 2.0, 1.0])[truth]
    return truth, softmax(1.7 * margins), [f"p{i // films}" for i in range(n)]


def drawn_findings(n, seed):
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, 2)) < [0.3, 0.1]).astype(float)
    stated = 1 / (1 + np.exp(-rng.normal(2.5 * truth - 2, 1)))
    truth[rng.random((n, 2)) < 0.1] = np.nan
    return truth, stated, [f"p{i}" for i in range(n)]


# By hand

SETS = ConformalSets(0.9, {"a": 0.4, "b": 0.7, "c": 0.2}, {"a": 20, "b": 20, "c": 20})


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ((0.7, 0.2, 0.1), ("rule in", "rule out", "rule out")),
        ((0.6, 0.4, 0.0), ("unsure", "unsure", "rule out")),
        ((0.5, 0.2, 0.3), ("unsure", "unsure", "unsure")),  # none of them may be
        ((0.1, 0.1, 0.8), ("rule out", "rule out", "rule in")),
    ],
)
def test_a_class_is_ruled_in_where_it_alone_may_be(stated, expected):
    assert SETS.verdicts([stated]).tolist() == [list(expected)]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [(0.9, "rule in"), (0.75, "unsure"), (0.5, "rule out"), (0.1, "rule out"), (0.6, "unsure")],
)
def test_a_finding_has_a_limit_either_way(stated, expected):
    found = ConformalSets(0.9, {"x": 0.45}, {"x": 30}, {"x": 0.8}, {"x": 30})

    assert found.verdicts([[stated]]).tolist() == [[expected]]


def test_a_finding_that_neither_side_may_have_is_unsure():
    found = ConformalSets(0.9, {"x": 0.2}, {"x": 30}, {"x": 0.2}, {"x": 30})

    assert found.verdicts([[0.5]]).tolist() == [["unsure"]]


def test_a_class_with_too_few_patients_is_never_ruled_out():
    truth, stated, groups = drawn_classes(200, 0)
    rare = np.flatnonzero(truth == 2)[8:]
    keep = np.setdiff1d(np.arange(200), rare)
    found = conformal_sets(
        truth[keep], stated[keep], LABELS, [groups[i] for i in keep], coverage=0.9
    )

    assert (found.limits["Pneumonia"], found.counts["Pneumonia"]) == (None, 8)
    assert found.too_few == ("Pneumonia",)
    assert "rule out" not in found.verdicts(stated)[:, 2]
    assert "rule in" not in found.verdicts(stated)[:, :2]


def test_a_side_of_a_finding_with_too_few_patients_is_said():
    truth, stated, groups = drawn_findings(100, 0)
    truth[np.flatnonzero(truth[:, 1] == 1)[5:], 1] = np.nan
    found = conformal_sets(truth, stated, FINDINGS, groups)

    assert found.limits["Mass"] is None
    assert found.absent["Mass"] is not None
    assert found.too_few == ("Mass",)
    assert "rule out" not in found.verdicts(stated)[:, 1]


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [20, 99, 100, 257])
def test_with_a_film_a_patient_the_limit_is_the_textbooks(coverage, n):
    rng = np.random.default_rng(n)
    own = rng.random(n)
    stated = np.stack([own, 1 - own], axis=1)
    found = conformal_sets(np.zeros(n), stated, ("a", "b"), [f"p{i}" for i in range(n)],
                           coverage=coverage)  # fmt: skip
    rank = ceil(round((n + 1) * coverage, 9))

    assert found.limits["a"] == np.sort(1 - own)[rank - 1]
    assert found.limits["b"] is None


def test_a_patient_with_many_films_counts_once():
    rng = np.random.default_rng(3)
    own = rng.random(100)
    once = np.stack([own, 1 - own], axis=1)
    often = np.concatenate([once, np.repeat(once[:1], 300, axis=0)])
    groups = [f"p{i}" for i in range(100)]

    alone = conformal_sets(np.zeros(100), once, ("a", "b"), groups)
    found = conformal_sets(np.zeros(400), often, ("a", "b"), [*groups, *["p0"] * 300])

    assert found == alone


# What is promised


def kept(seeds, coverage, films=1):
    """Give the mean coverage of each class over drawn hospitals."""
    shares = []
    for seed in range(seeds):
        found = conformal_sets(
            *drawn_classes(600, seed, films)[:2],
            LABELS,
            drawn_classes(600, seed, films)[2],
            coverage=coverage,
        )
        truth, stated, _ = drawn_classes(600, 10_000 + seed, films)
        own = found.verdicts(stated)[np.arange(600), truth] != "rule out"
        shares.append([own[truth == label].mean() for label in range(3)])
    return np.mean(shares, axis=0)


@pytest.mark.parametrize("films", [1, 4])
def test_every_class_is_covered_as_promised(films):
    assert (kept(40, 0.9, films) >= 0.88).all()


@pytest.mark.slow
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("films", [1, 4])
def test_every_class_is_covered_as_promised_over_200_seeds(coverage, films):
    shares = kept(200, coverage, films)

    assert (shares >= coverage - 0.01).all()
    assert (shares <= coverage + 0.06).all()  # and not by never ruling anything out


@pytest.mark.parametrize("seeds", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_findings_are_covered_on_both_sides(seeds):
    shares = []
    for seed in range(seeds):
        found = conformal_sets(
            *drawn_findings(800, seed)[:2], FINDINGS, drawn_findings(800, seed)[2]
        )
        truth, stated, _ = drawn_findings(800, 10_000 + seed)
        said = found.verdicts(stated)
        shares.append(
            [
                (said[truth[:, place] == has, place] != wrong).mean()
                for place in range(2)
                for has, wrong in ((1, "rule out"), (0, "rule in"))
            ]
        )

    assert (np.mean(shares, axis=0) >= (0.89 if seeds == 200 else 0.88)).all()


def test_a_surer_head_is_seldom_unsure():
    truth, stated, groups = drawn_classes(600, 1)
    sure = 0.98 * np.eye(3)[truth] + 0.02 * stated
    found = conformal_sets(truth, sure, LABELS, groups)

    assert (found.verdicts(sure)[np.arange(600), truth] == "rule in").mean() > 0.9


@pytest.mark.filterwarnings("ignore:WARNING. your conformalization dataset has less labels")
def test_it_equals_mapie():
    """Learned from one class alone, its marginal limit is ours of that class."""
    classification = pytest.importorskip("mapie.classification")
    base = pytest.importorskip("sklearn.base")

    class Stated(base.ClassifierMixin, base.BaseEstimator):
        """A classifier whose features are its probabilities."""

        classes_ = np.arange(3)
        is_fitted_ = True

        def fit(self, x, y):
            return self

        def predict_proba(self, x):
            return x

        def predict(self, x):
            return x.argmax(axis=1)

    truth, stated, groups = drawn_classes(500, 2)
    new = drawn_classes(300, 3)[1]
    ours = conformal_sets(truth, stated, LABELS, groups, coverage=0.85)
    for label, name in enumerate(LABELS):
        theirs = classification.SplitConformalClassifier(
            Stated(), confidence_level=0.85, prefit=True, conformity_score="lac"
        )
        rows = truth == label
        theirs.conformalize(stated[rows], truth[rows])
        sets = theirs.predict_set(new)[1][:, label, 0]

        assert (sets == (1 - new[:, label] <= ours.limits[name])).all()


# What became of it


def test_coverage_by_hand():
    said = [
        ["rule in", "rule out"],
        ["unsure", "unsure"],
        ["rule out", "rule in"],
        ["rule out", "rule in"],
    ]
    first, second = coverage_of(said, [0, 0, 0, 1], ("a", "b"), list("pqrs"))

    assert (first.label, first.films, first.others) == ("a", 3, 1)
    assert first.covered.value == pytest.approx(2 / 3)
    assert first.ruled_in.value == pytest.approx(1 / 3)
    assert first.others_covered.value == first.others_ruled_out.value == 1
    assert second.covered.value == second.ruled_in.value == 1
    assert second.others_covered.value == pytest.approx(2 / 3)
    assert first.covered.interval.low <= 2 / 3 <= first.covered.interval.high


def test_unknown_answers_count_neither_way():
    said = [["rule in"], ["rule in"], ["unsure"]]
    (found,) = coverage_of(said, [[1], [np.nan], [0]], ("x",), list("pqr"))

    assert (found.films, found.others) == (1, 1)
    assert found.ruled_in.value == 1


def test_a_label_without_films_has_no_coverage():
    first, second = coverage_of([["rule in", "rule out"]] * 2, [0, 0], ("a", "b"), list("pq"))

    assert (second.covered.value, second.covered.interval) == (None, None)
    assert first.others_covered.value is None


def test_it_goes_through_json():
    for found in (
        conformal_sets(*drawn_classes(50, 0)[:2], LABELS, drawn_classes(50, 0)[2]),
        conformal_sets(*drawn_findings(50, 0)[:2], FINDINGS, drawn_findings(50, 0)[2]),
    ):
        text = json.dumps(found.to_json(), allow_nan=False)

        assert read_record(ConformalSets, json.loads(text)) == found


@pytest.mark.parametrize("coverage", [0, 1, -0.1])
def test_a_coverage_out_of_range_is_refused(coverage):
    with pytest.raises(ConfigError, match="above 0 and below 1"):
        conformal_sets([0], [[0.5, 0.5]], ("a", "b"), ["p"], coverage=coverage)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="each of 2 films"):
        conformal_sets([0], [[0.5, 0.5]], ("a", "b"), ["p", "q"])
