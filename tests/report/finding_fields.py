"""Made-up answers about several findings, measured like real ones."""

import dataclasses

import numpy as np

from spark_cxr.metrics import FindingMetrics, compare_findings, measure_findings
from spark_cxr.metrics.comparison_results import FoldSummary
from spark_cxr.metrics.finding_results import (
    FindingCount,
    FindingsComparison,
    FindingsReport,
    FindingsRow,
    OmittedFinding,
    ranked_findings,
)
from spark_cxr.metrics.matrix_films import (
    FALSE_ALARM,
    MISSED,
    CellFilm,
    MatrixCell,
    MatrixFilms,
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
        counts=tuple(FindingCount(name, 700, 77) for name in metrics.findings),
        omitted=(OmittedFinding("Pneumoperitoneum", "3 positive training films, 10 are needed"),),
        caveats=("The films are made up.",),
        matrix=MatrixFilms(
            (
                MatrixCell(metrics.findings[0], MISSED, 1, (CellFilm("a.png", 0.02, PNG),)),
                MatrixCell(metrics.findings[0], FALSE_ALARM, 1, (CellFilm("b.png", 0.97),)),
            )
        ),
    )


def findings_comparison(films: FindingFilms) -> FindingsComparison:
    """Tell about three classifiers on the same films."""
    skill = {"Logistic regression": 1.3, "Random forest": 1.0, "Decision tree": 0.0}
    answers = {head: films.answers(factor) for head, factor in skill.items()}
    rows = ranked_findings(
        FindingsRow("CXRNet", head, films.measured(factor), 3.21, folds=(0.7, 0.75))
        for head, factor in skill.items()
    )
    best = answers[rows[0].head]
    args = (films.findings, films.groups)
    return FindingsComparison(
        job="compare",
        title="Three classifiers of findings",
        rows=tuple(
            dataclasses.replace(
                row,
                behind=compare_findings(
                    films.known(), best, answers[row.head], *args, resamples=200
                )
                if place
                else None,
            )
            for place, row in enumerate(rows)
        ),
        data=findings_report(rows[0].metrics).data,
        split=FoldSummary("patient", 5, shared=0, notes=(("Seed", "7"),)),
        run=findings_report(rows[0].metrics).run,
        caveats=("The films are made up.",),
    )
