"""One run of the job score: look what is new, score it batch by batch; again while it watches."""

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
from spark_cxr.verbs.score.batch import Scene, score_batch
from spark_cxr.verbs.score.copies import write_also
from spark_cxr.verbs.score.delta import DeltaTable
from spark_cxr.verbs.score.lease import only_writer
from spark_cxr.verbs.score.table import (
    RUNS,
    SCORED,
    WAITING,
    ParquetTable,
    Table,
    known_files,
    sweep,
)
from spark_cxr.verbs.score.totals import Totals

LOG = logging.getLogger(__name__)

LEAST_CERTAIN = "least_certain.csv"
EXPLAINED = "explained"
"""Directory beside it: overlays and maps of these films."""


@contextmanager
def open_run(cfg: Config) -> Iterator[Output]:
    """Claim the table for this run, and give the directory of the run's record in it."""
    settings = cfg.score
    check_asked(settings)
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
        way_out = "Mend its rights or choose another"
        raise OutputError("a --table that can be written", received, way_out) from None


def check_asked(settings: Score) -> None:
    """Refuse a run without a model or a table."""
    for flag, given in (("model", settings.model), ("table", settings.table)):
        if not given:
            raise ConfigError(f"--{flag} DIR", "none", f"Say --{flag} DIR")


def score_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Score what is new, and what comes while it watches; say what was done."""
    settings = cfg.score
    scene = _scene(spark, settings, output)
    totals, numbers = Totals(keep=settings.explain), count(1)
    with _stopping() as stop:
        while True:
            _pass(scene, totals, numbers, stop)
            if not settings.watch or stop.wait(settings.interval):
                break
    return _outcome(scene, cfg, totals, output)


def _pass(scene: Scene, totals: Totals, numbers: Iterator[int], stop: threading.Event) -> None:
    """Score what is there now; a stop is heeded between two batches, of which none is lost."""
    spark, settings = scene.spark, scene.settings
    listing = list_files(spark, settings.images)
    known = known_files(spark, scene.table)
    if known is not None and settings.rescore:
        known = known.where(F.col("model") == scene.model)
    waiting = scene.table.read(spark, WAITING)
    totals.passes += 1
    totals.listed = listing.count
    new = arrivals(listing, known, waiting)
    for batch in batches(new, settings.max_files_per_trigger, settings.max_bytes_per_trigger):
        with progress(spark, "scoring", len(batch)):
            parted = score_batch(scene, batch, next(numbers))
        totals.add(len(batch), parted)
        if settings.watch and stop.is_set():
            break
    _keep_readable(scene)
    if settings.also:
        write_also(_table_of(settings), settings.also, scene.scorer.manifest.labels)


def _keep_readable(scene: Scene) -> None:
    """Leave a file without rows where nothing was scored: a reader wants to know the columns."""
    if scene.table.read(scene.spark, SCORED) is None:
        scene.table.append(SCORED, [], f"{scene.run}-none", datetime.now(UTC))


def _scene(spark: SparkSession, settings: Score, output: Output) -> Scene:
    scorer = open_scorer(spark, settings.model, settings.batch_size, settings.device)
    run, place = PurePosixPath(output.address).name, _table_of(settings)
    table: Table = ParquetTable(place)
    if settings.format == "delta":
        delta = DeltaTable(spark, place)
        delta.make()
        table = delta
    return Scene(spark, settings, scorer, table, run)


def _outcome(scene: Scene, cfg: Config, totals: Totals, output: Output) -> Outcome:
    measures = measure_drift(totals.tally, scene.scorer.predictor.reference, cfg.drift)
    counts: dict[str, Any] = {
        "table": _table_of(cfg.score).address,
        "model": scene.model,
        **totals.counts(measures),
    }
    if totals.keep:
        output.write_text(LEAST_CERTAIN, totals.csv())
        counts["least_certain"] = output.table(LEAST_CERTAIN)
        counts["explained"] = _explain(scene, totals, Output(output.table(EXPLAINED)))
    lines = [*totals.lines(measures), *filter(None, [scene.scorer.manifest.weights.caveat])]
    return Outcome(counts, "\n".join(lines))


def _explain(scene: Scene, totals: Totals, output: Output) -> int:
    """Draw the least certain films with their heat; what was scored stays scored if that fails."""
    paths = [doubt.path for doubt in totals.least_certain()]
    if not paths:
        return 0
    try:
        return explain_paths(scene.spark, scene.scorer, paths, scene.settings.max_bytes, output).n
    except SparkCxrError as error:
        LOG.warning(f"score: the least certain films are not explained: {error}")
        return 0


def _table_of(settings: Score) -> Output:
    return Output(absolute(settings.table).rstrip("/"))


def _check_ours(table: Output) -> None:
    """Refuse a directory that holds something else: it would be no table that anybody can read."""
    store, root = locate(table.address)
    found = store.get_file_info(fs.FileSelector(root, allow_not_found=True))
    names = {entry.base_name for entry in found}
    if found and not any(name.startswith("_") for name in names):
        received, way_out = f"--table={table.address} with {min(names)}", "Choose another"
        raise OutputError("a --table that is new, empty or of this job", received, way_out)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turn SIGTERM and Ctrl-C into a wish to end, until the block does."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, _: Any) -> None:
        LOG.info("score: ends after this batch")
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
