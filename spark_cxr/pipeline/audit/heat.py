"""Where the decisions on the test films come from: one more pass through the network, with maps.

A class map adds up what each place contributes, and much of that is the same on all films: the
spine is always bright. What makes a film's answer its own is how its map differs from the mean map
of the test films, and the mean of that difference is, exactly, the margin less the mean margin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones import cam
from spark_cxr.backbones.engines import load_mapper
from spark_cxr.backbones.featurize import Shown, stream_through
from spark_cxr.errors import BadImage
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits, Pixels
from spark_cxr.images.heat import Grid
from spark_cxr.images.lungs import estimate_lungs
from spark_cxr.images.prepare import to_network
from spark_cxr.images.regions import SIDE, areas_of, shares_of
from spark_cxr.pipeline.arrow import arrow_schema
from spark_cxr.pipeline.audit.masks import LUNGS
from spark_cxr.pipeline.networks import Ready, on_this_worker
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import CONTENT, PATH

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
Batches = Iterator[pa.RecordBatch]
Maps = NDArray[np.float32]


@dataclass(frozen=True)
class _Film:
    """A film on its way to the network."""

    path: str
    lungs: bytes = b""
    is_masked: bool = False


@dataclass(frozen=True)
class _Seen:
    """What the network and the head made of it."""

    maps: Maps
    shuffled: Maps
    target: int
    contrast: int


def heat_shares(
    files: DataFrame, head: Linear, ready: Ready, limits: Limits, keep: Keep
) -> DataFrame | None:
    """Say of films (path, content, lungs) where their heat lies (`SHARES`).

    None where the vector of the network is not a mean of maps.
    """
    mapped = files.select(PATH, CONTENT, LUNGS).mapInArrow(_mapper(head, ready, limits), MAPPED)
    mapped = keep(mapped)
    usual = _usual(mapped, "maps"), _usual(mapped, "shuffled")
    if not len(usual[0]):
        return None
    grid = cam.grid_of(ready.network.backbone)
    return keep(mapped.mapInArrow(_measurer(*usual, grid), SHARES))


def _usual(mapped: DataFrame, column: str) -> Maps:
    """Average a column of maps over all films, place by place."""
    places = mapped.select(F.posexplode(column).alias("at", "value"))
    rows = places.groupBy("at").agg(F.avg("value").alias("value")).orderBy("at").collect()
    return np.array([row["value"] for row in rows], np.float32)


def _mapper(head: Linear, ready: Ready, limits: Limits) -> Callable[[Batches], Batches]:
    """Make the function that runs the network on the workers."""
    order = np.random.default_rng(0).permutation(head.weights.shape[1])
    both = np.vstack([head.weights, head.weights[:, order]])

    def see(batches: Batches) -> Batches:
        recipe = on_this_worker(ready)
        mapper = load_mapper(recipe.plan)
        if mapper is None:
            return

        def run(films: Pixels) -> Iterator[_Seen]:
            seen = mapper.maps(films)
            for vector, maps in zip(seen.vectors, seen.maps, strict=True):
                margins = head.margins(vector.astype(np.float64)[None])[0]
                order = np.argsort(-margins, kind="stable")
                real, shuffled = np.split(cam.class_maps(maps, both), 2)
                yield _Seen(real, shuffled, int(order[0]), int(order[1]))

        def show(item: tuple[str, bytes, bytes | None]) -> Shown[_Film]:
            return _show(item, recipe.size_hw, limits)

        parts = (_items(batch) for batch in batches)
        for found in stream_through(parts, show, recipe, lambda item: len(item[1]), run):
            rows = [_row(film, seen) for film, seen in found if seen is not None]
            yield pa.RecordBatch.from_pylist(rows, schema=arrow_schema(MAPPED))

    return see


def _items(batch: pa.RecordBatch) -> list[tuple[str, bytes, bytes | None]]:
    columns = (batch[name].to_pylist() for name in (PATH, CONTENT, LUNGS))
    return list(zip(*columns, strict=True))


def _show(
    item: tuple[str, bytes, bytes | None], size_hw: tuple[int, int], limits: Limits
) -> Shown[_Film]:
    path, content, mask = item
    try:
        pixels = decode(content, limits).pixels
    except BadImage:
        return Shown(_Film(path))
    lungs = mask or np.packbits(estimate_lungs(pixels)).tobytes()
    return Shown(_Film(path, lungs, mask is not None), to_network(pixels, size_hw))


def _row(film: _Film, seen: _Seen) -> dict[str, Any]:
    return {
        **vars(film),
        "maps": seen.maps.ravel(),
        "shuffled": seen.shuffled.ravel(),
        "height": seen.maps.shape[1],
        "width": seen.maps.shape[2],
        "target": seen.target,
        "contrast": seen.contrast,
    }


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
