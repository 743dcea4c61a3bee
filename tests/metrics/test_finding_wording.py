"""Figures of findings in words, and the console's table."""

import numpy as np

from spark_cxr.metrics import FindingMetrics, measure_findings
from spark_cxr.metrics.finding_wording import (
    by_auc,
    finding_caveats,
    findings_table,
    macro_range,
    macro_verdict,
    named,
)


def measured(truth: np.ndarray, shares: np.ndarray, names: list[str]) -> FindingMetrics:
    groups = [f"p{row}" for row in range(len(truth))]
    points = [0.5] * len(names)
    return measure_findings(truth, shares, names, groups, points, resamples=100)


def made_up(share: float = 0.4, skill: float = 2.0) -> FindingMetrics:
    rng = np.random.default_rng(0)
    truth = (rng.random((150, 2)) < [share, 0.05]).astype(float)
    shares = 1 / (1 + np.exp(-(rng.normal(size=(150, 2)) + skill * (truth - 0.5))))
    return measured(truth, shares, ["Mass", "Edema"])


def test_the_verdict_counts_the_findings_without_an_auc() -> None:
    truth, shares = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.9, 0.1], [0.2, 0.3]])
    found = measured(truth, shares, ["Mass", "Edema"])
    assert macro_verdict(found) == "the mean AUC over 1 of 2 findings was 1.000"
    assert macro_range(found) == "too few groups for an interval"
    assert any(each.startswith("No AUC for Edema") for each in finding_caveats(found))


def test_one_finding_is_named_in_the_verdict() -> None:
    found = measured(np.array([[1.0], [0.0]]), np.array([[0.9], [0.2]]), ["Mass"])
    assert macro_verdict(found) == "the AUC of Mass was 1.000"


def test_few_positives_are_a_caveat_and_come_last() -> None:
    found = made_up()
    few = next(each for each in finding_caveats(found) if each.startswith("Fewer than 20"))
    assert "Edema" in few
    assert "Mass" not in few
    assert [row.finding for row in by_auc(found.rows)] == ["Mass", "Edema"]


def test_probabilities_that_miss_are_a_caveat() -> None:
    truth = np.zeros((200, 1))
    truth[:20] = 1
    honest, inflated = (measured(truth, np.full((200, 1), p), ["Mass"]) for p in (0.1, 0.6))
    said = "The probabilities of Mass are not to be read as chances"
    assert any(each.startswith(said) for each in finding_caveats(inflated))
    assert not any(each.startswith(said) for each in finding_caveats(honest))


def test_where_all_is_known_and_frequent_there_is_nothing_to_say() -> None:
    rng = np.random.default_rng(0)
    shares = rng.random((400, 1))
    truth = (rng.random((400, 1)) < shares).astype(float)
    assert finding_caveats(measured(truth, shares, ["Mass"])) == ()


def test_the_table_has_a_line_a_finding_with_counts_and_the_two_means() -> None:
    found = made_up()
    lines = findings_table(found)
    mass = found.rows[0]
    auc = mass.figures.auc
    assert auc.interval is not None
    assert lines[0].split()[:3] == ["with", "known", "auc"]
    assert lines[1].split()[:4] == ["Mass", f"{mass.positives}", "150", f"{auc.value:.3f}"]
    assert f"{auc.interval.low:.3f}-{auc.interval.high:.3f}" in lines[1]
    assert lines[3].startswith(f"macro AUC {found.macro.auc.value:.3f} (")
    assert lines[3].endswith("over 2 of 2 findings")
    assert lines[4].endswith("over 300 known answers")
    assert len({len(line) for line in lines[:3]}) == 1


def test_long_lists_are_cut() -> None:
    assert named(["a"]) == "a"
    assert named(["a", "b", "c"]) == "a, b and c"
    assert named(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
