"""What stands in a table of predictions."""

from pathlib import Path

import pyarrow.parquet as pq


def rows(table, kind=""):
    """Read a table as anybody would: with pyarrow."""
    place = Path(table) / kind if kind else Path(table)
    return pq.read_table(place).to_pylist() if place.is_dir() else []


def names(table, kind=""):
    return sorted(row["path"].rsplit("/", 1)[-1] for row in rows(table, kind))


def told(table):
    """Give all rows without the times at which they were made, in an order of their own."""
    kept = [
        {k: v for k, v in r.items() if k not in ("scored_at", "scored_on")} for r in rows(table)
    ]
    return sorted(kept, key=lambda row: (row["path"], row["sha256"], row["model"]))
