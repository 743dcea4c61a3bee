"""Connected components: what hangs together through pairs, however long the chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

COMPONENTS = "member string, component string"


def components(pairs: DataFrame, one: str, other: str) -> DataFrame:
    """Name each member of a pair by the smallest member that it hangs together with.

    One task does it, not the driver: its memory grows with the members of pairs (about 250 bytes
    each, so a million fit into any executor) and its time in proportion to the pairs. Rounds of
    joins would shuffle all of them several times for tables that are small.
    """
    chosen = pairs.select(one, other).repartition(1)
    return chosen.mapInArrow(_joined_batches, COMPONENTS)


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Map each member of a pair to the smallest member of its component."""
    parent: dict[str, str] = {}
    for one, other in pairs:
        a, b = _root(parent, one), _root(parent, other)
        # The smallest stays on top, so that neither order nor direction of the pairs matters.
        parent[max(a, b)] = min(a, b)
    return {member: _root(parent, member) for member in parent}


def _root(parent: dict[str, str], member: str) -> str:
    root = member
    while parent.setdefault(root, root) != root:
        root = parent[root]
    while parent[member] != root:
        parent[member], member = root, parent[member]
    return root


def _joined_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    pairs = (
        pair
        for batch in batches
        for pair in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
    )
    found = joined(pairs)
    columns = [pa.array(found.keys(), pa.string()), pa.array(found.values(), pa.string())]
    yield pa.RecordBatch.from_arrays(columns, names=["member", "component"])
