"""One run of the job score: find what is new, score it batch by batch; again while it watches."""

from __future__ import annotations

import logging
import secrets
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import PurePosixPath
from typing import Any

from pyarrow import fs
from pyspark.sql import SparkSession

from spark_cxr import output as outputs
from spark_cxr.backbones.engines.plan import INT8
from spark_cxr.choices import DELTA
from spark_cxr.errors import ConfigError, OutputError, SparkCxrError
from spark_cxr.model.drift import Tally, measure_drift
from spark_cxr.model.model import Model, load_model
from spark_cxr.output import RUNS, Outcome, Output, absolute, is_here, locate
from spark_cxr.pipeline.explanations import explain_paths
from spark_cxr.pipeline.int8_scorer import in_int8
from spark_cxr.pipeline.path_lists import is_list_here
from spark_cxr.pipeline.readers import SPARK
from spark_cxr.pipeline.scorer import ScoredFile, open_scorer
from spark_cxr.pipeline.session import LateSession, describe, may_start_late
from spark_cxr.pipeline.sources import Listing, list_files
from spark_cxr.settings import Config, Score
from spark_cxr.verbs.score.arrivals import Arrival, arrivals, batches
from spark_cxr.verbs.score.batch import ScoringRun, score_batch
from spark_cxr.verbs.score.lease import check_writer, only_writer
from spark_cxr.verbs.score.one_process import OneProcess, are_few
from spark_cxr.verbs.score.reading import Look, spark_reader
from spark_cxr.verbs.score.results import Totals
from spark_cxr.verbs.score.table import (
    SCORED,
    DeltaTable,
    ParquetTable,
    Table,
    committed,
    sweep,
    write_also,
)
from spark_cxr.verbs.score.vectors import (
    NOT_CHECKED,
    VectorRun,
    check_vector_settings,
    score_vectors,
    vectors_may_wait,
)

LOG = logging.getLogger(__name__)

LEAST_CERTAIN = "least_certain.csv"
EXPLAINED = "explained"
"""Directory beside it: overlays and maps of these films."""


@contextmanager
def open_run(cfg: Config) -> Iterator[Output]:
    """Claim the table for this run, and give the directory of the run's record in it."""
    settings = cfg.score
    check_settings(settings)
    table = _table_of(settings)
    try:
        _check_ours(table)
        stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        with only_writer(table, settings.wait, stamp):
            sweep(table)
            outputs.sweep(Output(table.table(RUNS)))
            yield Output(table.table(f"{RUNS}/{stamp}"))
    except PermissionError as error:
        received = f"--table={table.address} ({error.strerror})"
        way_out = "Correct its rights or choose another"
        raise OutputError("a --table that can be written", received, way_out) from None


def check_settings(settings: Score) -> None:
    """Refuse a run without a model or a table."""
    for flag, given in (("model", settings.model), ("table", settings.table)):
        if not given:
            raise ConfigError(f"--{flag} DIR", "none", f"Say --{flag} DIR")
    if settings.features:
        check_vector_settings(settings)
    if settings.precision == INT8 and not settings.calibrate:
        raise ConfigError("--calibrate DIR with --precision int8", "none", "Name a folder of films")


def may_wait(cfg: Config) -> bool:
    """Tell whether Spark need not start before it is known that there is much to do."""
    settings = cfg.score
    if settings.features:
        is_ours = settings.format == "parquet" and vectors_may_wait(settings)
        return is_ours and may_start_late()
    is_ours = settings.format == "parquet" and settings.read != SPARK
    are_here = all(is_list_here(each) or is_here(each) for each in settings.images)
    return is_ours and are_here and may_start_late()


def score_step(spark: SparkSession | None, cfg: Config, output: Output) -> Outcome:
    """Score what is new, and what arrives while it watches; report what was done.

    Without a session few films are scored in a process beside this one, and many on Spark.
    """
    settings, session = cfg.score, LateSession("score", spark)
    if settings.features:
        return _score_vectors(session, cfg, output)
    scorer = open_scorer(
        spark, settings.model, settings.batch_size, settings.device, settings.require_signature
    )
    scorer = scorer.refusing(settings.refuse)
    if settings.precision == INT8 and scorer.manifest.precision != INT8:
        scorer = in_int8(session.get(), scorer, settings.calibrate)
    totals, numbers = _totals(scorer, settings.explain), count(1)
    with _stopping() as stop, _looking(session, scorer, settings, totals) as look:
        run = _open(session, settings, scorer, output, look)
        while True:
            # Who watches may find a folder from which all was taken away.
            listing = list_files(session.started, settings.images, may_be_empty=settings.watch)
            score_new(run, listing, totals, numbers, stop)
            if settings.also:
                write_also(_table_of(settings), settings.also, scorer.manifest.labels)
            if not settings.watch or stop.wait(settings.interval):
                break
    return _outcome(session, scorer, cfg, totals, output)


