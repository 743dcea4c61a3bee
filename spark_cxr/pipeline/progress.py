"""A pass over films while Spark works on it: films done, films a second, time left; what it spent.

On one host the workers say how many films they have done. What a cluster tells of its progress are
finished tasks, so there films are counted by their share.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyspark import TaskContext
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from spark_cxr.images.clock import STAGES
from spark_cxr.pipeline.pass_times import PassTimes, configured, driver_peak
from spark_cxr.pipeline.session import all_here, is_connect

LOG = logging.getLogger(__name__)

SPENT = "spent"
"""Column of what a worker has spent since its last row that says so: films, stages, peak."""
SECONDS_BETWEEN_LINES = 4.0
SECONDS_ON_TERMINALS = 1.0
"""Where the line takes the place of the one before it."""
IS_PROGRESS = {"is_progress": True}
"""Mark of such a line for who shows the log."""
IS_STAGE = {"is_stage": True}
"""Mark of a line that names what is going on."""


def stage(what: str) -> None:
    """Say what is going on from now on, until something else is."""
    LOG.info(f"{what} …", extra=IS_STAGE)


class Watch:
    """How far a pass is, and where its time went."""

    def __init__(self, spark: SparkSession, folder: str) -> None:
        """Count in a folder that the workers see; empty: by Spark's tasks."""
        self.folder = folder
        self._spark, self._started = spark, time.monotonic()
        self._observations = list[Observation]()

    def observed(self, rows: DataFrame) -> DataFrame:
        """Take `SPENT` out of rows, and sum it up on the way."""
        if not is_connect(self._spark) or self._spark.version >= "4":
            self._observations.append(Observation())
            sums = [
                F.sum(F.col(SPENT)[place]).alias(name)
                for place, name in enumerate(("films", *STAGES))
            ]
            peak = F.max(F.col(SPENT)[len(sums)]).alias("peak")
            rows = rows.observe(self._observations[-1], *sums, peak)
        return rows.drop(SPENT)

    def forget(self) -> None:
        """Wait for nothing that rows were to say whose action has failed."""
        self._observations.clear()

    def times(self) -> PassTimes:
        """Say what was spent since the last time on rows that have been written or fetched."""
        times = PassTimes()
        for observation in self._observations:
            found = {name: value or 0.0 for name, value in observation.get.items()}
            stages = {name: found[name] for name in STAGES}
            times += PassTimes(int(found["films"]), 0.0, stages, int(found["peak"]))
        self._observations.clear()
        seconds, self._started = time.monotonic() - self._started, time.monotonic()
        peak, memory = driver_peak(self._spark), configured(self._spark)
        return times + PassTimes(0, seconds, {}, 0, peak, memory)


def times_of(spent: Iterable[Sequence[float]], seconds: float) -> PassTimes:
    """Add up what stands in `SPENT`, of a pass that Spark did not see."""
    times = PassTimes(seconds=seconds)
    for films, *stages, peak in spent:
        each = dict(zip(STAGES, stages, strict=True))
        times += PassTimes(int(films), 0.0, each, int(peak))
    return times


class FilmCount:
    """Tells, on a worker, how many films a task has done."""

    def __init__(self, folder: str) -> None:
        """Tell it in a file of its own below a folder; empty: nobody asks."""
        context = TaskContext.get()
        task = context.taskAttemptId() if context else 0
        self._file = Path(folder) / f"{os.getpid()}-{task}" if folder else None
        self._done, self._told = 0, 0.0

    def add(self, films: int) -> None:
        """Count films; the file is written twice a second at most."""
        self._done += films
        if self._file and time.monotonic() - self._told > 0.5:
            self.end()

    def end(self) -> None:
        """Write how many there were."""
        if self._file:
            with suppress(OSError):  # the pass is over, and its folder gone
                self._file.write_text(str(self._done))
            self._told = time.monotonic()


@contextmanager
def progress(spark: SparkSession, what: str, films: int) -> Iterator[Watch]:
    """Log a line every few seconds until the block ends, and one at its end."""
    if all_here(spark) and not is_connect(spark):
        with counted(what, films) as folder:  # tasks say nothing of films: a shuffle has some too
            yield Watch(spark, folder)
        return
    with _watched(spark) as share_done, counted(what, films, share_done):
        yield Watch(spark, "")


@contextmanager
def counted(what: str, films: int, share: Callable[[], float] = lambda: 0.0) -> Iterator[str]:
    """Log the same of workers that count (`FilmCount`) below the folder that this gives.

    Where none does, another share counts.
    """
    started = time.monotonic()
    furthest = 0.0  # a later stage starts at nothing, but no film is done twice
    with TemporaryDirectory(prefix="spark_cxr-") as folder:

        def say() -> None:
            nonlocal furthest
            furthest = min(1.0, max(furthest, _share_here(folder, films) or share()))
            line = progress_line(what, films, furthest, time.monotonic() - started)
            LOG.info(line, extra=IS_PROGRESS)

        with ticking(say, SECONDS_ON_TERMINALS if sys.stderr.isatty() else SECONDS_BETWEEN_LINES):
            yield folder
    LOG.info(progress_line(what, films, 1.0, time.monotonic() - started))


def _share_here(folder: str, films: int) -> float:
    """Add up what the workers of this host have told."""
    done = 0
    for file in Path(folder).iterdir():
        with suppress(OSError, ValueError):  # it is being written
            done += int(file.read_text())
    return done / films if films else 0.0


def progress_line(what: str, films: int, share: float, seconds: float) -> str:
    """Word the state of a job, 0 ≤ share ≤ 1 of it done after some seconds."""
    done = int(films * share)
    rate = done / seconds if seconds > 0 else 0.0
    line = f"{what}: {done:,} of {films:,} images, {rate:,.1f} images/s"
    if 0 < done < films:
        line += f", {_clock((films - done) / rate)} left"
    return line


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def ticking(action: Callable[[], None], seconds: float) -> Iterator[None]:
    """Do something every few seconds, in a thread, until the block ends."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(seconds):
            action()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _watched(spark: SparkSession) -> Iterator[Callable[[], float]]:
    """Give a function that says which share of the tasks so far is done."""
    if not is_connect(spark):
        yield _classic_share(spark)
        return
    latest = {"share": 0.0}

    def note(stages: Any = (), **_: Any) -> None:
        total = sum(stage.num_tasks for stage in stages or ())
        latest["share"] = sum(s.num_completed_tasks for s in stages) / total if total else 0.0

    spark.registerProgressHandler(note)
    try:
        yield lambda: latest["share"]
    finally:
        spark.removeProgressHandler(note)


def _classic_share(spark: SparkSession) -> Callable[[], float]:
    tracker = spark.sparkContext.statusTracker()

    def share() -> float:
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        total = sum(stage.numTasks for stage in stages if stage)
        return sum(s.numCompletedTasks for s in stages if s) / total if total else 0.0

    return share
