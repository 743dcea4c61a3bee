"""The whole record: hand-computed values, scikit-learn, edges of what is defined, bad input."""

import json
import math

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics import measure

LABELS = ("a", "b", "c")
TRUTH = ["a", "a", "a", "b", "b", "c"]
SHARES = [
    [0.8, 0.1, 0.1],
    [0.6, 0.3, 0.1],
    [0.2, 0.7, 0.1],
    [0.1, 0.8, 0.1],
    [0.1, 0.3, 0.6],
    [0.2, 0.2, 0.6],
]
GROUPS = ["p1", "p1", "p2", "p3", "p4", "p5"]


@pytest.fixture(scope="module")
def metrics():
    return measure(TRUTH, SHARES, LABELS, GROUPS)


def random_scores(seed, n=300, k=3):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    margins = rng.normal(size=(n, k))
    margins[np.arange(n), truth] += 1.2
    shares = np.exp(margins)
    return truth, shares / shares.sum(axis=1, keepdims=True)


def test_confusion_has_the_truth_in_rows(metrics):
    assert metrics.confusion == ((2, 1, 0), (0, 1, 1), (0, 0, 1))
    assert metrics.support == (3, 2, 1)


def test_counts_of_images_and_groups(metrics):
    assert (metrics.n, metrics.groups) == (6, 5)


def test_shares_by_hand(metrics):
    assert metrics.accuracy == pytest.approx(4 / 6)
    assert metrics.majority == 3 / 6
    assert metrics.precision == (1, 0.5, 0.5)
    assert metrics.recall == (2 / 3, 0.5, 1)
    assert metrics.f1 == pytest.approx((0.8, 0.5, 2 / 3))
    assert metrics.f1_macro == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_losses_by_hand(metrics):
    stated = [0.8, 0.6, 0.2, 0.8, 0.3, 0.6]
    squares = [0.06, 0.26, 1.14, 0.06, 0.86, 0.24]

    assert metrics.log_loss == pytest.approx(-sum(map(math.log, stated)) / 6)
    assert metrics.brier == pytest.approx(sum(squares) / 2 / 6)


def test_auc_by_hand(metrics):
    assert metrics.auc == pytest.approx((8.5 / 9, 6.5 / 8, 4.5 / 5))
    assert metrics.auc_macro == pytest.approx((8.5 / 9 + 6.5 / 8 + 4.5 / 5) / 3)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_measures_equal_scikit_learn(k):
    sklearn = pytest.importorskip("sklearn.metrics")
    truth, shares = random_scores(k, k=k)
    labels, predicted, every = [f"l{i}" for i in range(k)], shares.argmax(axis=1), range(k)
    ours = measure([labels[i] for i in truth], shares, labels, [str(i % 70) for i in range(300)])

    assert ours.accuracy == pytest.approx(sklearn.accuracy_score(truth, predicted))
    assert ours.f1_macro == pytest.approx(sklearn.f1_score(truth, predicted, average="macro"))
    assert ours.log_loss == pytest.approx(sklearn.log_loss(truth, shares))
    assert np.array_equal(ours.confusion, sklearn.confusion_matrix(truth, predicted))
    for name, score in (
        ("precision", sklearn.precision_score),
        ("recall", sklearn.recall_score),
        ("f1", sklearn.f1_score),
    ):
        assert getattr(ours, name) == pytest.approx(score(truth, predicted, average=None))
    assert ours.auc == pytest.approx(
        [sklearn.roc_auc_score(truth == i, shares[:, i]) for i in every]
    )
    assert ours.average_precision == pytest.approx(
        [sklearn.average_precision_score(truth == i, shares[:, i]) for i in every]
    )


def test_two_labels_give_the_usual_brier_score():
    sklearn = pytest.importorskip("sklearn.metrics")
    truth, shares = random_scores(1, k=2)
    ours = measure(["nb"[i] for i in truth], shares, "nb", [str(i) for i in range(300)])

    assert ours.brier == pytest.approx(sklearn.brier_score_loss(truth, shares[:, 1]))