def _score_vectors(session: LateSession, cfg: Config, output: Output) -> Outcome:
    """Score a table of vectors; few rows without a session."""
    settings, name = cfg.score, PurePosixPath(output.address).name
    scorer = load_model(settings.model, public_key=settings.require_signature)
    scorer = scorer.refusing(settings.refuse)
    totals = _totals(scorer)
    table, place = _open_table(session, settings), _table_of(settings)
    run = VectorRun(
        scorer=scorer,
        table=table,
        name=name,
        at_once=settings.max_files_per_trigger,
        rescores=settings.rescore,
        check=lambda: check_writer(place, name),
    )
    vectors = score_vectors(session, run, settings, output, totals)
    _leave_columns(table, settings, name)
    if settings.also:
        write_also(_table_of(settings), settings.also, scorer.manifest.labels)
    outcome = _outcome(session, scorer, cfg, totals, output)
    then = scorer.manifest.backbone
    line = (
        f"vectors {vectors.name}, made elsewhere; the model has learned from {then}. "
        f"Not checked: {'; '.join(NOT_CHECKED)}."
    )
    said = {
        "name": vectors.name,
        "key": vectors.network_key,
        "trained_on": then,
        "not_checked": list(NOT_CHECKED),
    }
    return Outcome({**outcome.counts, "vectors": said}, f"{line}\n{outcome.text}")


def _totals(scorer: Model, keep: int = 0) -> Totals:
    """Begin to count films, those of a model of findings by finding."""
    tally = Tally(is_of_findings=scorer.manifest.is_of_findings)
    return Totals(keep=keep, thresholds=scorer.manifest.thresholds, tally=tally)


def score_new(
    run: ScoringRun,
    listing: Listing,
    totals: Totals,
    numbers: Iterator[int],
    stop: threading.Event,
) -> None:
    """Score what was listed and is new; a stop takes effect between batches, and none is lost."""
    settings = run.settings
    totals.start_pass(listing)
    new = arrivals(listing.found, run.table, run.model, settings.rescore)
    for batch in batches(new, settings.max_files_per_trigger, settings.max_bytes_per_trigger):
        totals.add(len(batch), score_batch(run, batch, next(numbers)))
        if settings.watch and stop.is_set():
            break
    _leave_columns(run.table, settings, run.name)


def _leave_columns(table: Table, settings: Score, name: str) -> None:
    """Commit a table without rows where there is none: a reader needs its columns."""
    if settings.format == "parquet" and not committed(_table_of(settings)):
        table.append(SCORED, [], f"{name}-none", datetime.now(UTC))


@contextmanager
def _looking(
    session: LateSession, scorer: Model, settings: Score, totals: Totals
) -> Iterator[Look]:
    """Give the function that reads and scores: on Spark once a session is there, or many come."""
    beside = OneProcess(scorer, settings, totals.spend)

    def look(files: Sequence[Arrival]) -> list[ScoredFile]:
        if session.started is None and are_few(files):
            return beside.look(files)
        return spark_reader(session.get(), scorer, settings, totals.spend)(files)

    try:
        yield look
    finally:
        beside.close()


def _open(
    session: LateSession, settings: Score, scorer: Model, output: Output, look: Look
) -> ScoringRun:
    name, place = PurePosixPath(output.address).name, _table_of(settings)
    return ScoringRun(
        settings=settings,
        model=scorer.manifest.identity,
        table=_open_table(session, settings),
        name=name,
        look=look,
        check=lambda: check_writer(place, name),
    )


def _open_table(session: LateSession, settings: Score) -> Table:
    place = _table_of(settings)
    if settings.format != DELTA:
        return ParquetTable(place)
    delta = DeltaTable(session.get(), place)
    delta.make()
    return delta


def _outcome(
    session: LateSession, scorer: Model, cfg: Config, totals: Totals, output: Output
) -> Outcome:
    measures = measure_drift(totals.tally, scorer.predictor.reference, cfg.drift)
    counts: dict[str, Any] = {
        "table": _table_of(cfg.score).address,
        "model": scorer.manifest.identity,
        **totals.counts(measures),
        "session": describe(session.started) if session.started else {"session": "none"},
    }
    if totals.keep:
        output.write_text(LEAST_CERTAIN, totals.csv())
        counts["least_certain"] = output.table(LEAST_CERTAIN)
        paths = [doubt.path for doubt in totals.least_certain()]
        place = Output(output.table(EXPLAINED))
        counts["explained"] = _explain(session, scorer, paths, cfg.score, place)
    lines = [*totals.lines(measures), *filter(None, [scorer.manifest.weights.caveat])]
    return Outcome(counts, "\n".join(lines))


def _explain(
    session: LateSession, scorer: Model, paths: Sequence[str], settings: Score, output: Output
) -> int:
    """Draw films with their heat; if that fails the scores stay."""
    if not paths:
        return 0
    try:
        chosen = (paths, settings.max_bytes, settings.read, output)
        return explain_paths(session.get(), scorer, *chosen).n
    except SparkCxrError as error:
        LOG.warning(f"score: the least certain films are not explained: {error}")
        return 0


def _table_of(settings: Score) -> Output:
    return Output(absolute(settings.table).rstrip("/"))


def _check_ours(table: Output) -> None:
    """Refuse a directory that holds something else: nobody could read it as a table."""
    store, root = locate(table.address)
    found = store.get_file_info(fs.FileSelector(root, allow_not_found=True))
    names = {entry.base_name for entry in found}
    if found and not any(name.startswith("_") for name in names):
        received, way_out = f"--table={table.address} with {min(names)}", "Choose another"
        raise OutputError("a --table that is new, empty or of this job", received, way_out)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turn SIGTERM and Ctrl-C into a request to stop, until the block ends."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, _: Any) -> None:
        LOG.info("score: ends after this batch")
        stop.set()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
