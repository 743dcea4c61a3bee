"""One small trained classifier, and hostile variants of it."""

import dataclasses

import numpy as np
import pytest

from spark_cxr.metrics import Metrics, measure
from spark_cxr.metrics.comparison_results import ComparisonReport
from spark_cxr.metrics.results import (
    AuditSummary,
    ClassCount,
    DataSummary,
    Mistake,
    QuarantineCount,
    RunSummary,
    SplitSummary,
    TrainingReport,
)
from tests.report.fields import CHECKS, Films, curve_of, field_of, parts_of, rows_of

PNG = b"\x89PNG\r\n\x1a\n pretends to be a picture"
LABELS = ("No_findings", "Pneumonia", "COVID-19")


def small_metrics(labels: tuple[str, ...] = LABELS, n: int = 90) -> Metrics:
    """Measure a classifier that is mostly right."""
    rng = np.random.default_rng(4)
    truth = np.arange(n) % len(labels)
    margins = rng.normal(size=(n, len(labels)))
    margins[np.arange(n), truth] += 1.5
    shares = np.exp(margins)
    shares /= shares.sum(axis=1, keepdims=True)
    groups = [f"patient-{row // 3}" for row in range(n)]
    return measure([labels[i] for i in truth], shares, labels, groups, resamples=200)


def small_report(metrics: Metrics) -> TrainingReport:
    """Tell about it."""
    counts = zip(metrics.labels, metrics.support, strict=True)
    return TrainingReport(
        job="train_lr",
        title="Logistic regression",
        metrics=metrics,
        data=DataSummary(
            name="drawn phantoms",
            source="file:/phantoms",
            files=403,
            images=400,
            patients=130,
            classes=tuple(ClassCount(label, 100, count) for label, count in counts),
            quarantined=(QuarantineCount("truncated", 3),),
        ),
        split=SplitSummary(method="split by patient", n_train=310, n_test=metrics.n, shared=0),
        model=(("Backbone", "ResNet50"), ("Engine", "fake")),
        run=RunSummary(
            commands=("spark-submit jobs/train_lr.py --seed 7",),
            config=(("seed", "7"),),
            versions=(("pyspark", "4.0.1"),),
            seconds=83.4,
            images_per_second=61.2,
        ),
        caveats=("The films are drawn phantoms, not patients.",),
        mistakes=(Mistake("file:/phantoms/a.png", *LABELS[:2], 0.9, PNG),),
    )


@pytest.fixture(scope="session")
def metrics() -> Metrics:
    return small_metrics()


@pytest.fixture(scope="session")
def report(metrics: Metrics) -> TrainingReport:
    return small_report(metrics)


@pytest.fixture(scope="session")
def hostile() -> TrainingReport:
    """Put markup, script, mathtext and stray bytes wherever text can come from outside."""
    evil = "<script>alert(1)</script>\"'&$\\frac{x}{$ \udcff\u202e"
    report = small_report(small_metrics((f"a{evil}", f"b{evil}", f"c{evil}")))
    return dataclasses.replace(
        report,
        job=evil,
        title=evil,
        data=dataclasses.replace(report.data, name=evil, source=evil, notes=((evil, evil),)),
        split=dataclasses.replace(report.split, method=evil, unit=evil, shared=4),
        model=((evil, evil),),
        run=dataclasses.replace(report.run, commands=(evil,), versions=((evil, evil),)),
        caveats=(evil,),
        mistakes=(Mistake(evil, evil, evil, 0.5, PNG),),
    )


@pytest.fixture(scope="session")
def films() -> Films:
    return Films()


@pytest.fixture(scope="session")
def full(report: TrainingReport, films: Films) -> TrainingReport:
    """A training that knows its sources and views, its learning curve and an audit."""
    return dataclasses.replace(
        report,
        parts=parts_of(films),
        learning=curve_of(films),
        audit=AuditSummary(CHECKS, "audit/report.html"),
    )


@pytest.fixture(scope="session")
def field(films: Films) -> ComparisonReport:
    return field_of(films, PNG, rows_of(films))
