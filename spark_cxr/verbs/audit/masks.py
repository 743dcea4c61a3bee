"""Masks of lungs → a few numbers for each film, joined to the films as a small table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.film_places import is_folder
from spark_cxr.images import regions
from spark_cxr.images.altered import lung_boxes
from spark_cxr.images.film import Box, Film, Pixels
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, opener
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.readers import read_files
from spark_cxr.schemas import CONTENT, PATH
from spark_cxr.settings import Config

FOLDER = "_masks"
"""Where phantoms have them: Spark reads nothing below as a film."""
BOXES = "boxes"
"""Four numbers for each lung: top, bottom, left, right, as shares of the film."""
LUNGS = "lungs"
"""A bit for each of `regions.SIDE` x `regions.SIDE` cells of the film."""
_Reading = Callable[[Pixels], Any]


def with_boxes(spark: SparkSession, cfg: Config, films: DataFrame) -> DataFrame:
    """Add `boxes`: where the lungs are, null where there is no mask."""
    return _with_marks(spark, cfg, films, (BOXES, "array<double>"), _numbers)


def with_lungs(spark: SparkSession, cfg: Config, films: DataFrame) -> DataFrame:
    """Add `lungs`: the mask itself on few cells, null where there is none."""
    return _with_marks(spark, cfg, films, (LUNGS, "binary"), _cells)


def _with_marks(
    spark: SparkSession,
    cfg: Config,
    films: DataFrame,
    column: tuple[str, str],
    reading: _Reading,
) -> DataFrame:
    """Add what masks show of their films.

    A mask belongs to the film of the same folder and name without suffix, else to the only mask
    of that name.
    """
    name, kind = column
    folders = mask_folders(cfg)
    if not folders:
        return films.withColumn(name, F.lit(None).cast(kind))
    files = read_files(spark, folders, cfg.ingest.max_bytes).select(PATH, CONTENT)
    masks = over_films(files, lambda: _mask_pass(name, reading), f"{PATH} string, {name} {kind}")
    parts = F.split(F.regexp_replace(F.col(PATH), r"\.[^./]+$", ""), "/")
    keys = {"_near": F.array_join(F.slice(parts, -2, 2), "/"), "_stem": F.element_at(parts, -1)}
    masks, keyed = masks.withColumns(keys), films.withColumns(keys)
    close = masks.groupBy("_near").agg(F.first(name).alias("_close"))
    alone = masks.groupBy("_stem").agg(F.first(name).alias("_alone"), F.count("*").alias("n"))
    alone = alone.where(F.col("n") == 1).drop("n")
    keyed = keyed.join(F.broadcast(close), on="_near", how="left")
    keyed = keyed.join(F.broadcast(alone), on="_stem", how="left")
    return keyed.select(*films.columns, F.coalesce("_close", "_alone").alias(name))


def mask_folders(cfg: Config) -> tuple[str, ...]:
    """Find the folders of masks: the one that was named, or those beside the films."""
    if cfg.audit.lung_masks:
        return (cfg.audit.lung_masks,)
    folders = []
    for image in filter(is_folder, cfg.ingest.images):
        folder = f"{absolute(image).rstrip('/')}/{FOLDER}"
        if not any(sign in folder for sign in "*?[{"):
            store, path = locate(folder)
            if store.get_file_info(path).type.name == "Directory":
                folders.append(folder)
    return tuple(folders)


def unpacked(numbers: list[float] | None) -> tuple[Box, ...]:
    """Read boxes back from the column."""
    shares = numbers or []
    return tuple(Box(*shares[start : start + 4]) for start in range(0, len(shares), 4))


def _mask_pass(column: str, reading: _Reading) -> TablePass:
    """Open the pass over masks; one that shows nothing, or is no image, gives no row."""

    def open_(file: TableFile, _: Content, mask: Film) -> FilmViews[dict[str, Any] | None]:
        value = reading(mask.pixels)
        return FilmViews(None if value is None else {PATH: file[PATH], column: value})

    return FilmPass(opener(open_, lambda *_: None), lambda row, _: row)


def _numbers(mask: Pixels) -> list[float] | None:
    found = lung_boxes(mask)
    return [share for box in found for share in (box.top, box.bottom, box.left, box.right)] or None


def _cells(mask: Pixels) -> bytes | None:
    marked = regions.cells_of(mask)
    return np.packbits(marked).tobytes() if marked.any() else None
