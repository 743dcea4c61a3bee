"""Several findings a film: by hand, against scikit-learn, edges of what is defined, bad input."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics import FindingMetrics, compare_findings, measure, measure_findings
from spark_cxr.metrics.finding_records import FIGURES

X = float("nan")
FINDINGS = ("Effusion", "Mass", "Hernia")
TRUTH = [[1, 0, 0], [1, 1, X], [0, 1, 0], [0, X, 0], [X, 0, 0], [0, 0, X]]
SHARES = [
    [0.9, 0.1, 0.2],
    [0.4, 0.8, 0.9],
    [0.6, 0.3, 0.1],
    [0.2, 0.9, 0.6],
    [0.7, 0.5, 0.3],
    [0.1, 0.2, 0.5],
]
GROUPS = ["p1", "p1", "p2", "p3", "p4", "p5"]
POINTS = (0.5, 0.4, 0.5)


@pytest.fixture(scope="module")
def found() -> FindingMetrics:
    return measure_findings(TRUTH, SHARES, FINDINGS, GROUPS, POINTS, resamples=200)


def made_up(n: int = 600, many: int = 5, seed: int = 3) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Draw films of patients with findings from common to rare, a tenth of them unknown."""
    rng = np.random.default_rng(seed)
    share = np.geomspace(0.3, 0.03, many)
    truth = (rng.random((n, many)) < share).astype(float)
    margins = np.round(rng.normal(size=(n, many)) + 1.3 * truth + np.log(share / (1 - share)), 2)
    truth[rng.random((n, many)) < 0.1] = X
    return truth, 1 / (1 + np.exp(-margins)), [f"patient-{row // 2}" for row in range(n)]


def names_of(many: int) -> list[str]:
    return [f"finding {place}" for place in range(many)]


def test_counts_are_of_the_known_films(found: FindingMetrics) -> None:
    effusion, mass, hernia = found.rows
    assert (found.n, found.groups, found.known, found.positives) == (6, 5, 14, 4)
    assert (effusion.known, effusion.positives, effusion.unknowns) == (5, 2, 1)
    assert (mass.known, mass.positives, mass.negatives) == (5, 2, 3)
    assert (effusion.groups, effusion.positive_groups) == (4, 1)
    assert (mass.groups, mass.positive_groups) == (4, 2)
    assert effusion.prevalence == 2 / 5
    assert hernia.prevalence == 0


def test_figures_by_hand(found: FindingMetrics) -> None:
    effusion = found.rows[0].figures
    assert effusion.auc.value == pytest.approx(5 / 6)
    assert effusion.average_precision.value == pytest.approx((1 + 2 / 3) / 2)
    assert (effusion.sensitivity.value, effusion.specificity.value) == (1 / 2, 2 / 3)
    assert (effusion.ppv.value, effusion.npv.value) == (1 / 2, 2 / 3)
    assert effusion.brier.value == pytest.approx((0.01 + 0.36 + 0.36 + 0.04 + 0.01) / 5)
    assert found.rows[0].confusion == {
        "true_positives": 1,
        "false_positives": 1,
        "false_negatives": 1,
        "true_negatives": 2,
    }


def test_a_probability_at_the_operating_point_is_a_yes() -> None:
    at = measure_findings([[1], [0]], [[0.3], [0.2]], ["Mass"], ["p", "q"], [0.3])
    assert at.rows[0].true_positives == 1
    assert at.rows[0].false_positives == 0


def test_a_finding_without_positives_has_no_auc_and_leaves_the_mean_alone(
    found: FindingMetrics,
) -> None:
    hernia = found.rows[2]
    assert hernia.figures.auc.value is None
    assert hernia.figures.auc.interval is None
    assert hernia.figures.sensitivity.value is None
    assert hernia.figures.specificity.value == pytest.approx(3 / 4)
    assert hernia.curves.roc is None
    assert hernia.curves.precision_recall is None
    aucs = [row.figures.auc.value for row in found.rows[:2]]
    assert found.macro.auc.value == pytest.approx(np.mean(aucs))
    assert found.missing("auc") == ("Hernia",)
    assert found.missing("brier") == ()


def test_a_finding_of_which_nothing_is_known_has_no_figures() -> None:
    found = measure_findings([[X, 1], [X, 0]], [[0.5, 0.9]] * 2, "ab", ["p", "q"], [0.5, 0.5])
    nothing = found.rows[0]
    assert (nothing.known, nothing.prevalence, nothing.mean_probability) == (0, None, None)
    assert (nothing.ece, nothing.ece_by_chance, nothing.curves.reliability) == (None, None, None)
    assert {getattr(nothing.figures, name).value for name in FIGURES} == {None}
    assert found.missing("brier") == ("a",)


