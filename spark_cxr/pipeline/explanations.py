"""What the workers do with a batch of files: decode, network with maps, head, heat, picture."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from pyspark.sql import DataFrame

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.errors import BadImage
from spark_cxr.images.film import Film, Limits, Pixels
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, Runner, View, opener
from spark_cxr.images.heat import bounded
from spark_cxr.model.attribution import Attribution, FilmMaps, make_attribution
from spark_cxr.model.explanation import Explanation, explanations
from spark_cxr.model.predictor import NO_XRAY, Picture, Predictor, look_at_film
from spark_cxr.output import Output
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.scored_files import said_of
from spark_cxr.schemas import EXPLANATIONS, FILES, PATH, columns

EXPLAINED = f"{EXPLANATIONS}, reason string, detail string"
"""One row a file: an explanation where `reason` is null."""
PICTURES = "overlays"
Row = dict[str, Any]


@dataclass(frozen=True)
class ExplainTask:
    """What the workers have to know."""

    plan: Plan
    predictor: Predictor
    limits: Limits
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
class _Opened:
    """What is kept of a decoded film until the network has seen it."""

    row: Row
    picture: Picture
    film: Pixels
    """Small and grey where a picture is wanted, else empty."""


def explained(files: DataFrame, task: ExplainTask) -> DataFrame:
    """Explain files (`schemas.FILES`): one row a file (`EXPLAINED`)."""
    return over_films(files.select(*columns(FILES)), lambda: explaining_pass(task), EXPLAINED)


def explaining_pass(task: ExplainTask) -> TablePass:
    """Make the pass from files to explanations; runs on the workers."""
    plan = on_this_worker(task.plan)
    attribution = make_attribution(task.method, task.predictor.head, plan, task.exact)

    def look(file: TableFile, content: Content, film: Film) -> FilmViews[_Opened | Row]:
        picture, pixels = look_at_film(film.pixels, film.flags, plan.network.size_hw)
        small = bounded(film.pixels, task.longest) if task.folder else film.pixels[:0]
        return FilmViews(_Opened(_of_file(file, content), picture, small), (View(pixels),))

    def refuse(file: TableFile, content: Content, bad: BadImage) -> _Opened | Row:
        return {**_of_file(file, content), "reason": bad.reason, "detail": bad.detail}

    def row(opened: _Opened | Row, found: tuple[FilmMaps, ...]) -> Row:
        if not isinstance(opened, _Opened):
            return opened
        return opened.row | _explained(opened, found[0], task, attribution)

    runner = Runner(attribution.trace, plan.batch_size)
    return FilmPass(opener(look, refuse, task.limits), row, (runner,), plan.threads)


def _of_file(file: TableFile, content: Content) -> Row:
    return {PATH: file[PATH], "sha256": content.sha256}


def _explained(
    opened: _Opened, trace: FilmMaps, task: ExplainTask, attribution: Attribution
) -> Row:
    prediction = task.predictor.predict(trace.vector, opened.picture)
    told = {
        **said_of(prediction),
        "model": task.model,
        "scored_at": datetime.now(UTC),
        "method": attribution.method,
        "scale": task.scale,
    }
    target, grid = task.label or prediction.label, attribution.grid
    if not target:
        return told
    known = task.predictor.labels
    why = explanations(opened.film, trace, prediction, known, attribution.method, [target], grid)[0]
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
        "overlay": _drawn(why, opened.row[PATH], task) if task.folder else None,
    }


def _drawn(why: Explanation, path: str, task: ExplainTask) -> str:
    name = overlay_name(path, why.label if why.prediction.label else NO_XRAY)
    Output(task.folder).write_bytes(name, why.overlay_png(task.scale, longest=0))
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
