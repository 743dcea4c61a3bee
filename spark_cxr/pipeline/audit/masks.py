"""Masks of lungs → a few numbers a film, which go to the films as a small table."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import BadImage
from spark_cxr.images.altered import Box, lung_boxes
from spark_cxr.images.decode import decode
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.files import read_files
from spark_cxr.schemas import CONTENT, PATH
from spark_cxr.settings import Config

FOLDER = "_masks"
"""Where phantoms have them: Spark takes nothing below for a film."""
BOXES = "boxes"
"""Four numbers for each lung: top, bottom, left, right, as shares of the film."""
BOXED = f"{PATH} string, {BOXES} array<double>"


def with_boxes(spark: SparkSession, cfg: Config, films: DataFrame) -> DataFrame:
    """Add `boxes`: where the lungs are, null where no mask tells.

    A mask belongs to the film of the same folder and name without suffix, else to the only mask
    of that name.
    """
    folders = mask_folders(cfg)
    if not folders:
        return films.withColumn(BOXES, F.lit(None).cast("array<double>"))
    files = read_files(spark, folders, cfg.ingest.max_bytes)
    boxed = files.select(PATH, CONTENT).mapInArrow(_box, BOXED).where(F.size(BOXES) > 0)
    near, name = _keys()
    close = boxed.select(near.alias("near"), F.col(BOXES).alias("boxes_near"))
    alone = boxed.groupBy(name.alias("name")).agg(
        F.first(BOXES).alias("boxes_alone"), F.count(F.lit(1)).alias("n")
    )
    alone = alone.where(F.col("n") == 1).drop("n")
    close = close.groupBy("near").agg(F.first("boxes_near").alias("boxes_near"))
    keyed = films.withColumns({"near": near, "name": name})
    keyed = keyed.join(F.broadcast(close), on="near", how="left")
    keyed = keyed.join(F.broadcast(alone), on="name", how="left")
    boxes = F.coalesce("boxes_near", "boxes_alone").alias(BOXES)
    return keyed.select(*films.columns, boxes)


def mask_folders(cfg: Config) -> tuple[str, ...]:
    """Find the folders of masks: the one that was named, or those beside the films."""
    if cfg.audit.lung_masks:
        return (cfg.audit.lung_masks,)
    roots = (absolute(image).rstrip("/") for image in cfg.ingest.images)
    return tuple(f"{root}/{FOLDER}" for root in roots if _is_folder(f"{root}/{FOLDER}"))


def unpacked(numbers: list[float] | None) -> tuple[Box, ...]:
    """Read boxes back from the column."""
    said = numbers or []
    return tuple(Box(*said[start : start + 4]) for start in range(0, len(said), 4))


def _is_folder(address: str) -> bool:
    if any(sign in address for sign in "*?[{"):
        return False
    store, path = locate(address)
    return bool(store.get_file_info(path).type.name == "Directory")


def _keys() -> tuple[Column, Column]:
    """Give folder and name, and name alone, both without suffix."""
    parts = F.split(F.regexp_replace(F.col(PATH), r"\.[^./]+$", ""), "/")
    return F.array_join(F.slice(parts, -2, 2), "/"), F.element_at(parts, -1)


def _box(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        boxes = [_numbers(content.as_py()) for content in batch[CONTENT]]
        arrays = [batch[PATH].cast(pa.string()), pa.array(boxes, pa.list_(pa.float64()))]
        yield pa.RecordBatch.from_arrays(arrays, names=[PATH, BOXES])


def _numbers(content: bytes) -> list[float]:
    try:
        found = lung_boxes(decode(content).pixels)
    except BadImage:
        return []
    return [share for box in found for share in (box.top, box.bottom, box.left, box.right)]