@pytest.mark.parametrize("many", [1, 5])
def test_figures_equal_scikit_learn_on_the_known_cells(many: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    truth, shares, groups = made_up(many=many)
    points = np.linspace(0.1, 0.3, many)
    found = measure_findings(truth, shares, names_of(many), groups, points, resamples=100)
    known = ~np.isnan(truth)
    cells = [(truth[k, i], shares[k, i], shares[k, i] >= points[i]) for i, k in enumerate(known.T)]
    pool = truth[known], shares[known], (shares >= points)[known]
    figures = [row.figures for row in found.rows]
    for ours, (true, share, yes) in zip([*figures, found.micro], [*cells, pool], strict=True):
        wanted = {
            "auc": sklearn.roc_auc_score(true, share),
            "average_precision": sklearn.average_precision_score(true, share),
            "sensitivity": sklearn.recall_score(true, yes),
            "specificity": sklearn.recall_score(true, yes, pos_label=0),
            "ppv": sklearn.precision_score(true, yes),
            "npv": sklearn.precision_score(true, yes, pos_label=0),
            "f1": sklearn.f1_score(true, yes),
            "brier": sklearn.brier_score_loss(true, share),
        }
        for name, value in wanted.items():
            assert getattr(ours, name).value == pytest.approx(value, abs=1e-9), name
    for name in FIGURES:
        mean = np.mean([getattr(each, name).value for each in figures])
        assert getattr(found.macro, name).value == pytest.approx(mean, abs=1e-12)


def test_macro_and_micro_equal_scikit_learn_where_all_is_known() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    truth, shares, groups = made_up()
    truth = np.nan_to_num(truth)
    yes = shares >= 0.2
    found = measure_findings(truth, shares, names_of(5), groups, [0.2] * 5, resamples=100)
    for ours, kind in ((found.macro, "macro"), (found.micro, "micro")):
        assert ours.auc.value == pytest.approx(
            sklearn.roc_auc_score(truth, shares, average=kind), abs=1e-9
        )
        assert ours.average_precision.value == pytest.approx(
            sklearn.average_precision_score(truth, shares, average=kind), abs=1e-9
        )
        assert ours.f1.value == pytest.approx(sklearn.f1_score(truth, yes, average=kind), abs=1e-9)
    assert found.complete == len(truth)
    assert found.exact_match.value == pytest.approx(sklearn.accuracy_score(truth, yes), abs=1e-9)
    assert found.hamming_loss.value == pytest.approx(sklearn.hamming_loss(truth, yes), abs=1e-9)


def test_figures_of_real_labels_equal_scikit_learn(shared_data: Path) -> None:
    """NIH's findings of a thousand films of real patients, with made-up answers."""
    sklearn = pytest.importorskip("sklearn.metrics")
    with (shared_data / "nih_findings.csv").open(encoding="utf-8", newline="") as file:
        films = [row for row in csv.DictReader(file) if row["findings"]]
    counts = Counter(each for row in films for each in row["findings"].split("|"))
    findings = sorted(name for name, many in counts.items() if 10 <= many < len(films))
    rng = np.random.default_rng(0)
    truth = np.array(
        [[float(name in row["findings"].split("|")) for name in findings] for row in films]
    )
    shares = np.round(rng.random(truth.shape) * 0.6 + 0.3 * truth, 2)
    truth[rng.random(truth.shape) < 0.2] = X
    groups = [row["patient_id"] or row["image"] for row in films]
    points = [0.5] * len(findings)
    found = measure_findings(truth, shares, findings, groups, points, resamples=100, bands=False)
    assert found.groups < found.n == len(films)
    for row, true, share in zip(found.rows, truth.T, shares.T, strict=True):
        known = ~np.isnan(true)
        assert (row.known, row.positives) == (known.sum(), np.nansum(true))
        wanted = sklearn.roc_auc_score(true[known], share[known])
        assert row.figures.auc.value == pytest.approx(wanted, abs=1e-9)
        wanted = sklearn.average_precision_score(true[known], share[known])
        assert row.figures.average_precision.value == pytest.approx(wanted, abs=1e-9)
        wanted = sklearn.brier_score_loss(true[known], share[known])
        assert row.figures.brier.value == pytest.approx(wanted, abs=1e-9)


def test_exact_match_counts_films_that_are_known_as_a_whole(found: FindingMetrics) -> None:
    # Films 1 and 3: the first is right in all, the third says Effusion and misses Mass.
    assert found.complete == 2
    assert found.exact_match.value == 0.5
    assert found.hamming_loss.value == pytest.approx(5 / 14)


def test_calibration_is_of_the_probability_of_the_finding() -> None:
    shares = [[0.05]] * 20
    truth = [[1]] + [[0]] * 19
    found = measure_findings(truth, shares, ["Mass"], [f"p{i}" for i in range(20)], [0.5])
    row = found.rows[0]
    assert row.curves.reliability is not None
    assert row.curves.reliability.counts[0] == 20
    assert row.curves.reliability.right[0] == pytest.approx(1 / 20)
    assert row.ece == pytest.approx(0, abs=1e-12)
    assert row.mean_probability == pytest.approx(0.05)
    assert row.ece_by_chance is not None
    assert row.ece_by_chance > 0


def test_intervals_hold_their_figures_and_repeat_with_the_seed() -> None:
    truth, shares, groups = made_up()
    args = (truth, shares, names_of(5), groups, [0.1] * 5)
    first, again = (measure_findings(*args, resamples=200, seed=5) for _ in range(2))
    other = measure_findings(*args, resamples=200, seed=6)
    assert first.to_json() == again.to_json()
    assert first.macro.auc.interval != other.macro.auc.interval
    for figures in (*(row.figures for row in first.rows), first.macro, first.micro):
        for name in FIGURES:
            estimate = getattr(figures, name)
            assert estimate.interval.low <= estimate.value <= estimate.interval.high, name


def test_intervals_resample_whole_groups() -> None:
    """Each film five times over is no more than that film once."""
    truth, shares, _ = made_up(n=120, many=2)
    alone = [f"p{row}" for row in range(120)]
    once = measure_findings(truth, shares, "ab", alone, [0.2] * 2, resamples=400)
    many = measure_findings(
        np.tile(truth, (5, 1)), np.tile(shares, (5, 1)), "ab", alone * 5, [0.2] * 2, resamples=400
    )
    assert many.rows[0].figures.auc.interval == once.rows[0].figures.auc.interval
    assert many.micro.brier.interval is not None
    assert once.micro.brier.interval is not None
    assert many.micro.brier.interval.low == pytest.approx(once.micro.brier.interval.low)


def test_a_share_without_mistakes_gets_an_interval_that_counts_patients() -> None:
    truth = [[1], [1], [1], [0], [0], [0]]
    shares = [[0.9], [0.8], [0.7], [0.1], [0.2], [0.3]]
    groups = ["p1", "p1", "p2", "p3", "p4", "p5"]
    figures = measure_findings(truth, shares, ["Mass"], groups, [0.5]).rows[0].figures
    assert figures.auc.interval is not None
    assert figures.auc.interval.high == 1
    assert figures.auc.interval.low == pytest.approx(0.342, abs=1e-3)  # 2 against 3: 2 of 2
    assert figures.sensitivity.interval is not None
    assert figures.specificity.interval is not None
    assert figures.sensitivity.interval.high == 1
    assert figures.sensitivity.interval.low == pytest.approx(0.342, abs=1e-3)  # 2 of 2, Wilson
    assert figures.specificity.interval.low == pytest.approx(0.438, abs=1e-3)  # 3 of 3


def test_co_occurrence_counts_films_where_both_are_known(found: FindingMetrics) -> None:
    assert found.truth.counts == ((2, 1, 0), (1, 2, 0), (0, 0, 0))
    # Of the two films with Effusion, Hernia is known on one.
    assert found.truth.given == ((2, 2, 1), (2, 2, 1), (0, 0, 0))
    assert found.truth.shares == ((1, 0.5, 0), (0.5, 1, 0), (None, None, None))
    # Answered over the same pairs: films 1 and 3 for Effusion, as film 5 is not known.
    assert found.answers.counts[0] == (2, 0, 0)
    assert found.answers.given[0] == (2, 2, 2)


def test_curves_are_thinned_and_keep_their_ends() -> None:
    truth, shares, groups = made_up(n=3000, many=1)
    found = measure_findings(truth, shares + 0, ["Mass"], groups, [0.2], resamples=100)
    roc, precision = found.rows[0].curves.roc, found.rows[0].curves.precision_recall
    assert roc is not None
    assert precision is not None
    assert len(roc.true_positive_rate) <= 402
    assert (roc.false_positive_rate[0], roc.true_positive_rate[-1]) == (0, 1)
    area = np.trapezoid(roc.true_positive_rate, roc.false_positive_rate)
    assert area == pytest.approx(found.rows[0].figures.auc.value, abs=2e-3)
    assert precision.recall[-1] == 1
    assert precision.average_precision == found.rows[0].figures.average_precision.value
    assert roc.band is not None
    assert precision.band is not None


def test_bands_are_those_of_a_test_of_two_labels_and_can_be_left_out() -> None:
    truth, shares, groups = made_up(n=200, many=1)
    truth = np.nan_to_num(truth)
    two = measure(
        ["ab"[int(each)] for each in truth[:, 0]],
        np.column_stack([1 - shares, shares]),
        "ab",
        groups,
        resamples=100,
    )
    found, bare = (
        measure_findings(truth, shares, ["b"], groups, [0.5], resamples=100, bands=each)
        for each in (True, False)
    )
    curves, wanted = found.rows[0].curves, two.curves
    assert curves.roc is not None
    assert wanted.roc[1] is not None
    assert curves.roc.band == wanted.roc[1].band
    assert curves.precision_recall is not None
    assert wanted.precision_recall[1] is not None
    assert curves.precision_recall.band == wanted.precision_recall[1].band
    assert bare.rows[0].curves.roc is not None
    assert bare.rows[0].curves.roc.band is None
    assert bare.to_json() == found.to_json()
    assert found.rows[0].figures.auc.interval == two.intervals.auc[1]


def test_json_has_a_figure_a_finding_and_no_nan(found: FindingMetrics) -> None:
    said = found.to_json()
    assert said["labels"] == list(FINDINGS)
    assert set(FIGURES) <= set(said)
    assert set(said["auc"]) == set(FINDINGS)
    assert said["auc_macro"] == said["macro"]["auc"] == found.macro.auc.value
    assert said["macro_of"]["auc"] == 2
    assert said["macro_without"]["auc"] == ["Hernia"]
    assert said["by_finding"]["Effusion"]["unknowns"] == 1
    assert said["co_occurrence"]["truth"]["counts"][0] == [2, 1, 0]
    assert len(said["intervals"]["micro"]["brier"]) == 2
    assert json.loads(json.dumps(said, allow_nan=False)) == said


def test_paired_difference_is_that_of_the_figures() -> None:
    truth, shares, groups = made_up()
    worse = np.clip(shares + np.random.default_rng(0).normal(scale=0.2, size=shares.shape), 0, 1)
    names = names_of(5)
    found = compare_findings(truth, shares, worse, names, groups, resamples=200)
    first, second = (
        measure_findings(truth, each, names, groups, [0.2] * 5, resamples=100)
        for each in (shares, worse)
    )
    assert first.macro.auc.value is not None
    assert second.macro.auc.value is not None
    assert found.auc_macro is not None
    assert found.auc_macro.value == pytest.approx(first.macro.auc.value - second.macro.auc.value)
    assert found.auc_macro.interval is not None
    assert found.auc_macro.interval.low > 0
    assert found.auc_macro.ahead == 1
    for pair, a, b in zip(found.auc, first.rows, second.rows, strict=True):
        assert pair is not None
        assert a.figures.auc.value is not None
        assert pair.value == pytest.approx(a.figures.auc.value - b.figures.auc.value)
    assert found.average_precision_macro is not None
    assert found.average_precision_macro.value > 0
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()


def test_paired_with_itself_there_is_no_difference_and_no_interval() -> None:
    found = compare_findings(TRUTH, SHARES, SHARES, FINDINGS, GROUPS, resamples=100)
    assert found.auc[2] is None
    assert found.auc_macro is not None
    assert (found.auc_macro.value, found.auc_macro.interval, found.auc_macro.ahead) == (0, None, 0)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"truth": TRUTH[:-1]}, r"Truth and probabilities \(6, 3\).*truth \(5, 3\)"),
        ({"truth": [[-1, 0, 0], *TRUTH[1:]]}, r"1, 0 or NaN.*\[-1.0\]"),
        ({"probabilities": [[1.5, 0, 0], *SHARES[1:]]}, r"between 0 and 1.*\[1.5\]"),
        ({"probabilities": [[X, 0, 0], *SHARES[1:]]}, r"between 0 and 1.*nan"),
        ({"thresholds": (0.5, 0.5)}, r"thresholds \(2,\)"),
        ({"thresholds": (0.5, 0.5, 2.0)}, r"operating points \[2.0\]"),
        ({"findings": ("a", "b", "b")}, "One or more distinct findings"),
        ({"groups": [*GROUPS[:-1], ""]}, "A patient or group id for each image"),
        ({"truth": [], "probabilities": [], "groups": []}, "A test set with films"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, object], text: str) -> None:
    args = {
        "truth": TRUTH,
        "probabilities": SHARES,
        "findings": FINDINGS,
        "groups": GROUPS,
        "thresholds": POINTS,
    }
    with pytest.raises(InputError, match=text):
        measure_findings(**{**args, **changed})  # type: ignore[arg-type]


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(ConfigError, match="At least 100 resamples"):
        measure_findings(TRUTH, SHARES, FINDINGS, GROUPS, POINTS, resamples=50)
    with pytest.raises(ConfigError, match="At least 100 resamples"):
        compare_findings(TRUTH, SHARES, SHARES, FINDINGS, GROUPS, resamples=50)
