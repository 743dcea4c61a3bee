"""Tables on the way: written, read back, and removed when the step is done.

Each is computed once, whatever reads it, and does not stay in memory. It also cuts the plan: what
comes after is planned from a table, not from all that led there, and Spark plans for half a minute
where a dozen joins lie on a dozen joins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from pyspark.sql import DataFrame

from spark_cxr.output import Output

STEP = "_step_"
Keep = Callable[[DataFrame], DataFrame]
"""Gives the same table, ready to be read several times."""


@contextmanager
def staged(output: Output) -> Iterator[Keep]:
    """Keep tables below a directory until the block ends; readers leave names with _ aside."""
    names: list[str] = []

    def keep(table: DataFrame) -> DataFrame:
        names.append(f"{STEP}{uuid4().hex[:12]}")
        output.write_table(table, names[-1])
        return table.sparkSession.read.schema(table.schema).parquet(output.table(names[-1]))

    try:
        yield keep
    finally:
        for name in names:
            output.remove(name)


def sweep(output: Output) -> None:
    """Remove what a run that was killed has left of its steps."""
    for name in output.names():
        if name.startswith(STEP):
            output.remove(name)
