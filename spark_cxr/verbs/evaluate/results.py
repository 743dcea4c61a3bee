"""What an evaluation leaves: evaluation.json, lines for the console, content of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from spark_cxr import __version__
from spark_cxr.config import command_line
from spark_cxr.errors import InputError
from spark_cxr.images.sight import with_sight
from spark_cxr.metrics import FindingMetrics, Metrics
from spark_cxr.metrics.class_alignment import ClassAlignment
from spark_cxr.metrics.decision_wording import decision_lines
from spark_cxr.metrics.evaluation_results import EvaluationCounts, EvaluationReport
from spark_cxr.metrics.evaluation_wording import evaluation_lines
from spark_cxr.metrics.matrix_films import MatrixFilms
from spark_cxr.metrics.results import DataSummary, Mistake, QuarantineCount, Row, RunSummary
from spark_cxr.metrics.subgroup_wording import gap_warnings
from spark_cxr.metrics.transfer import transfers
from spark_cxr.model.decision import NO_DECISION, Decision
from spark_cxr.model.manifest import Manifest
from spark_cxr.pipeline.data_summary import MISTAKES, PHANTOMS
from spark_cxr.pipeline.matrix_films import cell_rows, gathered
from spark_cxr.pipeline.thumbnails import thumbnail
from spark_cxr.settings import FLAGS_OF, Config
from spark_cxr.verbs.evaluate.answers import EvaluatedFilms
from spark_cxr.verbs.evaluate.films import EvaluationSource


@dataclass(frozen=True)
class Evaluation:
    """Labelled films on the driver, without those that the model was trained on."""

    films: EvaluatedFilms
    alignment: ClassAlignment | None
    """Of a model of classes."""
    exact: int
    near: int
    flags: Mapping[str, int]


@dataclass(frozen=True)
class EvaluationRun:
    """All that the report of an evaluation is made from."""

    cfg: Config
    manifest: Manifest
    source: EvaluationSource
    found: Evaluation
    seconds: float
    spark: str
    """Its version."""


def evaluation_report(done: EvaluationRun) -> EvaluationReport:
    """Measure, and gather what the page says."""
    cfg, manifest, films = _as_tested(done.cfg), done.manifest, done.found.films
    answered = films.where(films.answered)
    whole = films if films.are_known else answered
    if not len(whole):  # only a table can leave it open what refused films would have been called
        received = f"none of {len(films):,}: the model takes them all for no X-rays"
        way_out = "Measure them with --images, which says what they would have been called"
        raise InputError("films with an answer in --table", received, way_out)
    metrics = whole.measured(cfg)
    is_part = 0 < len(answered) < len(whole)
    alignment = done.found.alignment
    parts, finding_parts = whole.part_tables(cfg)
    decision = _decision_of(manifest, films.labels)
    return EvaluationReport(
        job="evaluate",
        title=f"{manifest.name} on films of another place",
        metrics=metrics,
        answered=answered.measured(cfg) if is_part else None,
        counts=_counts(done),
        training=manifest.metrics,
        data=_data(done),
        model=_model(manifest),
        run=_run(done),
        renamed=alignment.renamed if alignment else {},
        untested=alignment.untested if alignment else (),
        parts=parts,
        finding_parts=finding_parts,
        decision=whole.decided(decision, cfg) if decision else None,
        net_benefit=whole.net_benefit(cfg),
        missed=whole.missed(cfg),
        transfers=transfers(manifest.metrics, metrics),
        mistakes=() if films.thresholds else mistakes_of(answered),
        matrix=matrix_films_of(whole),
        caveats=tuple(_caveats(done, metrics)),
        overlap=done.source.overlap,
    )


def _decision_of(manifest: Manifest, labels: tuple[str, ...]) -> Decision:
    """Give the model's decision under the names of here; none where several classes are one."""
    if manifest.decision is None or len(labels) < len(manifest.labels):
        return NO_DECISION
    return manifest.decision.renamed(dict(zip(manifest.labels, labels, strict=True)))


def _model(manifest: Manifest) -> tuple[Row, ...]:
    """Say which model it is."""
    version = manifest.versions.get("spark_cxr", "of unknown version")
    return (
        ("Name", manifest.name),
        ("Identity", manifest.identity),
        ("Head", manifest.head),
        ("Backbone", with_sight(manifest.backbone, manifest.see)),
        ("Weights", manifest.weights.origin),
        ("Trained with", f"spark_cxr {version}"),
        ("Its own test", str(manifest.split.get("how", "not known"))),
    )


def _as_tested(cfg: Config) -> Config:
    """Put what an evaluation says of resamples and prevalence where a training has it."""
    wanted = cfg.evaluate
    settings = replace(cfg.train, prevalence=wanted.prevalence, resamples=wanted.resamples)
    return replace(cfg, train=settings)


