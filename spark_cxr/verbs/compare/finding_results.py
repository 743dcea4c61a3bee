"""What a comparison of several findings leaves: comparison.json, console lines, the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr import __version__
from spark_cxr.config import command_line
from spark_cxr.heads import catalog as heads
from spark_cxr.metrics import compare_findings as paired_findings
from spark_cxr.metrics.comparison_results import FoldSummary
from spark_cxr.metrics.finding_results import (
    FindingsComparison,
    FindingsRow,
    OmittedFinding,
    ranked_findings,
)
from spark_cxr.metrics.finding_wording import findings_ranking_table
from spark_cxr.metrics.results import RunSummary
from spark_cxr.metrics.subgroup_wording import gap_warnings
from spark_cxr.pipeline.data_summary import (
    are_drawn,
    audit_of,
    data_caveats,
    data_summary,
    engine_line,
    network_caveats,
)
from spark_cxr.pipeline.finding_trial import FindingPredictions
from spark_cxr.pipeline.partition import split_words, unit_of
from spark_cxr.settings import FLAGS_OF
from spark_cxr.verbs.compare.findings import FindingEntrants, FindingsEntrant
from spark_cxr.verbs.train.finding_results import omitted
from spark_cxr.verbs.train.results import vectors_entry


def findings_comparison(spark: SparkSession, done: FindingEntrants) -> FindingsComparison:
    """Gather the content of the page."""
    cfg, drawn = done.cfg, are_drawn(done.featurized[0][1].rows)
    rows, best = _rows(done)
    answers = best.with_subgroups(spark, done.ingested.images)
    caveats = (
        f"{PurePosixPath(name).stem}: {caveat}"
        for name, features in done.featurized
        for caveat in network_caveats(features)
    )
    return FindingsComparison(
        job="compare",
        title=f"{len(done.entrants)} classifiers of {len(done.counts)} findings on the same films",
        rows=rows,
        data=data_summary(cfg, done.ingested, drawn),
        split=_folds(done),
        run=_run(done, spark),
        setup=tuple(_setup(done)),
        omitted=(
            *omitted(done.left_out, cfg.train.least_positives),
            *(OmittedFinding(name, reason) for name, reason in done.alone.items()),
        ),
        caveats=(*data_caveats(done.ingested, drawn), *caveats, *filter(None, [done.missing])),
        parts=answers.parts(cfg.run.seed, cfg.train.resamples),
        missed=answers.missed_by_group(cfg.run.seed, cfg.train.resamples),
        audit=audit_of(spark, cfg, done.ingested),
    )


def _rows(done: FindingEntrants) -> tuple[tuple[FindingsRow, ...], FindingsEntrant]:
    """Measure each classifier, rank them, and hold the best against every other."""
    cfg, speeds = done.cfg, dict(done.featurized)
    entrants = dict[str, FindingsEntrant]()
    rows = list[FindingsRow]()
    for entrant in done.entrants:
        row = FindingsRow(
            backbone=PurePosixPath(entrant.backbone).stem,
            head=heads.get(entrant.head).title,
            metrics=entrant.answers.measured(cfg.run.seed, cfg.train.resamples, bands=False),
            fit_seconds=entrant.seconds,
            images_per_second=speeds[entrant.backbone].images_per_second,
        )
        entrants[row.name] = entrant
        rows.append(row)
    best, *others = ranked_findings(rows)
    first = entrants[best.name]
    shown = first.answers.measured(cfg.run.seed, cfg.train.resamples)  # with bands
    behind = (_behind(row, first.answers, entrants[row.name].answers, done) for row in others)
    return (replace(best, metrics=shown), *behind), first


def _behind(
    row: FindingsRow, best: FindingPredictions, own: FindingPredictions, done: FindingEntrants
) -> FindingsRow:
    found = paired_findings(
        best.truth,
        best.probabilities,
        own.probabilities,
        best.findings,
        best.groups,
        seed=done.cfg.run.seed,
        resamples=done.cfg.train.resamples,
    )
    return replace(row, behind=found)


def _folds(done: FindingEntrants) -> FoldSummary:
    known = done.people.patients > 0
    groups = len(set(done.entrants[0].answers.groups))
    return FoldSummary(
        method=unit_of(done.by, done.people),
        patients=split_words(done.by, done.people, done.shared).patients,
        folds=done.cfg.compare.folds,
        shared=done.shared if known or not done.shared else None,
        unit="patient" if known else None,
        notes=(("Seed", str(done.cfg.run.seed)), ("Groups", f"{groups:,}")),
    )


def _run(done: FindingEntrants, spark: SparkSession) -> RunSummary:
    featurizing = max(features.seconds for _, features in done.featurized)
    flags = command_line(done.command, FLAGS_OF["compare"])
    return RunSummary(
        commands=(f"spark-submit jobs/compare.py {flags}",),
        config=(("All settings", "run.json beside this page"),),
        versions=(("spark_cxr", __version__), ("Spark", spark.version)),
        seconds=featurizing + sum(entrant.seconds for entrant in done.entrants),
        spent=done.ingested.times.facts,
    )


def _setup(done: FindingEntrants) -> Iterator[tuple[str, str]]:
    for name, features in done.featurized:
        origin, how = features.plan.network.weights.origin, engine_line(features)
        yield f"Backbone {PurePosixPath(name).stem}", f"weights {origin}; {how}"
    yield (
        "Operating point",
        "50 %: films are weighed so that both answers count the same"
        if done.cfg.train.balance
        else "the share of films with the finding, over all folds",
    )


def headline_of_comparison(done: FindingEntrants, report: FindingsComparison) -> dict[str, Any]:
    """Give the figures for run.json and the one line of JSON."""
    best = report.best.metrics
    return {
        "best": report.best.name,
        "auc_macro": best.macro.auc.value,
        "findings": list(best.findings),
        "images": best.n,
        "files": done.ingested.files,
        "quarantined": done.ingested.quarantined,
        "fits": len(done.entrants) * done.cfg.compare.folds * len(done.counts),
        **vectors_entry(done.featurized[-1][1]),
        **done.ingested.pass_counts(),
    }


def summary_of_comparison(done: FindingEntrants, report: FindingsComparison, page: str) -> str:
    """Give the ranking for the console."""
    best = report.best.metrics
    lines = [
        *(f"warning: {report.best.name}: {said}" for said in gap_warnings(report.missed)),
        *findings_ranking_table(report.rows),
        f"{best.n:,} films of {best.groups:,} groups in {report.split.folds} folds,"
        f" {split_words(done.by, done.people, done.shared)}",
        *done.ingested.times.lines,
        *(f"left out: {each.finding}, {each.reason}" for each in report.omitted),
        *(f"note: {caveat}" for caveat in report.caveats),
        f"report: {page}",
    ]
    return "\n".join(lines)
