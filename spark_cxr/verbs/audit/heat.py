"""Where the decisions on the test films come from: one more pass through the network, with maps.

A class map adds up what each place contributes, and much of that is the same on all films: the
spine is always bright. What makes a film's answer its own is how its map differs from the mean map
of the test films, and the mean of that difference is, exactly, the margin less the mean margin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones import maps as cam
from spark_cxr.backbones.engines import load_mapper
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.images.film import Pixels
from spark_cxr.images.film_pass import FilmPass, FilmViews, Runner, View
from spark_cxr.images.heat import Grid
from spark_cxr.images.regions import SIDE, areas_of, shares_of
from spark_cxr.pipeline.film_pass import Batches, TableFile, TablePass, arrow_schema, over_films
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.reading import film_of_copy
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import CONTENT, PATH
from spark_cxr.verbs.audit.masks import LUNGS

MAPPED = (
    "path string, maps array<float>, shuffled array<float>, height int, width int, target int, "
    "contrast int, lungs binary, is_masked boolean"
)
"""One row a film: a map for each label, those of the head with shuffled weights, the answer."""
SHARES = (
    "path string, target int, in_lungs double, in_corners double, in_border double, "
    "lungs_area double, is_masked boolean, likeness double"
)
"""One row a film: how much of its heat lies where, and how like the shuffled head's it is."""
Row = dict[str, Any]
Maps = NDArray[np.float32]


def heat_shares(films: DataFrame, head: Linear, plan: Plan, keep: Keep) -> DataFrame | None:
    """Say of copies of films (`views.KEPT`, with path and lungs) where their heat lies (`SHARES`).

    None where the vector of the network is not a mean of maps.
    """
    mask = F.col(LUNGS)
    wanted = films.select(
        *(PATH, "shape", F.col("pixels").alias(CONTENT), mask.isNotNull().alias("is_masked")),
        F.coalesce(mask, F.col("estimate")).alias(LUNGS),
    )
    mapped = keep(over_films(wanted, lambda: _mapping_pass(head, plan), MAPPED))
    usual = _usual(mapped, "maps"), _usual(mapped, "shuffled")
    if not len(usual[0]):
        return None
    grid = cam.grid_of(plan.network)
    return keep(mapped.mapInArrow(_measurer(*usual, grid), SHARES))


def _usual(mapped: DataFrame, column: str) -> Maps:
    """Average a column of maps over all films, place by place."""
    places = mapped.select(F.posexplode(column).alias("at", "value"))
    rows = places.groupBy("at").agg(F.avg("value").alias("value")).orderBy("at").collect()
    return np.array([row["value"] for row in rows], np.float32)


def _mapping_pass(head: Linear, plan: Plan) -> TablePass | None:
    """Make the pass over copies of films that gives maps; None where the network has none."""
    here = on_this_worker(plan)
    mapper = load_mapper(here)
    if mapper is None:
        return None
    order = np.random.default_rng(0).permutation(head.weights.shape[1])
    both = np.vstack([head.weights, head.weights[:, order]])

    def run(films: Pixels) -> Iterator[Row]:
        seen = mapper.maps(films)
        for vector, maps in zip(seen.vectors, seen.maps, strict=True):
            margins = head.margins(vector.astype(np.float64)[None])[0]
            likeliest = np.argsort(-margins, kind="stable")
            real, shuffled = np.split(cam.class_maps(maps, both), 2)
            yield {
                "maps": real.ravel(),
                "shuffled": shuffled.ravel(),
                "height": real.shape[1],
                "width": real.shape[2],
                "target": int(likeliest[0]),
                "contrast": int(likeliest[1]),
            }

    def open_(file: TableFile) -> FilmViews[Row]:
        said = {name: file[name] for name in (PATH, LUNGS, "is_masked")}
        return FilmViews(said, (View(film_of_copy(file, here.network.size_hw)),))

    runner = Runner(run, here.batch_size)
    return FilmPass(open_, lambda said, found: said | found[0], (runner,), here.threads)


def _measurer(usual: Maps, usual_shuffled: Maps, grid: Grid | None) -> Callable[[Batches], Batches]:
    """Make the function that says where the heat lies."""

    def measure(batches: Batches) -> Batches:
        for batch in batches:
            rows = [_measured(row, usual, usual_shuffled, grid) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=arrow_schema(SHARES))

    return measure


def _measured(
    row: dict[str, Any], usual: Maps, usual_shuffled: Maps, grid: Grid | None
) -> dict[str, Any]:
    heat, other = _own(row, "maps", usual), _own(row, "shuffled", usual_shuffled)
    packed = np.frombuffer(row[LUNGS], np.uint8)
    lungs = np.unpackbits(packed).reshape(SIDE, SIDE).astype(bool)
    shares = shares_of(heat, lungs, grid)
    return {
        **{name: row[name] for name in (PATH, "target", "is_masked")},
        "in_lungs": shares.lungs if shares else None,
        "in_corners": shares.corners if shares else None,
        "in_border": shares.border if shares else None,
        "lungs_area": areas_of(lungs).lungs,
        "likeness": _likeness(heat, other),
    }


def _own(row: dict[str, Any], column: str, usual: Maps) -> Maps:
    """Take what speaks for the answer on this film more than on the mean of all."""
    maps = (np.asarray(row[column], np.float32) - usual).reshape(-1, row["height"], row["width"])
    return np.asarray(maps[row["target"]] - maps[row["contrast"]])


def _likeness(one: Maps, other: Maps) -> float:
    """Correlate the ranks of two maps (Spearman), without regard to sign."""
    ranks = [each.ravel().argsort().argsort().astype(np.float64) for each in (one, other)]
    return abs(float(np.asarray(np.corrcoef(np.stack(ranks)))[0, 1]))
