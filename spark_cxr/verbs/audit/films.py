"""The films that an audit shows to the network: which ones, and each as it is and altered.

A film is one row with all its vectors, so what the network costs is films x views. The views that
only the steadiness of a head needs are made of test films alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.engines.plan import Plan, Used
from spark_cxr.backbones.featurize import Vector, vectors_by
from spark_cxr.images import altered
from spark_cxr.images.film import Box, Pixels
from spark_cxr.images.film_pass import FilmPass, FilmViews, View
from spark_cxr.images.fit import framed
from spark_cxr.images.lungs import find_lungs
from spark_cxr.images.prepare import in_three_channels, resize
from spark_cxr.images.regions import lungs_in_cells
from spark_cxr.images.sight import FILM, sight_of
from spark_cxr.output import Output
from spark_cxr.pipeline.earlier_run import open_earlier, with_its_films
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.film_run import FilmRun, reading_of
from spark_cxr.pipeline.ingest import IngestResult, account_of, ingesting
from spark_cxr.pipeline.labels import dataset_of
from spark_cxr.pipeline.networks import make_plan, on_this_worker, used_by_workers
from spark_cxr.pipeline.progress import Watch, progress
from spark_cxr.pipeline.reading import COPY, Copies, copied, lot_of, packed
from spark_cxr.pipeline.sources import list_files
from spark_cxr.pipeline.splits import IS_TEST, split
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import CONTENT, GROUP, LABEL, PATH, SHA256, columns
from spark_cxr.settings import Config
from spark_cxr.verbs.audit.masks import BOXES, unpacked, with_boxes

LEAST_GROUPS = 10
"""Patients or films of a label below which nothing can be said of it."""
PLAIN = "plain"
FOR_ALL = (PLAIN, "border", "centre", "lungs")
TURNED = ("mirrored", "inverted")
FOR_TEST = ("corners", "cropped", *TURNED)
NETWORK = (*FOR_ALL, *FOR_TEST)
"""What the network is shown of a film."""
HISTOGRAM, SMALL = "histogram", "small"
VIEWS = f"{PATH} string, " + ", ".join(f"{name} array<float>" for name in NETWORK)
"""One row a film; views that it was not shown in are null."""
PART_SCALE = 2
"""Of the copies of films that a network sees a part of: that is to have about its size."""
KEPT = (
    f"{COPY}, cropped binary, is_colour boolean, {HISTOGRAM} array<float>, {SMALL} array<float>, "
    "estimate binary"
)
"""What is kept of a decoded film for all later checks: `cropped` has the shape of the whole,
`estimate` a bit for each cell of the lungs, null where they were not found."""


@dataclass(frozen=True)
class AuditFilms:
    """Films with all their vectors, and what made these."""

    rows: DataFrame
    """What is known of the films, `is_test`, and `VIEWS`."""
    copies: DataFrame
    """Their copies (`KEPT`), with `is_test`."""
    labels: tuple[str, ...]
    left_out: tuple[str, ...]
    """Labels of too few patients."""
    films: int
    tested: int
    masked: int
    """Films with a mask that shows where the lungs are."""
    lost: int
    """Films of an earlier run that no longer decoded when they were read again."""
    plan: Plan
    used: Used


CopiesOf = Callable[[DataFrame], DataFrame]
"""Gives the copies (path and `KEPT`) of films, and perhaps of some more."""


def usable_labels(images: DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the labels of enough patients, and those of too few."""
    labelled = images.where(F.col(LABEL).isNotNull())
    rows = labelled.groupBy(LABEL).agg(F.count_distinct(GROUP).alias("n")).collect()
    enough = sorted(row[LABEL] for row in rows if row["n"] >= LEAST_GROUPS)
    return tuple(enough), tuple(sorted(row[LABEL] for row in rows if row["n"] < LEAST_GROUPS))


def choose_films(images: DataFrame, labels: tuple[str, ...], limit: int, seed: int) -> DataFrame:
    """Take up to `limit` films of each label, by hash of their bytes; 0: all."""
    labelled = images.where(F.col(LABEL).isin(*labels))
    if not limit:
        return labelled
    lot = lot_of(seed, F.col(SHA256))
    rank = F.row_number().over(Window.partitionBy(LABEL).orderBy(lot, SHA256, PATH))
    return labelled.withColumn("_rank", rank).where(F.col("_rank") <= limit).drop("_rank")


@contextmanager
def films_to_audit(
    spark: SparkSession, cfg: Config, output: Output
) -> Iterator[tuple[Config, IngestResult, CopiesOf]]:
    """Ingest, or take the films of an earlier run; their copies exist until the block ends.

    A film is decoded once, for all that the audit needs of it.
    """
    row = own.find_wanted(cfg.features)
    # Of a film of which a part is seen, the part is to have the size of the network.
    scale = 1 if row.see == FILM else PART_SCALE
    size_hw = (scale * row.size_hw[0], scale * row.size_hw[1])
    copies = kept_for_audit(size_hw, cfg.audit.films_per_label, cfg.run.seed)
    if not cfg.features.table:
        with ingesting(spark, cfg.ingest, output, copies=copies) as (ingested, looked):
            kept = looked.where(F.col("pixels").isNotNull()).select(PATH, *columns(KEPT))
            yield cfg, ingested, (lambda _: kept)
        return
    earlier = open_earlier(cfg.features.table, "--table", "twins")
    cfg = with_its_films(cfg, earlier, "--table")

    def again(chosen: DataFrame) -> DataFrame:
        paths = F.broadcast(chosen.select(PATH))  # to the files: no image file is shuffled
        listing = list_files(spark, cfg.ingest.images, dataset_of(cfg.ingest).leave_out)
        run = FilmRun(
            *(spark, cfg.ingest, listing, reading_of(cfg.ingest, None)),
            marked=lambda files: files.join(paths, on=PATH, how="inner"),
            copies=copies,
        )
        with progress(spark, "decoding films", chosen.count()) as watch:
            copied = run.rows(output, watch).table
        return copied.where(F.col("pixels").isNotNull()).select(PATH, *columns(KEPT))

    yield cfg, account_of(spark, earlier.output), again


