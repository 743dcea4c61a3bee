"""What a comparison reports: comparison.json, lines for the console, facts for the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr import __version__
from spark_cxr.config import command_line
from spark_cxr.heads import catalog as heads
from spark_cxr.metrics import Paired, compare_paired
from spark_cxr.metrics.comparison_results import (
    ComparisonOutcome,
    ComparisonReport,
    ComparisonRow,
    FoldSummary,
)
from spark_cxr.metrics.results import RunSummary
from spark_cxr.metrics.wording import overlap_in_words, overlap_warning
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.data_summary import (
    are_drawn,
    audit_of,
    data_caveats,
    data_summary,
    mistakes_of,
    network_caveats,
    parts_of,
    published_of,
)
from spark_cxr.pipeline.evaluate import TestAnswers, answers_of
from spark_cxr.pipeline.partition import SplitWords, split_words, unit_of
from spark_cxr.report.comparison import comparison_page
from spark_cxr.schemas import TEST_PREDICTIONS
from spark_cxr.settings import FLAGS_OF, Config
from spark_cxr.verbs.compare.run import Comparison, Entrant, Result, compare
from spark_cxr.verbs.train.report import LEARNED

SECTIONS = FLAGS_OF["compare"]


def compare_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Compare, and leave comparison.json, report.html and the predictions behind them."""
    done = compare(spark, cfg, output)
    report = comparison_report(spark, done, output)
    output.write_json("comparison.json", _json(done, report))
    output.write_text("report.html", comparison_page(report))
    best = report.best.outcome.metrics
    counts = {
        "best": report.best.name,
        "accuracy": best.accuracy,
        "f1_macro": best.f1_macro,
        LEARNED: report.best.overlap and report.best.overlap.learned,
        "images": best.n,
        "files": done.ingested.files,
        "quarantined": done.ingested.quarantined,
        "fits": len(done.results) * cfg.compare.folds,
    }
    how = split_words(done.splits[0], done.people, done.shared[done.splits[0]])
    return Outcome(counts, "\n".join(_lines(report, how, output.table("report.html"))))


def comparison_report(spark: SparkSession, done: Comparison, output: Output) -> ComparisonReport:
    """Gather what the page says: the split by patient counts, that by image stands beside it."""
    cfg, first = done.cfg, done.splits[0]
    order = done.ranked(first)
    answers = {r.entrant: _answers(spark, r.entrant, done, output) for r in done.results}
    best = order[0]
    mine = answers[best.entrant]
    table = output.table(f"predictions/{best.entrant.name}")
    predictions = spark.read.schema(TEST_PREDICTIONS).parquet(table)
    drawn = are_drawn(done.featurized[0][1].rows)
    return ComparisonReport(
        job="compare",
        title=f"{len(order)} classifiers on the same films",
        rows=tuple(_row(result, best, done, answers) for result in order),
        data=data_summary(cfg, done.ingested, drawn),
        split=_folds(first, done, mine),
        run=_run(done, spark),
        image_split=_folds(done.splits[1], done, answers[best.entrant])
        if done.splits[1:]
        else None,
        setup=tuple(_setup(done)),
        caveats=(*data_caveats(done.ingested, drawn), *_network_caveats(done)),
        audit=audit_of(spark, cfg, done.ingested),
        published=published_of(cfg),
        parts=parts_of(mine, done.classes.names, cfg),
        mistakes=mistakes_of(predictions),
    )


def _answers(
    spark: SparkSession, entrant: Entrant, done: Comparison, output: Output
) -> TestAnswers:
    table = output.table(f"predictions/{entrant.name}")
    return answers_of(spark.read.schema(TEST_PREDICTIONS).parquet(table), done.classes.names)


def _row(
    result: Result, best: Result, done: Comparison, answers: dict[Entrant, TestAnswers]
) -> ComparisonRow:
    entrant, leaked = result.entrant, None
    if done.splits[1:]:
        leaked = done.find(Entrant(entrant.backbone, entrant.head, done.splits[1]))
    mine = answers[entrant]
    return ComparisonRow(
        backbone=PurePosixPath(entrant.backbone).stem,
        head=heads.get(entrant.head).title,
        outcome=_fared(result),
        by_image=_fared(leaked) if leaked else None,
        behind=None if result is best else _paired(answers[best.entrant], mine, done),
        leak=_paired(answers[leaked.entrant], mine, done) if leaked else None,
        overlap=result.overlap,
        images_per_second=dict(done.featurized)[entrant.backbone].images_per_second,
    )


