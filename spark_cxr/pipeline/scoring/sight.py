"""What the workers do with a batch of files: decode, network, head, in one pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.featurize import Shown, Vector, stream
from spark_cxr.errors import BadImage
from spark_cxr.model.judge import Judge, Picture, Prediction, judge_stream, show
from spark_cxr.pipeline.arrow import arrow_schema
from spark_cxr.pipeline.look import File
from spark_cxr.pipeline.networks import Ready, on_this_worker
from spark_cxr.pipeline.scoring.scorer import Scorer
from spark_cxr.schemas import FILES, columns

Batches = Iterator[pa.RecordBatch]
Row = dict[str, Any]

SIGHTED = (
    "path string, sha256 string, modified bigint, bytes bigint, prediction string, "
    "confidence double, probabilities map<string,double>, "
    "training_distance double, flags array<string>, "
    "reason string, detail string, is_same boolean"
)
"""One row a file; `modified` in microseconds, which no time zone can bend on the way."""


@dataclass(frozen=True)
class Sighted:
    """What was seen of one file: a prediction, a reason, or a content that was scored before."""

    path: str
    bytes: int
    sha256: str | None = None
    modified: int | None = None
    """Microseconds since 1970."""
    prediction: str | None = None
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    training_distance: float = 0.0
    flags: tuple[str, ...] = ()
    reason: str | None = None
    detail: str | None = None
    is_same: bool = False


@dataclass(frozen=True)
class Sight:
    """What the workers have to know."""

    ready: Ready
    judge: Judge
    known: Mapping[str, tuple[str, ...]]
    """Digests under which files of this batch were scored before, by path."""


def sighted(files: DataFrame, sight: Sight) -> list[Sighted]:
    """Look at files (`schemas.FILES`), and bring a row for each to the driver: they are a batch."""
    named = files.withColumn("modified", F.unix_micros("modified")).select(*columns(FILES))
    rows = named.mapInArrow(sighter(sight), SIGHTED).collect()
    return [_seen(row.asDict()) for row in rows]


def _seen(row: Row) -> Sighted:
    return Sighted(**{name: value for name, value in row.items() if value is not None})


def sighter(sight: Sight) -> Callable[[Batches], Batches]:
    """Make the function that the workers run over their files."""

    def see(batches: Batches) -> Batches:
        network, schema = on_this_worker(sight.ready), arrow_schema(SIGHTED)
        size_hw = network.size_hw
        parts = ([File(batch, i) for i in range(batch.num_rows)] for batch in batches)

        def look(file: File) -> Shown[Row]:
            return look_at(file, sight, size_hw)

        for seen in stream(parts, look, network, lambda file: file.weight):
            rows = [_judged(note, vector, sight.judge) for note, vector in seen]
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return see


def judged(batches: Iterator[pd.Series], scorer: Scorer) -> Iterator[list[Prediction]]:
    """Judge the batches of a column of encoded images; runs on the workers."""
    recipe = on_this_worker(scorer.ready)
    return judge_stream((list(each) for each in batches), recipe, scorer.judge)


def look_at(file: File, sight: Sight, size_hw: tuple[int, int]) -> Shown[Row]:
    """Decode a file; one that is bad, still growing, or known by its content has no pixels."""
    row, content = file.row(), file.bytes()
    row["sha256"] = hashlib.sha256(content).hexdigest()
    if len(content) != row["bytes"]:
        detail = f"{row['bytes']} bytes when it was listed, {len(content)} when it was read"
        return Shown({**row, "reason": "truncated", "detail": detail})
    if row["sha256"] in sight.known.get(row["path"], ()):
        return Shown({**row, "is_same": True})
    shown = show(content, size_hw, sight.ready.recipe.limits)
    if isinstance(shown.note, BadImage):
        return Shown({**row, "reason": shown.note.reason, "detail": shown.note.detail})
    return Shown({**row, "picture": shown.note}, shown.pixels)


def _judged(row: Row, vector: Vector | None, judge: Judge) -> Row:
    picture: Picture | None = row.pop("picture", None)
    row.setdefault("is_same", False)
    return row if vector is None else row | said_of(judge.judge(vector, picture))


def said_of(told: Prediction) -> Row:
    """Give a prediction as columns; those of the class are null or empty where none is named."""
    return {
        "prediction": told.label or None,
        "confidence": told.confidence,
        "probabilities": dict(told.probabilities),
        "training_distance": told.distance,
        "flags": list(told.flags),
    }