def show_films(
    spark: SparkSession,
    cfg: Config,
    images: DataFrame,
    labels: tuple[str, ...],
    copies_of: CopiesOf,
    keep: Keep,
) -> AuditFilms:
    """Split some films by patient and near-duplicate, and make all vectors of them in one pass."""
    plan = make_plan(spark, cfg.features, ingest=cfg.ingest)
    used = used_by_workers(spark, plan)
    chosen = choose_films(images, labels, cfg.audit.films_per_label, cfg.run.seed)
    chosen = split(chosen, "patient", cfg.train.test_fraction, cfg.run.seed)
    chosen = keep(with_boxes(spark, cfg, chosen))
    films, tested, masked = chosen.agg(
        F.count(F.lit(1)), F.count_if(F.col(IS_TEST)), F.count_if(F.col(BOXES).isNotNull())
    ).collect()[0]
    known = F.broadcast(chosen.select(PATH, IS_TEST, BOXES))
    copies = copies_of(chosen).join(known, on=PATH, how="inner")
    with progress(spark, "looking at films whole and altered", films) as watch:
        views = keep(featurize_views(copies, plan, watch))
    plain = copies.select(PATH, "is_colour", HISTOGRAM, SMALL)
    rows = views.join(plain, on=PATH, how="inner")
    rows = rows.join(F.broadcast(chosen), on=PATH, how="inner")
    lost = films - views.count()
    return AuditFilms(rows, copies, labels, (), films, tested, masked, lost, plan, used)


def kept_for_audit(size_hw: tuple[int, int], most: int, seed: int) -> Copies:
    """Keep what the audit needs of films, for up to `most` of each label and some to spare.

    `size_hw` is the size of the copies.
    """

    def keep(pixels: Pixels) -> dict[str, Any]:
        cropped, lungs = altered.cropped(pixels, size_hw), lungs_in_cells(pixels)
        return {
            **packed(resize(pixels, size_hw)),
            "cropped": packed(cropped if pixels.ndim == 3 else cropped[..., 0])["pixels"],
            "is_colour": pixels.ndim == 3,
            HISTOGRAM: altered.histogram(pixels),
            SMALL: altered.small(pixels),
            "estimate": None if lungs is None else np.packbits(lungs).tobytes(),
        }

    return Copies(KEPT, keep, (), most, seed)


def featurize_views(films: DataFrame, plan: Plan, watch: Watch | None = None) -> DataFrame:
    """Show copies (`KEPT`, with path, is_test and boxes) to the network in all views (`VIEWS`)."""
    wanted = films.select(
        *(PATH, "shape", F.col("pixels").alias(CONTENT), "cropped", BOXES),
        F.coalesce(IS_TEST, F.lit(False)).alias(IS_TEST),
    )
    return over_films(wanted, lambda: viewing_pass(plan), VIEWS, watch)


def viewing_pass(plan: Plan) -> TablePass:
    """Open the pass over copies of films, on the workers."""
    here = on_this_worker(plan)
    network = here.network

    def open_(file: TableFile) -> FilmViews[TableFile]:
        film = copied(file.read(), file["shape"])
        lungs = find_lungs(film)
        boxes = unpacked(file[BOXES]) or altered.boxes_of_lungs(lungs, film)

        def shown(view: str) -> Pixels:
            if view == "cropped":
                return network.film(copied(file["cropped"], file["shape"]))
            other = altered_as(film, view, boxes)
            if view in TURNED:
                return network.film(other)
            # What is hidden may be what lungs are found by: they lie where they lay.
            part = sight_of(other, network.see, lungs).pixels
            return in_three_channels(framed(part, network.fit))

        views = NETWORK if file[IS_TEST] else FOR_ALL
        return FilmViews(file, tuple(View(shown(view)) for view in views))

    def row(file: TableFile, found: tuple[Vector, ...]) -> dict[str, Any]:
        return {PATH: file[PATH], **dict(zip(NETWORK, found, strict=False))}

    return FilmPass(open_, row, (vectors_by(here),), here.threads, views=len(NETWORK))


def altered_as(film: Pixels, view: str, boxes: tuple[Box, ...] = ()) -> Pixels:
    """Alter a film that has the size of the network already."""
    if view == "lungs":
        return altered.without_lungs(film, boxes)
    ways: dict[str, Callable[[Pixels], Pixels]] = {
        PLAIN: lambda same: same,
        "border": altered.border_only,
        "centre": altered.centre_only,
        "corners": altered.without_corners,
        "mirrored": altered.mirrored,
        "inverted": altered.inverted,
    }
    return ways[view](film)
