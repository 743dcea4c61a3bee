"""Read and score few films in one process beside this one: Spark takes longer to start than they.

It is a process of its own so that a film that ends its reader ends that one, as it would a worker
of Spark, and not the run.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

import pyarrow as pa

from spark_cxr.model.model import Model
from spark_cxr.pipeline.film_pass import arrow_schema, on_batches
from spark_cxr.pipeline.pass_times import PassTimes
from spark_cxr.pipeline.progress import SPENT, counted, times_of
from spark_cxr.pipeline.scorer import SCORED_FILES, ScoredFile, scored_file, scoring_pass
from spark_cxr.pipeline.session import RUNTIME
from spark_cxr.schemas import FILES
from spark_cxr.settings import Score
from spark_cxr.verbs.score.arrivals import Arrival
from spark_cxr.verbs.score.reading import WorkerDeath

MOST_FILES, MOST_BYTES = 100, 2**27
"""Beyond these Spark's workers side by side are sooner done."""
FILES_AT_ONCE = int(RUNTIME["spark.sql.execution.arrow.maxRecordsPerBatch"])


def are_few(files: Sequence[Arrival]) -> bool:
    """Tell whether one process is sooner done with them than Spark."""
    return len(files) <= MOST_FILES and sum(file.bytes for file in files) <= MOST_BYTES


class OneProcess:
    """The process, started when it is first asked, and anew after it has ended."""

    def __init__(self, scorer: Model, settings: Score, note: Callable[[PassTimes], None]) -> None:
        self._scorer, self._reduces, self._note = scorer, settings.reduce == "auto", note
        self._pool: ProcessPoolExecutor | None = None

    def look(self, files: Sequence[Arrival]) -> list[ScoredFile]:
        """Read and score files, and note what that took; those that cannot be read are missing.

        Raises:
            WorkerDeath: the process has ended.
        """
        started = time.monotonic()
        listed = [
            {"path": f.path, "modified": f.modified, "bytes": f.bytes, "content": None}
            for f in files
        ]
        table = pa.Table.from_pylist(listed, arrow_schema(FILES.replace("timestamp", "bigint")))
        known = {file.path: tuple(file.models) for file in files if file.models}
        with counted("scoring", len(files)) as folder:
            asked = (self._scorer, table, known, self._reduces, folder)
            try:
                rows = self._processes().submit(_rows, *asked).result()
            except BrokenProcessPool as error:
                self.close()
                raise WorkerDeath from error
        spent = [row.pop(SPENT) for row in rows]
        self._note(times_of(filter(None, spent), time.monotonic() - started))
        return [scored_file(row) for row in rows]

    def _processes(self) -> ProcessPoolExecutor:
        if self._pool is None:
            fresh = get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=fresh, initializer=_start)
        return self._pool

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None


# In the process


def _start() -> None:
    """Leave Ctrl-C to the run, which ends after its batch, and end where the run was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_run, daemon=True).start()


def _end_with_the_run() -> None:
    if run := parent_process():
        run.join()
        os._exit(1)


def _rows(
    model: Model,
    files: pa.Table,
    known: dict[str, tuple[str, ...]],
    reduces: bool,
    folder: str,
) -> list[dict[str, Any]]:
    """Do what Spark's workers do, over batches such as they get."""
    ddl = f"{SCORED_FILES}, {SPENT} array<double>"
    score = on_batches(lambda: scoring_pass(model, known, reduces), ddl, folder)
    batches = files.to_batches(max_chunksize=FILES_AT_ONCE)
    rows = [row for batch in score(iter(batches)) for row in batch.to_pylist()]
    maps = ("probabilities", "verdicts")  # Arrow gives them as pairs
    return [{**row, **{name: dict(row[name] or ()) for name in maps}} for row in rows]
