"""Say while Spark works how far it is: images done, images a second, time left.

What Spark tells of its progress are finished tasks, so images are counted by their share.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr.pipeline.session import is_connect

LOG = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 2.0


@contextmanager
def progress(spark: SparkSession, what: str, images: int) -> Iterator[None]:
    """Log a line about every two seconds until the block ends, and one at its end."""
    started = time.monotonic()
    furthest = 0.0  # a later stage starts at nothing, but no image is done twice

    def say(share: float) -> None:
        nonlocal furthest
        furthest = max(furthest, share)
        if furthest > 0:
            LOG.info(progress_line(what, images, furthest, time.monotonic() - started))

    with _watched(spark) as share_done, ticking(lambda: say(share_done()), SECONDS_BETWEEN_LINES):
        yield
    LOG.info(progress_line(what, images, 1.0, time.monotonic() - started))


def progress_line(what: str, images: int, share: float, seconds: float) -> str:
    """Word the state of a job, 0 ≤ share ≤ 1 of it done after some seconds."""
    done = int(images * share)
    rate = done / seconds if seconds > 0 else 0.0
    line = f"{what}: {done:,} of {images:,} images, {rate:,.1f} images/s"
    if 0 < done < images:
        line += f", {_clock((images - done) / rate)} left"
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
    tracker = spark.sparkContext.statusTracker()  # the one use of sparkContext: Connect has its own

    def share() -> float:
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        total = sum(stage.numTasks for stage in stages if stage)
        return sum(s.numCompletedTasks for s in stages if s) / total if total else 0.0

    return share
