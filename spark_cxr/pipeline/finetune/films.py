"""Films as the network will see them, decoded and resized once: a Parquet cache for all epochs.

Its rows lie in the order of a hash of what they are, in as many files as they have bytes, so that
neither the order of the folders nor the number of cores decides which films a batch has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import BadImage, InputError
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits, Pixels
from spark_cxr.images.prepare import grey, resize
from spark_cxr.output import Output
from spark_cxr.pipeline.arrow import arrow_schema
from spark_cxr.pipeline.files import read_files
from spark_cxr.pipeline.finetune.learners import SIDE, TARGET, TRAIN, VAL
from spark_cxr.pipeline.ingest import dataset_of
from spark_cxr.pipeline.progress import progress
from spark_cxr.schemas import CONTENT, PATH, SHA256
from spark_cxr.settings import Ingest
from spark_cxr.training.cache import CachedFilms, open_cache

FILMS = "films"
CACHED = "path string, sha256 string, target int, side string, shape array<int>, pixels binary"
"""One row a film: (height, width) grey levels, the number of its class, and its side."""
PART_BYTES = 2**26
GROUP_BYTES = 2**21
"""Of a row group, which is the least that can be read: 40 films of 224 pixels."""
QUICK_TO_READ = {
    "compression": "none",
    "parquet.enable.dictionary": "false",
    "parquet.block.size": GROUP_BYTES,
    "parquet.page.size.row.check.min": 1,
    "parquet.page.size.row.check.max": 16,
}
"""Films are read again in each epoch; pixels hardly get smaller, and no two rows are the same."""
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Films:
    """The cache, side by side."""

    train: CachedFilms
    val: CachedFilms


def cached_films(
    spark: SparkSession,
    settings: Ingest,
    learners: DataFrame,
    size_hw: tuple[int, int],
    output: Output,
) -> Films:
    """Let the executors decode and resize the films that learn, or take what they did before.

    Args:
        spark: The session.
        settings: Where the files are.
        learners: path, sha256, target and side.
        size_hw: What the network takes.
        output: Receives the table `films/`.
    """
    if output.read_bytes(f"{FILMS}/_SUCCESS") is None:
        _write(spark, settings, learners, size_hw, output)
    return Films(*(open_cache(output.table(f"{FILMS}/{SIDE}={side}")) for side in (TRAIN, VAL)))


def _write(
    spark: SparkSession,
    settings: Ingest,
    learners: DataFrame,
    size_hw: tuple[int, int],
    output: Output,
) -> None:
    count = learners.count()
    files = read_files(spark, settings.images, settings.max_bytes, dataset_of(settings).leave_out)
    wanted = files.join(F.broadcast(learners), on=PATH, how="inner")
    limits = Limits(max_pixels=settings.max_pixels, min_side=settings.min_side)
    parts = max(1, round(count * size_hw[0] * size_hw[1] / PART_BYTES))
    names = (PATH, SHA256, TARGET, SIDE, CONTENT)
    shown = wanted.select(*names).mapInArrow(_shrinker(limits, size_hw), CACHED)
    lot = F.xxhash64(SHA256)
    lots = shown.repartition(parts, SHA256).sortWithinPartitions(SIDE, lot, PATH)
    with progress(spark, "decoding films", count):
        writer = lots.write.mode("overwrite").options(**QUICK_TO_READ).partitionBy(SIDE)
        writer.parquet(output.table(FILMS))
    if (found := spark.read.parquet(output.table(FILMS)).count()) != count:
        output.remove(FILMS)
        way_out = "Some are gone or have changed: begin anew with --overwrite"
        raise InputError(f"the {count:,} films that were ingested", f"{found:,}", way_out)


def _shrinker(limits: Limits, size_hw: tuple[int, int]) -> Callable[[Batches], Batches]:
    """Make the function that the workers run over their files."""

    def shrink(batches: Batches) -> Batches:
        schema = arrow_schema(CACHED)
        for batch in batches:
            rows = (_shrunk(row, limits, size_hw) for row in _rows(batch))
            yield pa.RecordBatch.from_pylist([row for row in rows if row], schema=schema)

    return shrink


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Give rows one by one, so that no more than one file is held twice."""
    for index in range(batch.num_rows):
        yield {name: batch[name][index].as_py() for name in batch.schema.names}


def _shrunk(row: dict[str, Any], limits: Limits, size_hw: tuple[int, int]) -> dict[str, Any] | None:
    """Decode and resize a film; None where it is not the one that was ingested."""
    content = row.pop(CONTENT)
    if hashlib.sha256(content).hexdigest() != row[SHA256]:
        return None
    try:
        film = as_grey(resize(decode(content, limits).pixels, size_hw))
    except BadImage:
        return None
    return {**row, "shape": list(size_hw), "pixels": film.tobytes()}


def as_grey(pixels: Pixels) -> Pixels:
    """Give a film's grey levels, in rows."""
    return np.ascontiguousarray(pixels if pixels.ndim == 2 else grey(pixels))
