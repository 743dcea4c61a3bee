"""The predictions once more as CSV or JSON lines: made from the committed files, one for one."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq
from pyarrow import fs

from spark_cxr.output import Output, locate
from spark_cxr.verbs.score.table import committed


def write_also(table: Output, suffix: str, labels: Sequence[str]) -> None:
    """Copy every committed file that has no copy yet, those of an earlier, killed run included.

    Args:
        table: Where the committed files are.
        suffix: csv or jsonl.
        labels: Columns of probabilities that a CSV gets if no film in it has any.
    """
    beside = Output(table.table(f"_{suffix}"))
    store, root = locate(beside.address)
    there = store.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    done = {entry.path[len(root) :].lstrip("/") for entry in there}
    for name in committed(table):
        copy = f"{name.removesuffix('.parquet')}.{suffix}"
        if copy not in done:
            rows = _read(table, name)
            beside.write_text(copy, _csv(rows, labels) if suffix == "csv" else _lines(rows))


def _read(table: Output, name: str) -> list[dict[str, Any]]:
    store, root = locate(table.address)
    rows = pq.ParquetFile(f"{root}/{name}", filesystem=store).read().to_pylist()
    return [{**row, "probabilities": dict(row["probabilities"])} for row in rows]


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(_plain(row), ensure_ascii=False)}\n" for row in rows)


def _csv(rows: list[dict[str, Any]], labels: Sequence[str]) -> str:
    """Write a column for each label; several flags stand in one column with spaces between."""
    import csv

    text = io.StringIO()
    named = list(dict.fromkeys(label for row in rows for label in row["probabilities"]))
    flat = [_flat(row, named or labels) for row in rows]
    writer = csv.DictWriter(text, list(flat[0]) if flat else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _flat(row: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    plain = _plain(row)
    found = plain.pop("probabilities")
    shares = {f"probability_{label}": found.get(label) for label in labels}
    return {**plain, "flags": " ".join(plain["flags"]), **shares}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: row[name].isoformat() for name in ("modified", "scored_at")}
    return {**row, **times}
