"""Each film as it is and altered, through the network: one row with all vectors.

What the network costs is films x views. The views that only the steadiness of a head needs are
made of test films alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import Vector, vectors_by
from spark_cxr.images import altered
from spark_cxr.images.film import Pixels
from spark_cxr.images.film_pass import FilmPass, FilmViews, View
from spark_cxr.images.prepare import resize, to_network
from spark_cxr.images.regions import estimate_lungs
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.reading import COPY, Copies, film_of_copy, packed
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.schemas import CONTENT, PATH
from spark_cxr.verbs.audit.masks import BOXES, unpacked

PLAIN = "plain"
FOR_ALL = (PLAIN, "border", "centre", "lungs")
FOR_TEST = ("corners", "cropped", "mirrored", "inverted")
NETWORK = (*FOR_ALL, *FOR_TEST)
"""What the network is shown of a film."""
HISTOGRAM, SMALL = "histogram", "small"
VIEWS = f"{PATH} string, " + ", ".join(f"{name} array<float>" for name in NETWORK)
"""One row a film; views that it was not shown in are null."""
KEPT = (
    f"{COPY}, cropped binary, is_colour boolean, {HISTOGRAM} array<float>, {SMALL} array<float>, "
    "estimate binary"
)
"""What is kept of a film when it is decoded, for all that is asked later: `cropped` has the shape
of the whole, `estimate` a bit for each cell of the lungs."""


def kept_for_audit(size_hw: tuple[int, int], most: int, seed: int) -> Copies:
    """Keep what the audit asks of films, of up to `most` of each label and some to spare."""

    def keep(pixels: Pixels) -> dict[str, Any]:
        cropped = altered.cropped(pixels, size_hw)
        return {
            **packed(resize(pixels, size_hw)),
            "cropped": packed(cropped if pixels.ndim == 3 else cropped[..., 0])["pixels"],
            "is_colour": pixels.ndim == 3,
            HISTOGRAM: altered.histogram(pixels),
            SMALL: altered.small(pixels),
            "estimate": np.packbits(estimate_lungs(pixels)).tobytes(),
        }

    return Copies(KEPT, keep, (), most, seed)


def look_at_views(films: DataFrame, plan: Plan) -> DataFrame:
    """Show copies (`KEPT`, with path, is_test and boxes) to the network in all views (`VIEWS`)."""
    wanted = films.select(
        *(PATH, "shape", F.col("pixels").alias(CONTENT), "cropped", BOXES),
        F.coalesce(IS_TEST, F.lit(False)).alias(IS_TEST),
    )
    return over_films(wanted, lambda: viewing_pass(plan), VIEWS)


def viewing_pass(plan: Plan) -> TablePass:
    """Make the pass over copies of films; runs on the workers."""
    here = on_this_worker(plan)

    def open_(file: TableFile) -> FilmViews[TableFile]:
        views = NETWORK if file[IS_TEST] else FOR_ALL
        film, boxes = film_of_copy(file, here.network.size_hw), unpacked(file[BOXES])
        shown = {view: altered_as(film, view, boxes) for view in views if view != "cropped"}
        if file[IS_TEST]:
            shape = file["shape"]
            cropped = np.frombuffer(file["cropped"], np.uint8).reshape(shape)
            shown["cropped"] = to_network(cropped, here.network.size_hw)
        return FilmViews(file, tuple(View(shown[view]) for view in views))

    def row(file: TableFile, found: tuple[Vector, ...]) -> dict[str, Any]:
        return {PATH: file[PATH], **dict(zip(NETWORK, found, strict=False))}

    return FilmPass(open_, row, (vectors_by(here),), here.threads, views=len(NETWORK))


def altered_as(film: Pixels, view: str, boxes: tuple[altered.Box, ...] = ()) -> Pixels:
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
