"""What a comparison leaves: comparison.json, lines for the console, content of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from spark_cxr import __version__
from spark_cxr.config import command_line
from spark_cxr.heads import catalog as heads
from spark_cxr.metrics import Metrics, Overlap, Paired, compare_paired, measure, measure_parts
from spark_cxr.metrics.comparison_results import (
    ComparisonOutcome,
    ComparisonReport,
    ComparisonRow,
    FoldSummary,
    SourceComparison,
    SourceRow,
)
from spark_cxr.metrics.results import RunSummary
from spark_cxr.metrics.source_wording import source_lines
from spark_cxr.metrics.subgroup_wording import gap_warnings
from spark_cxr.metrics.vector_map import VectorMap
from spark_cxr.metrics.wording import overlap_in_words, overlap_warning
from spark_cxr.output import Output
from spark_cxr.pipeline.classes import Classes
from spark_cxr.pipeline.data_summary import (
    are_drawn,
    audit_of,
    data_caveats,
    data_summary,
    engine_line,
    mistakes_of,
    network_caveats,
    parts_of,
    published_of,
)
from spark_cxr.pipeline.evaluate import TestAnswers, answers_of, missed_by_group
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.matrix_films import films_of_classes
from spark_cxr.pipeline.partition import People, split_words, unit_of
from spark_cxr.pipeline.subgroups import subgroups_of
from spark_cxr.pipeline.vector_maps import map_of_vectors
from spark_cxr.schemas import SOURCE, TEST_PREDICTIONS
from spark_cxr.settings import FLAGS_OF, Config
from spark_cxr.verbs.compare.sources import SourceFolds
from spark_cxr.verbs.train.results import LEARNED, vectors_entry

SECTIONS = FLAGS_OF["compare"]


@dataclass(frozen=True)
class Entrant:
    """One head on the vectors of one backbone, with folds of one kind."""

    backbone: str
    head: str
    by: str
    """What stays on one side: patient, image, or films with one value of a column."""

    @property
    def name(self) -> str:
        """Name it for a table of its own."""
        by = self.by.replace(":", "-")
        return f"{PurePosixPath(self.backbone).stem}-{self.head}-by-{by}"


@dataclass(frozen=True)
class Result:
    """How an entrant did on the films of all folds together."""

    entrant: Entrant
    metrics: Metrics
    mllib: dict[str, float]
    overlap: Overlap
    fold_accuracies: tuple[float, ...]
    seconds: float
    """Of all its fits together, side by side or not."""


@dataclass(frozen=True)
class ElsewhereResult:
    """What an entrant answers about the films of each source, having learned from all others."""

    entrant: Entrant
    answers: TestAnswers


@dataclass(frozen=True)
class Comparison:
    """All that a comparison has found."""

    command: Config
    """As the user gave it."""
    cfg: Config
    """The same, with phantoms where no images were named."""
    ingested: IngestResult
    featurized: tuple[tuple[str, FeatureResult], ...]
    classes: Classes
    shared: dict[str, int]
    """By kind of folds: films tested with their patient or a twin in training."""
    results: tuple[Result, ...]
    people: People
    """The patients of the films of these classes."""
    by_source: SourceFolds | None = None
    elsewhere: tuple[ElsewhereResult, ...] = ()
    """With these folds."""
    missing: str = ""
    """Which figure could be had, where there are no folds by source."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Give the kinds of folds, by image last: it only shows what a leak is worth.

        Those by source are apart: they test other films, and have a figure of their own.
        """
        kinds = (by for by in self.cfg.compare.splits if by != SOURCE)
        return tuple(sorted(kinds, key=lambda by: by == "image"))

    def find(self, entrant: Entrant) -> Result:
        """Find the result of an entrant."""
        return next(result for result in self.results if result.entrant == entrant)

    def ranked(self, by: str) -> list[Result]:
        """Give the results of one kind of folds, the best first."""
        some = [result for result in self.results if result.entrant.by == by]
        return sorted(some, key=lambda result: (-result.metrics.accuracy, result.entrant.name))


def comparison_report(spark: SparkSession, done: Comparison, output: Output) -> ComparisonReport:
    """Gather the content of the page; its figures are by patient, with those by image beside."""
    cfg, first = done.cfg, done.splits[0]
    order = done.ranked(first)

    def predictions_of(entrant: Entrant) -> DataFrame:
        table = output.table(f"predictions/{entrant.name}")
        return spark.read.schema(TEST_PREDICTIONS).parquet(table)

    caveats = tuple(
        f"{PurePosixPath(name).stem}: {caveat}"
        for name, features in done.featurized
        for caveat in network_caveats(features)
    )
    names, best = done.classes.names, order[0]
    entrants = (result.entrant for result in done.results)
    answers = {entrant: answers_of(predictions_of(entrant), names) for entrant in entrants}
    mine, its = answers[best.entrant], predictions_of(best.entrant)
    subgroups = subgroups_of(its, done.ingested.images)
    drawn = are_drawn(done.featurized[0][1].rows)
    return ComparisonReport(
        job="compare",
        title=f"{len(order)} classifiers on the same films",
        rows=tuple(_row(result, best, done, answers) for result in order),
        data=data_summary(cfg, done.ingested, drawn),
        split=_folds(first, done, mine),
        run=_run(done, spark),
        image_split=_folds(done.splits[1], done, mine) if done.splits[1:] else None,
        setup=tuple(_setup(done)),
        caveats=(*data_caveats(done.ingested, drawn), *caveats, *filter(None, [done.missing])),
        audit=audit_of(spark, cfg, done.ingested),
        published=published_of(cfg),
        parts=parts_of(mine, names, cfg, subgroups),
        missed=missed_by_group(mine, names, subgroups, cfg),
        mistakes=mistakes_of(its, has_films=done.ingested.has_films),
        matrix=films_of_classes(its, done.ingested.has_films, f"predictions/{best.entrant.name}"),
        maps=tuple(_maps(done, order, predictions_of)),
        by_source=_by_source(done, done.by_source) if done.by_source else None,
    )


def _by_source(done: Comparison, folds: SourceFolds) -> SourceComparison:
    """Measure each entrant on all films together and on each source, the best over all first."""
    rows = [_source_row(result, done, folds.classes.names) for result in done.elsewhere]
    rows.sort(key=lambda row: (-row.metrics.accuracy, row.name))
    return SourceComparison(tuple(rows), folds.left_out)


def _source_row(result: ElsewhereResult, done: Comparison, names: tuple[str, ...]) -> SourceRow:
    mine, cfg = result.answers, done.cfg
    given = (mine.truth, mine.probabilities, names, mine.groups)
    seed, resamples = cfg.run.seed, cfg.train.resamples
    return SourceRow(
        backbone=PurePosixPath(result.entrant.backbone).stem,
        head=heads.get(result.entrant.head).title,
        metrics=measure(*given, seed=seed, resamples=resamples),
        sources=measure_parts(*given, mine.sources, seed=seed, resamples=resamples),
    )


def _maps(
    done: Comparison, order: Sequence[Result], predictions_of: Callable[[Entrant], DataFrame]
) -> Iterator[VectorMap]:
    """Map the vectors of each network, the one with the best head first."""
    vectors, bests = dict(done.featurized), dict[str, Entrant]()
    for result in order:
        bests.setdefault(result.entrant.backbone, result.entrant)
    for backbone, entrant in bests.items():
        yield map_of_vectors(
            vectors[backbone].rows,
            predictions_of(entrant),
            vectors[backbone].plan.network.dim,
            done.cfg.run.seed,
            backbone=PurePosixPath(backbone).stem,
            head=heads.get(entrant.head).title,
        )


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
        outcome=_outcome(result),
        by_image=_outcome(leaked) if leaked else None,
        behind=None if result is best else _paired(answers[best.entrant], mine, done),
        leak=_paired(answers[leaked.entrant], mine, done) if leaked else None,
        overlap=result.overlap,
        images_per_second=dict(done.featurized)[entrant.backbone].images_per_second,
    )


def _outcome(result: Result) -> ComparisonOutcome:
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
    featurizing = max(features.seconds for _, features in done.featurized)
    return RunSummary(
        commands=(f"spark-submit jobs/compare.py {command_line(done.command, SECTIONS)}",),
        config=(("All settings", "run.json beside this page"),),
        versions=(("spark_cxr", __version__), ("Spark", spark.version)),
        seconds=featurizing + sum(result.seconds for result in done.results),
        spent=done.ingested.times.facts,
    )


def _setup(done: Comparison) -> Iterator[tuple[str, str]]:
    for name, features in done.featurized:
        origin, how = features.plan.network.weights.origin, engine_line(features)
        yield f"Backbone {PurePosixPath(name).stem}", f"weights {origin}; {how}"
    if done.cfg.train.balance:
        yield "Balance", "films weighed so that each class counts the same"


def json_of(done: Comparison, report: ComparisonReport) -> dict[str, Any]:
    """Give the content of comparison.json."""
    evaluator = {result.entrant.name: result.mllib for result in done.results}
    learned = report.best.overlap and report.best.overlap.learned
    return {**report.to_json(), LEARNED: learned, "mllib": evaluator}


def counts_of(done: Comparison, report: ComparisonReport) -> dict[str, Any]:
    """Give the figures for run.json and the one line of JSON."""
    best = report.best.outcome.metrics
    return {
        "best": report.best.name,
        "accuracy": best.accuracy,
        "f1_macro": best.f1_macro,
        LEARNED: report.best.overlap and report.best.overlap.learned,
        "images": best.n,
        "files": done.ingested.files,
        "quarantined": done.ingested.quarantined,
        "fits": len(done.results) * done.cfg.compare.folds + _fits_by_source(done),
        **vectors_entry(done.featurized[-1][1]),
        **done.ingested.pass_counts(),
    }


def _fits_by_source(done: Comparison) -> int:
    return len(done.elsewhere) * len(done.by_source.sources) if done.by_source else 0


def summary_of(done: Comparison, report: ComparisonReport, page: str) -> str:
    """Give the ranking for the console."""
    return "\n".join(_lines(done, report, page))


def _lines(done: Comparison, report: ComparisonReport, page: str) -> Iterator[str]:
    how = split_words(done.splits[0], done.people, done.shared[done.splits[0]])
    yield from (f"warning: {overlap_warning(each)}" for each in report.overlaps if each.learned)
    yield from (f"warning: {report.best.name}: {said}" for said in gap_warnings(report.missed))
    yield from source_lines(report.by_source)
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
    yield from done.ingested.times.lines
    yield from (f"note: {caveat}" for caveat in report.caveats)
    yield f"report: {page}"
