"""Predictions of several test sets that are folds of one: measured together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from spark_cxr.errors import InputError
from spark_cxr.metrics import Metrics, measure


def joined(runs: Sequence[Path]) -> Metrics:
    """Measure all films of the folds, each tested once; groups are resampled, as everywhere.

    Raises:
        InputError: A film was tested twice, so these are no folds.
    """
    from pyarrow import parquet

    wanted = ["path", "label", "group_id", "probabilities"]
    tables = [parquet.read_table(run / "predictions", columns=wanted) for run in runs]
    rows = sorted((row for table in tables for row in table.to_pylist()), key=lambda r: r["path"])
    paths = [row["path"] for row in rows]
    if len(set(paths)) < len(paths):
        twice = next(one for one, other in pairwise(paths) if one == other)
        raise InputError("each film in one fold", f"{twice} in two", "Make the folds anew")
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(row["group_id"], row["path"])
    shares = [dict(row["probabilities"]) for row in rows]
    labels = sorted(shares[0])
    return measure(
        [row["label"] for row in rows],
        [[each[label] for label in labels] for each in shares],
        labels,
        [first[row["group_id"]] for row in rows],
    )
