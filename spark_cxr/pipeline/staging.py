"""Tables on the way: written, read back, and removed when the step is done.

Only who runs the job can read them: what stands in them is not finished, also not as to what may
be known of a patient.

Each is computed once, whatever reads it, and does not stay in memory, unless it is of few films: to
write and read a small table takes Spark longer than to fill it. It also cuts the plan: what
comes after is planned from a table, not from all that led there, and Spark plans for half a minute
where a dozen joins lie on a dozen joins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from spark_cxr.output import STEP, Output

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Keep = Callable[["DataFrame"], "DataFrame"]
"""Gives the same table, ready to be read several times."""


@contextmanager
def staged(output: Output, are_few: bool = False) -> Iterator[Keep]:
    """Keep tables below a directory until the block ends; readers leave names with _ aside.

    Those of few films stay in the memory of the executors.
    """
    names, held = list[str](), list["DataFrame"]()

    def keep(table: DataFrame) -> DataFrame:
        if are_few:
            held.append(table.persist())
            held[-1].count()
            return held[-1]
        names.append(f"{STEP}{uuid4().hex[:12]}")
        output.make_private(names[-1])
        # Below it, because Spark makes the folder of a table anew, with rights of its own.
        place = f"{names[-1]}/rows"
        output.write_table(table, place)
        return table.sparkSession.read.schema(table.schema).parquet(output.table(place))

    try:
        yield keep
    finally:
        for table in held:
            table.unpersist()
        for name in names:
            output.remove(name)
