"""What MLflow receives of a run of several findings."""

import pytest

from spark_cxr.config import defaults
from spark_cxr.verbs.track.results import TrackedRun, comparison_run, training_run
from tests.report.finding_fields import FindingFilms, findings_comparison

FILMS = FindingFilms(n=80)
"""Small, as only names and numbers matter here."""


@pytest.fixture(scope="module")
def trained() -> TrackedRun:
    return training_run("train_lr", FILMS.measured().to_json(), None, defaults())


def test_a_finding_has_its_figures_counts_and_intervals(trained: TrackedRun) -> None:
    row = FILMS.measured().rows[0]
    auc = row.figures.auc
    assert auc.interval is not None
    expected = {
        "auc.Effusion": auc.value,
        "auc.Effusion.low": auc.interval.low,
        "auc.Effusion.high": auc.interval.high,
        "specificity.Effusion": row.figures.specificity.value,
        "brier.Effusion": row.figures.brier.value,
        "positives.Effusion": row.positives,
        "unknowns.Effusion": row.unknowns,
        "threshold.Effusion": row.threshold,
        "ece.Effusion": row.ece,
    }
    assert {name: trained.metrics.get(name) for name in expected} == expected


def test_both_means_are_metrics(trained: TrackedRun) -> None:
    found = FILMS.measured()
    assert found.macro.auc.interval is not None
    expected = {
        "auc_macro": found.macro.auc.value,
        "auc_macro.low": found.macro.auc.interval.low,
        "auc_micro": found.micro.auc.value,
        "macro.average_precision": found.macro.average_precision.value,
        "micro.ece": found.micro_ece,
        "hamming_loss": found.hamming_loss.value,
    }
    assert {name: trained.metrics.get(name) for name in expected} == expected
    assert trained.params["classes"] == '["Effusion", "Atelectasis", "Pneumothorax", "Hernia"]'


def test_a_comparison_has_a_run_a_classifier_with_its_folds() -> None:
    comparison = findings_comparison(FILMS)
    run = comparison_run("compare", comparison.to_json(), defaults())
    assert [part.params["head"] for part in run.parts] == [row.head for row in comparison.rows]
    assert run.parts[0].curves == {"fold.auc_macro": [0.7, 0.75]}
    assert run.parts[0].metrics["auc_macro"] == comparison.best.metrics.macro.auc.value
