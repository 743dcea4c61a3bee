"""Which films of a test a network was trained on: found by hash, and held apart in the figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.film_list import (
    EXACT,
    NEAR,
    FilmList,
    film_rows,
    find,
    lists_of,
    salt_of,
)
from spark_cxr.backbones.network import Network
from spark_cxr.metrics import Overlap, Part, measure_parts
from spark_cxr.pipeline.evaluate import answers_of
from spark_cxr.schemas import PATH
from spark_cxr.settings import Config

PIXELS, LOOKS = "pixels_sha256", "looks"
FOUND = "found"
_FOUND = f"path string, {FOUND} string"
Batches = Iterator[pa.RecordBatch]


def marked(images: DataFrame, tested: DataFrame, network: Network) -> DataFrame | None:
    """Say of each film of a test whether the network was trained on it: path, and `found`.

    Args:
        images: `schemas.IMAGES`.
        tested: Has the paths of the test.
        network: What was shown the films.

    Returns:
        `found` is exact, near or null; None where the network has no list of its films.
    """
    lists = lists_of(network.weights)
    if lists is None:
        return None
    paths = F.broadcast(tested.select(PATH))
    films = images.join(paths, on=PATH, how="left_semi").select(PATH, PIXELS, LOOKS)
    return films.mapInArrow(_finder(lists), _FOUND)


def overlap_of(
    marks: DataFrame | None,
    predictions: DataFrame,
    labels: tuple[str, ...],
    network: Network,
    cfg: Config,
) -> Overlap:
    """Count the test films that a network was trained on, and measure on the others.

    Args:
        marks: As `marked` gives them.
        predictions: `schemas.TEST_PREDICTIONS`.
        labels: The classes.
        network: What was shown the films.
        cfg: Seed and number of resamples.
    """
    if marks is None:
        return Overlap(network.backbone, predictions.count(), None, None)
    both = predictions.join(F.broadcast(marks), on=PATH, how="left").persist()
    kind = F.col(FOUND)
    counts = (F.count_if(kind == name) for name in (EXACT, NEAR))
    n, exact, near = both.agg(F.count(F.lit(1)), *counts).collect()[0]
    others: tuple[Part, ...] = ()
    if 0 < exact + near < n:
        told = answers_of(both.where(kind.isNull()).drop(FOUND), labels)
        others = measure_parts(
            told.truth,
            told.probabilities,
            labels,
            told.groups,
            ["the other test films"] * len(told.truth),
            seed=cfg.run.seed,
            resamples=cfg.train.resamples,
        )
    both.unpersist()
    return Overlap(network.backbone, n, exact, near, *others)


def list_films(images: DataFrame, learned: DataFrame) -> FilmList:
    """List the films with these paths; the driver gets 104 bytes of each, which is the list."""
    paths = learned.select(PATH)
    films = images.join(paths, on=PATH, how="left_semi").select(PIXELS, LOOKS).persist()
    count, lot = films.agg(F.count(F.lit(1)), F.bit_xor(F.xxhash64(PIXELS))).collect()[0]
    salt = salt_of(count, lot or 0)
    packed = films.mapInArrow(_lister(salt), "row binary").toPandas()["row"]
    films.unpersist()
    return FilmList.of(salt, [bytes(each) for each in packed])


def _finder(lists: Sequence[FilmList]) -> Callable[[Batches], Batches]:
    def look_up(batches: Batches) -> Batches:
        for batch in batches:
            found = find(lists, batch[PIXELS].to_pylist(), batch[LOOKS].to_pylist())
            columns = [batch[PATH].cast(pa.string()), pa.array(found, pa.string())]
            yield pa.RecordBatch.from_arrays(columns, names=[PATH, FOUND])

    return look_up


def _lister(salt: bytes) -> Callable[[Batches], Batches]:
    def hash_films(batches: Batches) -> Batches:
        for batch in batches:
            rows = film_rows(salt, batch[PIXELS].to_pylist(), batch[LOOKS].to_pylist())
            packed = [row.tobytes() for row in rows]
            yield pa.RecordBatch.from_arrays([pa.array(packed, pa.binary())], names=["row"])

    return hash_films
