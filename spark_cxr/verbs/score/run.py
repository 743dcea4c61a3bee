"""One run of the job score: find what is new, score it batch by batch; again while it watches."""

from __future__ import annotations

import logging
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import PurePosixPath
from typing import Any

from pyarrow import fs
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_cxr import output as outputs
from spark_cxr.errors import ConfigError, OutputError, SparkCxrError
from spark_cxr.model.drift import measure_drift
from spark_cxr.output import Outcome, Output, absolute, locate
from spark_cxr.pipeline.explanations import explain_paths
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.scorer import open_scorer
from spark_cxr.pipeline.sources import list_files
from spark_cxr.settings import Config, Score
from spark_cxr.verbs.score.arrivals import arrivals, batches
from spark_cxr.verbs.score.batch import ScoringRun, score_batch
from spark_cxr.verbs.score.lease import only_writer
from spark_cxr.verbs.score.results import Totals
from spark_cxr.verbs.score.table import (
    RUNS,
    SCORED,
    WAITING,
    DeltaTable,
    ParquetTable,
    Table,
    known_files,
    sweep,
    write_also,
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
        with only_writer(table, settings.wait):
            sweep(table)
            outputs.sweep(Output(table.table(RUNS)))
            stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
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


def score_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Score what is new, and what arrives while it watches; report what was done."""
    settings = cfg.score
    run = _open(spark, settings, output)
    totals, numbers = Totals(keep=settings.explain), count(1)
    with _stopping() as stop:
        while True:
            _pass(run, totals, numbers, stop)
            if not settings.watch or stop.wait(settings.interval):
                break
    return _outcome(run, cfg, totals, output)


def _pass(run: ScoringRun, totals: Totals, numbers: Iterator[int], stop: threading.Event) -> None:
    """Score what is there now; a stop takes effect between two batches, and none is lost."""
    spark, settings = run.spark, run.settings
    listing = list_files(spark, settings.images)
    known = known_files(spark, run.table)
    if known is not None and settings.rescore:
        known = known.where(F.col("model") == run.model)
    waiting = run.table.read(spark, WAITING)
    totals.passes += 1
    totals.listed = listing.count
    new = arrivals(listing, known, waiting)
    for batch in batches(new, settings.max_files_per_trigger, settings.max_bytes_per_trigger):
        with progress(spark, "scoring", len(batch)):
            files = score_batch(run, batch, next(numbers))
        totals.add(len(batch), files)
        if settings.watch and stop.is_set():
            break
    if run.table.read(spark, SCORED) is None:  # a reader needs the columns, also without rows
        run.table.append(SCORED, [], f"{run.name}-none", datetime.now(UTC))
    if settings.also:
        write_also(_table_of(settings), settings.also, run.scorer.manifest.labels)


def _open(spark: SparkSession, settings: Score, output: Output) -> ScoringRun:
    scorer = open_scorer(
        spark, settings.model, settings.batch_size, settings.device, settings.require_signature
    )
    name, place = PurePosixPath(output.address).name, _table_of(settings)
    table: Table = ParquetTable(place)
    if settings.format == "delta":
        delta = DeltaTable(spark, place)
        delta.make()
        table = delta
    return ScoringRun(spark, settings, scorer, table, name)


def _outcome(run: ScoringRun, cfg: Config, totals: Totals, output: Output) -> Outcome:
    measures = measure_drift(totals.tally, run.scorer.predictor.reference, cfg.drift)
    counts: dict[str, Any] = {
        "table": _table_of(cfg.score).address,
        "model": run.model,
        **totals.counts(measures),
    }
    if totals.keep:
        output.write_text(LEAST_CERTAIN, totals.csv())
        counts["least_certain"] = output.table(LEAST_CERTAIN)
        counts["explained"] = _explain(run, totals, Output(output.table(EXPLAINED)))
    lines = [*totals.lines(measures), *filter(None, [run.scorer.manifest.weights.caveat])]
    return Outcome(counts, "\n".join(lines))


def _explain(run: ScoringRun, totals: Totals, output: Output) -> int:
    """Draw the least certain films with their heat; if that fails the scores stay."""
    paths = [doubt.path for doubt in totals.least_certain()]
    if not paths:
        return 0
    try:
        return explain_paths(run.spark, run.scorer, paths, run.settings.max_bytes, output).n
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
