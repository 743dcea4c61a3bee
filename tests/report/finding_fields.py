"""Made-up answers about several findings, measured like real ones."""

import numpy as np

from spark_cxr.metrics import FindingMetrics, measure_findings
from spark_cxr.metrics.finding_results import (
    FindingCount,
    FindingMistake,
    FindingsReport,
    OmittedFinding,
)
from spark_cxr.metrics.results import DataSummary, QuarantineCount, RunSummary, SplitSummary

FINDINGS = ("Effusion", "Atelectasis", "Pneumothorax", "Hernia")
SHARES = (0.3, 0.25, 0.2, 0.01)
SKILL = (1.6, 0.9, 1.2, 0.5)
PNG = b"\x89PNG\r\n\x1a\n pretends to be a picture"


class FindingFilms:
    """Films of patients, of some of which not every finding is known."""

    def __init__(self, n: int = 240, findings: tuple[str, ...] = FINDINGS, seed: int = 1):
        rng = np.random.default_rng(seed)
        shape = (n, len(findings))
        self.findings, self.groups = findings, [f"patient-{row // 2}" for row in range(n)]
        self.truth = (rng.random(shape) < SHARES[: len(findings)]).astype(float)
        self.noise = rng.normal(size=shape)
        self.unknown = rng.random(shape) < 0.1
        self.unknown[:, 0] = False

    def answers(self, factor: float = 1.0) -> np.ndarray:
        """Give probabilities; the factor makes a classifier better or worse."""
        many = len(self.findings)
        odds = np.log(np.array(SHARES[:many]) / (1 - np.array(SHARES[:many])))
        margins = self.noise + factor * np.array(SKILL[:many]) * self.truth + odds
        return np.asarray(1 / (1 + np.exp(-margins)))

    def known(self) -> np.ndarray:
        """Give the truth with NaN where nothing is known."""
        return np.where(self.unknown, np.nan, self.truth)

    def measured(self, factor: float = 1.0) -> FindingMetrics:
        """Measure a classifier."""
        points = SHARES[: len(self.findings)]
        answers = self.answers(factor)
        return measure_findings(
            self.known(), answers, self.findings, self.groups, points, resamples=200
        )


def findings_report(metrics: FindingMetrics) -> FindingsReport:
    """Tell about a training."""
    return FindingsReport(
        job="train_lr",
        title="Logistic regression on CXRNet features",
        metrics=metrics,
        data=DataSummary(
            name="made-up films",
            source="file:/films",
            files=963,
            images=960,
            patients=480,
            classes=(),
            quarantined=(QuarantineCount("truncated", 3),),
        ),
        split=SplitSummary("split by patient", n_train=720, n_test=metrics.n, shared=0),
        model=(("Backbone", "CXRNet"), ("Engine", "fake")),
        run=RunSummary(
            commands=("spark-submit jobs/train_lr.py --findings",),
            config=(("seed", "7"),),
            versions=(("spark_cxr", "0.1"),),
            seconds=83.4,
        ),
        learned=tuple(FindingCount(name, 700, 77) for name in metrics.findings),
        omitted=(OmittedFinding("Pneumoperitoneum", "3 positive training films, 10 are needed"),),
        caveats=("The films are made up.",),
        mistakes=(
            FindingMistake("file:/films/a.png", metrics.findings[0], True, 0.02, PNG),
            FindingMistake("file:/films/b.png", metrics.findings[0], False, 0.97),
        ),
    )
