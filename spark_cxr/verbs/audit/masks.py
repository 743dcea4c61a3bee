"""Masks of lungs → a few numbers for each film, joined to the films as a small table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.images import regions
from spark_cxr.images.altered import Box, lung_boxes
from spark_cxr.images.film import Film, Pixels
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, opener
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.sources import read_files
from spark_cxr.schemas import CONTENT, PATH
from spark_cxr.settings import Config

FOLDER = "_masks"
"""Where phantoms have them: Spark takes nothing below for a film."""
BOXES = "boxes"
"""Four numbers for each lung: top, bottom, left, right, as shares of the film."""
LUNGS = "lungs"
"""A bit for each of `regions.SIDE` x `regions.SIDE` cells of the film."""
_Reading = Callable[[Pixels], Any]


def with_boxes(spark: SparkSession, cfg: Config, films: DataFrame) -> DataFrame:
    """Add `boxes`: where the lungs are, null where no mask tells."""
    return _with_told(spark, cfg, films, (BOXES, "array<double>"), _numbers)


def with_lungs(spark: SparkSession, cfg: Config, films: DataFrame) -> DataFrame:
    """Add `lungs`: the mask itself on few cells, null where there is none."""
    return _with_told(spark, cfg, films, (LUNGS, "binary"), _cells)


def _with_told(
    spark: SparkSession,
    cfg: Config,
    films: DataFrame,
    column: tuple[str, str],
    reading: _Reading,
) -> DataFrame:
    """Add what masks say of their films.

    A mask belongs to the film of the same folder and name without suffix, else to the only mask
    of that name.
    """
    told, kind = column
    folders = mask_folders(cfg)
    if not folders:
        return films.withColumn(told, F.lit(None).cast(kind))
    files = read_files(spark, folders, cfg.ingest.max_bytes).select(PATH, CONTENT)
    read = over_films(files, lambda: _mask_pass(told, reading), f"{PATH} string, {told} {kind}")
    near, name = _keys()
    close = read.select(near.alias("near"), F.col(told).alias("told_near"))
    alone = read.groupBy(name.alias("name")).agg(
        F.first(told).alias("told_alone"), F.count(F.lit(1)).alias("n")
    )
    alone = alone.where(F.col("n") == 1).drop("n")
    close = close.groupBy("near").agg(F.first("told_near").alias("told_near"))
    keyed = films.withColumns({"near": near, "name": name})
    keyed = keyed.join(F.broadcast(close), on="near", how="left")
    keyed = keyed.join(F.broadcast(alone), on="name", how="left")
    return keyed.select(*films.columns, F.coalesce("told_near", "told_alone").alias(told))


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


def _mask_pass(column: str, reading: _Reading) -> TablePass:
    """Make the pass over masks; one that says nothing, or is no image, gives no row."""

    def look(file: TableFile, _: Content, mask: Film) -> FilmViews[dict[str, Any] | None]:
        said = reading(mask.pixels)
        return FilmViews(None if said is None else {PATH: file[PATH], column: said})

    return FilmPass(opener(look, lambda *_: None), lambda said, _: said)


def _numbers(mask: Pixels) -> list[float] | None:
    found = lung_boxes(mask)
    return [share for box in found for share in (box.top, box.bottom, box.left, box.right)] or None


def _cells(mask: Pixels) -> bytes | None:
    marked = regions.cells_of(mask)
    return np.packbits(marked).tobytes() if marked.any() else None
