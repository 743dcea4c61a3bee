"""Read and score the files of a batch: all at once, and in halves where one ends its worker.

A decoder that crashes, or takes all memory, takes the Python worker with it, and Spark gives up the
batch with all its films. In halves, and halves of these, the films beside it are scored, and only
the one that ends its worker twice when it is read alone is set aside.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from spark_cxr.model.model import Model
from spark_cxr.pipeline.folders import FoundFile
from spark_cxr.pipeline.pass_times import PassTimes
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.readers import SPARK, WORKER, choose_reader, read_listed
from spark_cxr.pipeline.scorer import ScoredFile, look_at
from spark_cxr.pipeline.session import DEATH, SPARK_ERRORS
from spark_cxr.pipeline.sources import is_there
from spark_cxr.settings import Score
from spark_cxr.verbs.score.arrivals import Arrival

LOG = logging.getLogger(__name__)

Look = Callable[[Sequence[Arrival]], list[ScoredFile]]
"""Reads files and scores them; those that it cannot read are missing."""
MOST_DEATHS = 8
"""Files that end their worker while none can be read: then it is not the files."""


class WorkerDeath(Exception):
    """A worker has ended while it read these files."""


class FilesVanished(Exception):
    """Some of these files are no longer there."""


def spark_reader(
    spark: SparkSession, scorer: Model, settings: Score, note: Callable[[PassTimes], None]
) -> Look:
    """Make the function that reads and scores files on Spark's workers, and notes what it spent."""

    def look(files: Sequence[Arrival]) -> list[ScoredFile]:
        known = {file.path: tuple(file.models) for file in files if file.models}
        listed = [FoundFile(file.path, file.modified, file.bytes) for file in files]
        try:
            with progress(spark, "scoring", len(files)) as watch:
                reduces = settings.reduce == "auto"
                found = _scored(
                    *(spark, listed, settings.read),
                    lambda files: look_at(files, scorer, known, reduces, watch),
                )
                note(watch.times())
            return found
        except AnalysisException as error:
            if "PATH_NOT_FOUND" in str(error):
                raise FilesVanished from error
            raise
        except SPARK_ERRORS as error:
            if DEATH.search(str(error)):
                raise WorkerDeath from error
            raise

    return look


def _scored(
    spark: SparkSession,
    files: Sequence[FoundFile],
    read: str,
    score: Callable[[DataFrame], list[ScoredFile]],
) -> list[ScoredFile]:
    """Score files; what is there and a worker cannot open, Spark tries."""
    reader = choose_reader(spark, read, files)
    found = score(read_listed(spark, files, reader))
    if reader == WORKER and len(found) < len(files):
        paths = {file.path for file in found}
        lost = [file for file in files if file.path not in paths and is_there(file.path)]
        if lost:
            found += score(read_listed(spark, lost, SPARK))
    return found


def look_in_halves(look: Look, files: Sequence[Arrival]) -> list[ScoredFile]:
    """Read and score files; what vanishes is missing, what ends its worker has a row that says so.

    Larger parts come before smaller ones, so that good films are found before it is decided that
    nothing can be read.

    Raises:
        WorkerDeath: Whatever is read ends its worker.
    """
    found, ended, deaths = list[ScoredFile](), list[ScoredFile](), Counter[str]()
    parts = deque([list(files)] if files else [])
    while parts:
        part = parts.popleft()
        try:
            found += look(part)
            continue
        except FilesVanished:
            there = [file for file in part if is_there(file.path)]
            if there and len(there) < len(part):
                parts.append(there)
            if len(there) < max(len(part), 2):
                continue
        except WorkerDeath:
            LOG.warning(f"score: a worker has ended while it read {len(part):,} files")
            if len(part) == 1:
                deaths[part[0].path] += 1
                if deaths[part[0].path] < 2:
                    parts.append(part)
                    continue
                ended.append(_ended(part[0]))
                if len(ended) > MOST_DEATHS and not found:
                    raise
                continue
        middle = len(part) // 2
        parts.extend((part[:middle], part[middle:]))
    return found + ended


def _ended(file: Arrival) -> ScoredFile:
    detail = "read alone, it ended its Python worker twice"
    return ScoredFile(
        file.path, file.bytes, None, file.modified, reason="ended_its_reader", detail=detail
    )
