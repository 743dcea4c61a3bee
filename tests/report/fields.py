"""A made-up field of classifiers on the same films, measured like a real one."""

import dataclasses

import numpy as np

from spark_cxr.datasets import PublishedResult
from spark_cxr.metrics import compare_paired, learning_curve, measure, measure_parts
from spark_cxr.metrics.checks import FAIL, NOT_APPLICABLE, PASS, WARN, Check
from spark_cxr.metrics.comparison_results import (
    ComparisonOutcome,
    ComparisonReport,
    ComparisonRow,
    FoldSummary,
    ranked,
)
from spark_cxr.metrics.results import (
    AuditSummary,
    DataSummary,
    Mistake,
    PartTable,
    QuarantineCount,
    RunSummary,
)

LABELS = ("No_findings", "Pneumonia", "COVID-19")
SKILL = {
    ("squeezenet11", "Logistic regression"): 1.7,
    ("squeezenet11", "Random forest"): 1.5,
    ("squeezenet11", "Decision tree"): 0.6,
    ("ResNet50", "Logistic regression"): 1.9,
}
FOLDS = 5
CHECKS = (
    Check("labels", "Do twins agree?", PASS, "12 near-duplicates, and none differ in label."),
    Check("border", "Does the border tell?", WARN, "The border alone reaches 71.2 %."),
    Check("source", "Has a label one source?", FAIL, "All COVID-19 films are of one source."),
    Check("view", "Does the view tell?", NOT_APPLICABLE, "No film names its view."),
)


class Films:
    """Films of patients, some easy and some hard for everybody."""

    def __init__(self, n: int = 300, seed: int = 0):
        self.rng = np.random.default_rng(seed)
        self.n = n
        self.codes = np.arange(n) % 3
        self.truth = [LABELS[code] for code in self.codes]
        self.groups = [f"patient-{row // 3}" for row in range(n)]
        self.fold = (np.arange(n) // 3) % FOLDS
        self.ease = np.repeat(self.rng.normal(size=n // 3 + 1), 3)[:n]
        self.noise = self.rng.normal(size=(n, 3))

    def named(self, skill: float) -> np.ndarray:
        """Give probabilities: the same films are hard for every classifier."""
        margins = self.noise + 0.5 * self.rng.normal(size=(self.n, 3))
        margins[np.arange(self.n), self.codes] += skill + 0.6 * self.ease
        shares = np.exp(margins)
        return shares / shares.sum(axis=1, keepdims=True)

    def outcome(self, shares: np.ndarray, seconds: float) -> ComparisonOutcome:
        """Measure out-of-fold predictions."""
        right = shares.argmax(axis=1) == self.codes
        return ComparisonOutcome(
            metrics=measure(self.truth, shares, LABELS, self.groups, resamples=200),
            folds=tuple(float(right[self.fold == fold].mean()) for fold in range(FOLDS)),
            fit_seconds=seconds,
        )

    def paired(self, first: np.ndarray, second: np.ndarray):
        """Compare two."""
        return compare_paired(self.truth, first, second, LABELS, self.groups, resamples=200)


def rows_of(films: Films, gap: float = 0.35) -> tuple[ComparisonRow, ...]:
    """Measure the field by patient and by image, where everybody gains."""
    named = {key: films.named(skill) for key, skill in SKILL.items()}
    leaky = {key: films.named(skill + gap) for key, skill in SKILL.items()}
    rows = ranked(
        ComparisonRow(
            *key,
            outcome=films.outcome(named[key], 3.21),
            by_image=films.outcome(leaky[key], 3.4),
            leak=films.paired(leaky[key], named[key]),
            images_per_second=61.2,
        )
        for key in SKILL
    )
    best = named[rows[0].backbone, rows[0].head]
    behind = [films.paired(best, named[row.backbone, row.head]) for row in rows[1:]]
    return (
        rows[0],
        *(dataclasses.replace(r, behind=b) for r, b in zip(rows[1:], behind, strict=True)),
    )


def parts_of(films: Films) -> tuple[PartTable, ...]:
    """Measure one classifier on made-up sources and views."""
    shares = films.named(1.7)
    sources = ["NIH" if row < 200 else "Cohen" if row < 285 else "elsewhere" for row in range(300)]
    views = [("PA", "AP", None)[row % 7 % 3] for row in range(films.n)]
    measured = (films.truth, shares, LABELS, films.groups)
    return (
        PartTable("source", measure_parts(*measured, sources, resamples=200)),
        PartTable("view", measure_parts(*measured, views, resamples=200), views.count(None)),
    )


def curve_of(films: Films):
    """Measure classifiers that saw more and more films."""
    sizes = {60: 0.6, 120: 1.0, 240: 1.3, 900: 1.6}
    return learning_curve(
        [(n, films.outcome(films.named(skill), 1).metrics) for n, skill in sizes.items()]
    )


def field_of(films: Films, picture: bytes, rows: tuple[ComparisonRow, ...]) -> ComparisonReport:
    """Tell about the field."""
    return ComparisonReport(
        job="compare",
        title="Four classifiers side by side",
        rows=rows,
        data=DataSummary(
            name="made-up films",
            source="file:/films",
            files=302,
            images=300,
            patients=100,
            classes=(),
            quarantined=(QuarantineCount("truncated", 2),),
            notes=(("Licence", "none needed"),),
        ),
        split=FoldSummary("patient", FOLDS, shared=0, notes=(("Seed", "7"),)),
        image_split=FoldSummary("image", FOLDS, shared=187),
        run=RunSummary(
            commands=("spark-submit jobs/compare.py --folds 5 --seed 7",),
            config=(("All settings", "run.json beside this page"),),
            versions=(("spark_cxr", "0.1"), ("Spark", "4.0.1")),
            seconds=312.0,
        ),
        setup=(("Engine", "openvino on CPU in bf16"),),
        caveats=("The films are made up.",),
        audit=AuditSummary(CHECKS, "audit/report.html"),
        published=(
            PublishedResult("Somebody 2020", "three classes", 0.8702, "by image", "A Journal"),
        ),
        parts=parts_of(films),
        mistakes=(Mistake("a.png", *LABELS[:2], 0.93, picture),),
    )
