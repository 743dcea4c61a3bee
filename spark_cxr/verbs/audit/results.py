"""What an audit leaves: audit.json, lines for the console, the page with its small pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from spark_cxr import __version__
from spark_cxr.config import command_line
from spark_cxr.images.film import Limits
from spark_cxr.images.prepare import scaled
from spark_cxr.images.raster import encode_jpeg
from spark_cxr.metrics.checks import Check, Pair, Side, count_statuses
from spark_cxr.metrics.results import Row, RunSummary
from spark_cxr.metrics.wording import counted
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.partition import People, split_words
from spark_cxr.pipeline.thumbnails import film_at
from spark_cxr.report.audit import AuditReport, audit_page, verdict
from spark_cxr.settings import FLAGS_OF, Config
from spark_cxr.verbs.audit.films import AuditFilms
from spark_cxr.verbs.audit.probes import HEAD

SECTIONS = FLAGS_OF["audit"]
LONG_SIDE, QUALITY = 168, 78
"""Of the small pictures."""
LIMITS = tuple(
    f"{status}_{what}"
    for what in ("way", "association", "changed", "heat", "alike", "ece")
    for status in ("warn", "fail")
)
"""The settings that decide when a check warns or fails."""


@dataclass(frozen=True)
class AuditResult:
    """All that audit.json and the page contain."""

    command: Config
    cfg: Config
    ingested: IngestResult
    checks: tuple[Check, ...]
    shown: AuditFilms | None
    """None where the network was not used."""
    conflicts: tuple[dict[str, Any], ...]
    n_conflicts: int
    seconds: float


def counts_of(done: AuditResult) -> dict[str, Any]:
    """Give the content of audit.json."""
    settings, shown = done.cfg.audit, done.shown
    return {
        "verdict": verdict(done.checks),
        "statuses": count_statuses(done.checks),
        "checks": [check.to_json() for check in done.checks],
        "conflicts": list(done.conflicts),
        "conflicts_total": done.n_conflicts,
        "files": done.ingested.files,
        "images": done.ingested.n_images,
        "quarantined": done.ingested.quarantined,
        "patients": done.ingested.patients,
        "same_labels": list(settings.same_labels),
        "thresholds": {name: getattr(settings, name) for name in LIMITS},
        **({"network": _network(shown)} if shown else {}),
        "caveats": list(caveats_of(done)),
        "seconds": round(done.seconds, 2),
    }


def summary_of(done: AuditResult, report: str) -> str:
    """Give a line for each check, then the verdict, for the console."""
    width = max(len(check.title) for check in done.checks)
    lines = [f"{c.status:<15}{c.title:<{width}}  {c.brief}".rstrip() for c in done.checks]
    notes = [f"note: {caveat}" for caveat in caveats_of(done)]
    return "\n".join([*lines, *notes, verdict(done.checks), f"report: {report}"])


def page_of(done: AuditResult, spark_version: str) -> str:
    """Write the page."""
    run = RunSummary(
        commands=(f"spark-submit jobs/audit.py {command_line(done.command, SECTIONS)}",),
        config=(("All settings", "run.json beside this page"),),
        versions=(("spark_cxr", __version__), ("Spark", spark_version)),
        seconds=done.seconds,
    )
    report = AuditReport(
        name=", ".join(path.rstrip("/").rsplit("/", 1)[-1] for path in done.cfg.ingest.images),
        checks=done.checks,
        data=tuple(_data(done)),
        method=tuple(_method(done)),
        run=run,
        caveats=tuple(caveats_of(done)),
    )
    return audit_page(report)


def caveats_of(done: AuditResult) -> Iterator[str]:
    """Say what a reader must know before relying on a check."""
    shown = done.shown
    if shown is None:
        return
    if shown.used.engine == "fake":
        yield (
            "The features come from the fake engine, a random projection of coarse pixels: no "
            "network has seen these films, and the results may not hold for a real one."
        )
    elif shown.plan.network.weights.caveat:
        yield f"{shown.plan.network.weights.caveat}."
    if shown.left_out:
        yield f"Labels of too few patients were left out of training: {', '.join(shown.left_out)}."
    if shown.lost:
        yield f"{counted(shown.lost, 'film')} could not be read a second time."


def _data(done: AuditResult) -> Iterator[Row]:
    ingested = done.ingested
    yield "Folders", ", ".join(done.cfg.ingest.images)
    yield "Files seen", f"{ingested.files:,}"
    yield "Films", f"{ingested.n_images:,}"
    yield "Files set aside", f"{ingested.quarantined:,}"
    yield "Patients", f"{ingested.patients:,}" if ingested.patients else "not known"
    yield "Labels taken for the same", "; ".join(done.cfg.audit.same_labels) or "none"


def _method(done: AuditResult) -> Iterator[Row]:
    settings, shown = done.cfg.audit, done.shown
    yield "Copies", f"equal bytes, equal pixels, or pictures alike to {done.cfg.ingest.likeness:g}"
    if shown is None:
        return
    most = settings.films_per_label
    each = "of each finding, the rarest of a film" if done.cfg.ingest.findings else "of each label"
    limit = f"up to {most:,} {each}, drawn by hash" if most else "all"
    yield "Films shown to the network", f"{shown.films:,} ({limit}), of which {shown.tested:,} test"
    used = shown.used
    backbone = done.cfg.features.backbone
    yield "Network", f"{backbone}, {used.engine} on {used.device} in {used.precision}"
    yield "Weights", shown.plan.network.weights.origin
    yield "Head", f"{HEAD}, the same for the real result and every shortcut"
    people = People(done.ingested.patients, done.ingested.without_patient)
    yield "Split", f"{split_words('patient', people, 0)}; copies of a film are on one side"
    chance = "an AUC of 0.5" if done.cfg.ingest.findings else "the commonest label"
    yield (
        "A shortcut warns",
        f"beyond {settings.warn_way:.0%} of the way from {chance} to the real result",
    )
    yield (
        "A shortcut fails",
        f"from {settings.fail_way:.0%} of that way on, or within the real result's interval",
    )


def _network(shown: AuditFilms) -> dict[str, Any]:
    return {
        "backbone": shown.plan.network.backbone,
        "weights": shown.plan.network.weights.origin,
        "used": asdict(shown.used),
        "head": HEAD,
        "labels": list(shown.labels),
        "labels_left_out": list(shown.left_out),
        "films": shown.films,
        "tested": shown.tested,
        "masked": shown.masked,
        "lost": shown.lost,
    }


def with_pictures(checks: Iterable[Check], limits: Limits) -> tuple[Check, ...]:
    """Give each film of each example its picture; one that can no longer be read has none."""

    def pictured(side: Side) -> Side:
        film = film_at(side.path, limits)
        return (
            side
            if film is None
            else replace(side, image=encode_jpeg(scaled(film, LONG_SIDE), QUALITY))
        )

    def with_both(pair: Pair) -> Pair:
        return Pair(pair.kind, pictured(pair.a), pictured(pair.b))

    return tuple(replace(check, pairs=tuple(map(with_both, check.pairs))) for check in checks)