def headline_of(report: EvaluationReport) -> dict[str, Any]:
    """Give the figures for the one line of JSON and run.json; evaluation.json has them all."""
    found, counts = report.metrics, report.counts
    shown: dict[str, Any] = {
        "films": counts.measured,
        "answered": counts.answered,
        "refused": counts.refused,
    }
    shown |= {"does_it_hold": report.transfers[0].verdict}
    shown |= {"left_out_as_trained_on": counts.trained_on, "quarantined": counts.unreadable}
    if isinstance(found, FindingMetrics):
        return shown | {"auc_macro": found.macro.auc.value}
    return shown | {"accuracy": found.accuracy, "f1_macro": found.f1_macro}


def summary_of(report: EvaluationReport, page: str) -> str:
    """Give the lines for the console."""
    gaps = (f"warning: {sentence}" for sentence in gap_warnings(report.missed))
    notes = (f"note: {caveat}" for caveat in report.caveats)
    lines = (*evaluation_lines(report), *decision_lines(report.decision))
    return "\n".join([*lines, *gaps, *notes, f"report: {page}"])


def _counts(done: EvaluationRun) -> EvaluationCounts:
    films, found, source = done.found.films, done.found, done.source
    knows = source.knows_training
    return EvaluationCounts(
        measured=len(films),
        refused=int((~films.answered).sum()),
        unreadable=source.unreadable,
        exact=found.exact if knows else None,
        near=found.near if knows else None,
        strangers=found.alignment.unknown if found.alignment else {},
        flags=found.flags,
    )


def _data(done: EvaluationRun) -> DataSummary:
    cfg, source = done.cfg, done.source
    places = cfg.ingest.images or (cfg.evaluate.table,)
    is_drawn = any("phantoms" in caveat for caveat in source.caveats)
    return DataSummary(
        name=PHANTOMS if is_drawn else ", ".join(PurePosixPath(each).name for each in places),
        source=", ".join(places),
        files=source.files,
        images=source.images,
        patients=source.patients,
        classes=(),
        quarantined=tuple(QuarantineCount(*each) for each in source.reasons),
    )


def _run(done: EvaluationRun) -> RunSummary:
    flags = command_line(done.cfg, FLAGS_OF["evaluate"])
    return RunSummary(
        commands=(f"spark-submit jobs/evaluate.py {flags}",),
        config=(("All settings", "run.json beside this page"),),
        versions=(("spark_cxr", __version__), ("Spark", done.spark)),
        seconds=done.seconds,
        spent=done.source.spent,
    )


def _caveats(done: EvaluationRun, found: Metrics | FindingMetrics) -> Iterator[str]:
    """Say what a reader must know before relying on the figures."""
    yield from done.source.caveats
    films, source, alignment = done.found.films, done.source, done.found.alignment
    if not films.are_known:
        yield (
            "The table does not say what refused films would have been called, so the figures are "
            "those of the films that have an answer."
        )
    if source.patients is None:
        yield "Patients are not known: the intervals count films as if each were a patient."
    if not source.knows_training and not done.cfg.evaluate.table:
        yield (
            "The model is of an older version, or its vectors were made elsewhere: it has no list "
            "of its training films, so they were not looked for."
        )
    if alignment and alignment.unknown:
        listed = ", ".join(f"{label} ({n:,})" for label, n in [*alignment.unknown.items()][:6])
        yield f"The model has no class for {listed}: these films are left out."
    if alignment and alignment.untested:
        yield f"No film here is {', '.join(alignment.untested)}: naming that is always wrong."
    if alignment and len(alignment.names) < len(done.manifest.labels):
        yield (
            f"Here {len(alignment.names)} classes are told apart, in training "
            f"{len(done.manifest.labels)} were: its figure is of another question."
        )
        decision = done.manifest.decision or NO_DECISION
        if decision.points or decision.sets:
            yield "Its operating points and verdicts are of those, and are not measured here."
    if done.manifest.weights.caveat:
        yield f"{done.manifest.weights.caveat}."


def matrix_films_of(films: EvaluatedFilms) -> MatrixFilms:
    """Take the films of each cell: truth against answer, or wrong answers about findings."""
    answers = [*films.wrong_findings()] if films.thresholds else [*films.named_classes()]
    return gathered(Counter(each[:2] for each in answers), cell_rows(answers))


def mistakes_of(films: EvaluatedFilms) -> tuple[Mistake, ...]:
    """Show the films of which the model was surest and wrong."""
    places = films.probabilities.argmax(axis=1)
    named = np.array(films.labels, object)[places]
    sure = films.probabilities.max(axis=1)
    wrong = np.flatnonzero(named != films.truth)
    worst = sorted(wrong, key=lambda n: (-sure[n], films.paths[n]))[:MISTAKES]
    return tuple(
        Mistake(
            path=PurePosixPath(films.paths[n]).name,
            true=films.truth[n],
            predicted=named[n],
            probability=float(sure[n]),
            image=thumbnail(films.paths[n]),
        )
        for n in worst
    )
