"""What the workers do with a batch of files: decode, network with maps, head, heat, picture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pyarrow as pa
from pyspark.sql import DataFrame

from spark_cxr.backbones.featurize import Shown, stream_through
from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Pixels
from spark_cxr.images.overlay import bounded
from spark_cxr.model.explanation import Explanation, explanations
from spark_cxr.model.judge import NO_XRAY, Judge, Picture, look_at_film
from spark_cxr.model.tracing import Trace, Tracer, make_tracer
from spark_cxr.output import Output
from spark_cxr.pipeline.arrow import arrow_schema
from spark_cxr.pipeline.look import Batches, File, Row
from spark_cxr.pipeline.networks import Ready, on_this_worker
from spark_cxr.pipeline.scoring.sight import said_of
from spark_cxr.schemas import EXPLANATIONS, FILES, PATH, columns

EXPLAINED = f"{EXPLANATIONS}, reason string, detail string"
"""One row a file: an explanation where `reason` is null."""
PICTURES = "overlays"


@dataclass(frozen=True)
class Sight:
    """What the workers have to know."""

    ready: Ready
    judge: Judge
    model: str
    """What stands in the column `model`."""
    method: str = "auto"
    label: str = ""
    """Whose heat is wanted; empty: of the class that the model names."""
    scale: float = 1.0
    exact: bool = False
    folder: str = ""
    """The directory below which pictures are drawn; empty: none are."""
    longest: int = 0


@dataclass(frozen=True)
class _Seen:
    """A decoded film."""

    row: Row
    picture: Picture
    film: Pixels
    """Small and grey where a picture is wanted, else empty."""


def explained(files: DataFrame, sight: Sight) -> DataFrame:
    """Explain files (`schemas.FILES`): one row a file (`EXPLAINED`)."""
    return files.select(*columns(FILES)).mapInArrow(explainer(sight), EXPLAINED)


def explainer(sight: Sight) -> Callable[[Batches], Batches]:
    """Make the function that the workers run over their files."""

    def see(batches: Batches) -> Batches:
        recipe, schema = on_this_worker(sight.ready), arrow_schema(EXPLAINED)
        tracer = make_tracer(sight.method, sight.judge.head, recipe.plan, sight.exact)
        parts = ([File(batch, i) for i in range(batch.num_rows)] for batch in batches)
        size_hw = recipe.size_hw

        def look(file: File) -> Shown[_Seen | Row]:
            return look_at(file, sight, size_hw)

        for found in stream_through(parts, look, recipe, lambda f: f.weight, tracer.trace):
            rows = list(_rows(found, sight, tracer))
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return see


def look_at(file: File, sight: Sight, size_hw: tuple[int, int]) -> Shown[_Seen | Row]:
    """Decode a file for the network, and keep a small film where a picture is wanted."""
    content = file.bytes()
    row = {PATH: file.row()[PATH], "sha256": hashlib.sha256(content).hexdigest()}
    try:
        film = decode(content, sight.ready.recipe.limits)
    except BadImage as bad:
        return Shown({**row, "reason": bad.reason, "detail": bad.detail})
    picture, pixels = look_at_film(film.pixels, film.flags, size_hw)
    small = bounded(film.pixels, sight.longest) if sight.folder else film.pixels[:0]
    return Shown(_Seen(row, picture, small), pixels)


def _rows(
    found: list[tuple[_Seen | Row, Trace | None]], sight: Sight, tracer: Tracer
) -> Iterator[Row]:
    for seen, trace in found:
        if isinstance(seen, _Seen) and trace is not None:
            yield seen.row | _explained(seen, trace, sight, tracer)
        elif not isinstance(seen, _Seen):
            yield seen


def _explained(seen: _Seen, trace: Trace, sight: Sight, tracer: Tracer) -> Row:
    prediction = sight.judge.judge(trace.vector, seen.picture)
    told = {
        **said_of(prediction),
        "model": sight.model,
        "scored_at": datetime.now(UTC),
        "method": tracer.method,
        "scale": sight.scale,
    }
    target, grid = sight.label or prediction.label, tracer.grid
    if not target:
        return told
    known = sight.judge.labels
    why = explanations(seen.film, trace, prediction, known, tracer.method, [target], grid)[0]
    return {
        **told,
        "target": why.label,
        "contrast": why.contrast,
        "margin": why.margin,
        "map": why.map.ravel(),
        "map_height": why.map.shape[0],
        "map_width": why.map.shape[1],
        "map_first": grid.first if grid else None,
        "map_step": grid.step if grid else None,
        "overlay": _drawn(why, seen.row[PATH], sight) if sight.folder else None,
    }


def _drawn(why: Explanation, path: str, sight: Sight) -> str:
    name = overlay_name(path, why.label if why.prediction.label else NO_XRAY)
    Output(sight.folder).write_bytes(name, why.overlay_png(sight.scale, longest=0))
    return name


def overlay_name(path: str, label: str) -> str:
    """Name a film's picture: its label as the folder, then its own name and a hash of its path.

    The heat of a film for which the model names no class lies in the folder `not_an_xray`.
    """
    mark = hashlib.sha256(path.encode()).hexdigest()[:8]
    stem = PurePosixPath(path).stem[:80]
    return f"{PICTURES}/{_plain(label)}/{_plain(stem)}-{mark}.png"


def _plain(name: str) -> str:
    """Take out what file systems or readers trip over; a leading sign would hide the file."""
    return re.sub(r"[^\w.+-]", "_", name).lstrip("._") or "film"
