"""Each film as it is and altered, through the network: decoded once, one row with all vectors.

What the network costs is films x views. The views that only the steadiness of a head needs are
made of test films alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.featurize import Shown, Vector, stream
from spark_cxr.errors import BadImage
from spark_cxr.images import altered
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits, Pixels
from spark_cxr.images.prepare import to_network
from spark_cxr.pipeline.audit.masks import BOXES, unpacked
from spark_cxr.pipeline.networks import Ready, on_this_worker
from spark_cxr.pipeline.split import IS_TEST
from spark_cxr.schemas import CONTENT, PATH

PLAIN = "plain"
FOR_ALL = (PLAIN, "border", "centre", "lungs")
FOR_TEST = ("corners", "cropped", "mirrored", "inverted")
NETWORK = (*FOR_ALL, *FOR_TEST)
"""What the network is shown of a film."""
HISTOGRAM, SMALL = "histogram", "small"
WITHOUT_NETWORK = (HISTOGRAM, SMALL)
_VECTORS = (*WITHOUT_NETWORK, *NETWORK)
VIEWS = f"{PATH} string, is_colour boolean, " + ", ".join(f"{n} array<float>" for n in _VECTORS)
"""One row a film; all but the path are null where it does not decode any more."""
_ROWS = 32
"""Films of an Arrow batch of results."""

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Told:
    """What is kept of a film besides its vectors."""

    path: str
    is_colour: bool | None = None
    histogram: Vector | None = None
    small: Vector | None = None


@dataclass(frozen=True)
class _Opened:
    """A decoded film in the size of the network; the pixels of the file are not kept."""

    told: Told
    film: Pixels | None = None
    cropped: Pixels | None = None


@dataclass(frozen=True)
class _File:
    """A file that is decoded when the first of its views is shown, and once."""

    path: str
    content: bytes
    boxes: tuple[altered.Box, ...]
    is_test: bool
    size_hw: tuple[int, int]
    limits: Limits
    lock: Lock = field(default_factory=Lock)
    opened: list[_Opened] = field(default_factory=list)

    @property
    def views(self) -> tuple[str, ...]:
        return NETWORK if self.is_test else FOR_ALL

    def open(self) -> _Opened:
        with self.lock:
            if not self.opened:
                self.opened.append(self._decoded())
            return self.opened[0]

    def _decoded(self) -> _Opened:
        try:
            pixels = decode(self.content, self.limits).pixels
        except BadImage:
            return _Opened(Told(self.path))
        histogram, small = altered.histogram(pixels), altered.small(pixels)
        cropped = altered.cropped(pixels, self.size_hw) if self.is_test else None
        told = Told(self.path, pixels.ndim == 3, histogram, small)
        return _Opened(told, to_network(pixels, self.size_hw), cropped)


_Glance = tuple[_File, str]
"""One view of one film."""


def look_at_views(files: DataFrame, ready: Ready, limits: Limits) -> DataFrame:
    """Show files (path, content, is_test, boxes) to the network in all views (`VIEWS`)."""
    wanted = files.select(PATH, CONTENT, F.coalesce(IS_TEST, F.lit(False)).alias(IS_TEST), BOXES)
    return wanted.mapInArrow(viewer(ready, limits), VIEWS)


def viewer(ready: Ready, limits: Limits) -> Callable[[Batches], Batches]:
    """Make the function that the workers run over their files."""

    def see(batches: Batches) -> Batches:
        recipe = on_this_worker(ready)
        files = _files(batches, recipe.size_hw, limits)
        parts = ([(file, view) for view in file.views] for file in files)
        rows = list[dict[str, Any]]()
        for made in stream(parts, show, recipe, _weight):
            rows.append(_row(made))
            if len(rows) == _ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema=_arrow_schema())
                rows = []
        yield pa.RecordBatch.from_pylist(rows, schema=_arrow_schema())

    return see


def show(glance: _Glance) -> Shown[tuple[Told, str]]:
    """Make one view of a film."""
    file, view = glance
    opened = file.open()
    if opened.film is None:
        return Shown((opened.told, view))
    if view == "cropped":
        return Shown((opened.told, view), opened.cropped)
    return Shown((opened.told, view), altered_as(opened.film, view, file.boxes))


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


def _files(batches: Batches, size_hw: tuple[int, int], limits: Limits) -> Iterator[_File]:
    for batch in batches:
        for i in range(batch.num_rows):
            yield _File(
                batch[PATH][i].as_py(),
                batch[CONTENT][i].as_py(),
                unpacked(batch[BOXES][i].as_py()),
                batch[IS_TEST][i].as_py(),
                size_hw,
                limits,
            )


def _weight(glance: _Glance) -> int:
    file, _ = glance
    return 1 + len(file.content) // len(file.views)


def _row(made: list[tuple[tuple[Told, str], Vector | None]]) -> dict[str, Any]:
    told = made[0][0][0]
    vectors = {view: vector for (_, view), vector in made}
    said = {"is_colour": told.is_colour, HISTOGRAM: told.histogram, SMALL: told.small}
    return {PATH: told.path, **said, **vectors}


def _arrow_schema() -> pa.Schema:
    vector = pa.list_(pa.float32())
    names = [(PATH, pa.string()), ("is_colour", pa.bool_())]
    return pa.schema([*names, *((name, vector) for name in _VECTORS)])