def test_a_label_absent_from_truth_and_predictions_is_none_and_leaves_the_means_alone():
    shares = [[0.9, 0.1, 0], [0.2, 0.8, 0], [0.7, 0.3, 0]]
    found = measure(["a", "b", "b"], shares, LABELS, ["p", "q", "r"])

    for values in (found.precision, found.recall, found.f1, found.auc, found.sensitivity):
        assert values[2] is None
    assert found.f1_macro == pytest.approx(2 / 3)
    assert found.auc_macro == 1
    assert found.curves.roc[2] is None
    assert found.intervals.recall[2] is None


def test_a_label_that_is_never_predicted_has_no_precision_and_an_f1_of_zero():
    found = measure(["a", "b"], [[0.9, 0.1], [0.6, 0.4]], "ab", ["p", "q"])

    assert found.precision[1] is None
    assert found.f1[1] == 0


def test_a_single_image_is_measured():
    found = measure(["a"], [[0.7, 0.3]], "ab", ["p"])

    assert found.accuracy == 1
    assert found.auc == (None, None)
    assert found.auc_macro is None


def test_json_has_the_names_of_the_contract_and_no_nan(metrics):
    found = metrics.to_json()

    assert {"labels", "accuracy", "f1_macro", "precision", "recall", "f1", "auc"} <= set(found)
    assert found["recall"] == {"a": 2 / 3, "b": 0.5, "c": 1}
    assert found["confusion"] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert set(found["intervals"]["auc"]) == {"a", "b", "c"}
    assert len(found["intervals"]["accuracy"]) == 2
    for undefined in (found, measure(["a"], [[0.7, 0.3]], "ab", ["p"]).to_json()):
        assert json.loads(json.dumps(undefined, allow_nan=False)) == undefined


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"truth": [*TRUTH[:-1], "z"]}, r"True labels among \('a', 'b', 'c'\).*'z'"),
        ({"labels": ("a", "b", "b")}, "Two or more distinct labels"),
        ({"labels": ("a",)}, "Two or more distinct labels"),
        ({"probabilities": SHARES[:-1]}, r"Probabilities \(6, 3\).*\(5, 3\)"),
        ({"groups": GROUPS[:-1]}, "6 groups for 6 images.*5 groups"),
        ({"groups": [*GROUPS[:-1], ""]}, "A patient or group id for each image"),
        ({"probabilities": [*SHARES[:-1], [0.9, 0.9, 0.9]]}, "add up to 1.*1 others.*row 5"),
        ({"probabilities": [*SHARES[:-1], [math.nan, 0.5, 0.5]]}, "add up to 1.*row 5"),
        ({"probabilities": [*SHARES[:-1], [-0.5, 1, 0.5]]}, "not negative.*row 5"),
        ({"truth": [], "probabilities": np.zeros((0, 3)), "groups": []}, "A test set with images"),
    ],
)
def test_what_does_not_fit_is_refused(changed, text):
    good = {"truth": TRUTH, "probabilities": SHARES, "labels": LABELS, "groups": GROUPS}

    with pytest.raises(InputError, match=text):
        measure(**{**good, **changed})


@pytest.mark.parametrize("setting", [{"resamples": 5}, {"specificity": 1.5}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError, match=f"{next(iter(setting))}="):
        measure(TRUTH, SHARES, LABELS, GROUPS, **setting)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_averages_equal_scikit_learns_report(average):
    sklearn = pytest.importorskip("sklearn.metrics")
    truth, shares = random_scores(9, k=4)
    labels = [f"l{i}" for i in range(4)]
    ours = measure([labels[i] for i in truth], shares, labels, [str(i) for i in range(300)])
    expected = sklearn.precision_recall_fscore_support(
        truth, shares.argmax(axis=1), average=average
    )
    found = getattr(ours, average)

    assert (found.precision, found.recall, found.f1) == pytest.approx(expected[:3])


def test_a_label_that_is_never_predicted_counts_as_precision_zero_in_the_averages():
    found = measure(["a", "b"], [[0.9, 0.1], [0.6, 0.4]], "ab", ["p", "q"])

    assert found.macro.precision == 0.25
    assert found.macro.recall == 0.5
    assert found.macro.f1 == pytest.approx(found.f1_macro)


def test_averages_leave_out_a_label_that_does_not_occur():
    found = measure(["a", "b"], [[0.9, 0.1, 0], [0.2, 0.8, 0]], LABELS, ["p", "q"])

    assert found.macro.f1 == found.macro.precision == found.weighted.recall == 1