def _fared(result: Result) -> ComparisonOutcome:
    return ComparisonOutcome(result.metrics, result.fold_accuracies, result.seconds)


def _paired(first: TestAnswers, second: TestAnswers, done: Comparison) -> Paired:
    return compare_paired(
        first.truth,
        first.probabilities,
        second.probabilities,
        done.classes.names,
        first.groups,
        seed=done.cfg.run.seed,
        resamples=done.cfg.train.resamples,
    )


def _folds(by: str, done: Comparison, answers: TestAnswers) -> FoldSummary:
    known, shared = done.people.patients > 0, done.shared[by]
    return FoldSummary(
        method=unit_of(by, done.people),
        patients=split_words(by, done.people, shared).patients,
        folds=done.cfg.compare.folds,
        shared=shared if known or not shared else None,
        unit="patient" if known else None,
        notes=(("Seed", str(done.cfg.run.seed)), ("Groups", f"{len(set(answers.groups)):,}")),
    )


def _run(done: Comparison, spark: SparkSession) -> RunSummary:
    made = [featurized for _, featurized in done.featurized]
    seconds = max(each.seconds for each in made) + sum(each.seconds for each in done.results)
    return RunSummary(
        commands=(f"spark-submit jobs/compare.py {command_line(done.asked, SECTIONS)}",),
        config=(("All settings", "run.json beside this page"),),
        versions=(("spark_cxr", __version__), ("Spark", spark.version)),
        seconds=seconds,
    )


def _setup(done: Comparison) -> Iterator[tuple[str, str]]:
    for name, made in done.featurized:
        used, network = made.used, made.plan.network
        how = f"{used.engine} on {used.device} in {used.precision}"
        yield f"Backbone {PurePosixPath(name).stem}", f"weights {network.weights.origin}; {how}"
    if done.cfg.train.balance:
        yield "Balance", "films weighed so that each class counts the same"


def _network_caveats(done: Comparison) -> Iterator[str]:
    for name, made in done.featurized:
        for caveat in network_caveats(made):
            yield f"{PurePosixPath(name).stem}: {caveat}"


def _json(done: Comparison, report: ComparisonReport) -> dict[str, Any]:
    evaluator = {result.entrant.name: result.mllib for result in done.results}
    learned = report.best.overlap and report.best.overlap.learned
    return {**report.to_json(), LEARNED: learned, "mllib": evaluator}


def _lines(report: ComparisonReport, how: SplitWords, page: str) -> Iterator[str]:
    yield from (f"warning: {overlap_warning(each)}" for each in report.overlaps if each.learned)
    yield f"{'':<4}{'accuracy (95 % interval)':<28}{'by image':>9}{'f1':>7}{'auc':>7}{'fit s':>8}"
    for place, row in enumerate(report.rows, 1):
        found, image = row.outcome.metrics, row.by_image
        ends = found.intervals.accuracy
        between = f" ({ends.low:.3f} to {ends.high:.3f})" if ends else ""
        leaked = f"{image.metrics.accuracy:.3f}" if image else "–"
        auc = "–" if found.auc_macro is None else f"{found.auc_macro:.3f}"
        figures = f"{leaked:>9}{found.f1_macro:>7.3f}{auc:>7}{row.outcome.fit_seconds:>8.1f}"
        yield f"{place:<4}{f'{found.accuracy:.3f}{between}':<28}{figures}   {row.name}"
    best = report.best.outcome.metrics
    yield from (f"{overlap_in_words(o)}." for o in report.overlaps if o.learned == 0)
    yield f"{best.n:,} films of {best.groups:,} groups in {report.split.folds} folds, {how}"
    yield from (f"note: {caveat}" for caveat in report.caveats)
    yield f"report: {page}"
