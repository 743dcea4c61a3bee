"""Films → explanations on the workers: a table of maps and margins, pictures, a quarantine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.archives import catalog as archives
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.errors import BadImage, InputError
from spark_cxr.film_places import is_table
from spark_cxr.images.clock import Clock
from spark_cxr.images.film import Film, Limits, Pixels, Size
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, Runner, View, opener
from spark_cxr.images.heat import bounded, on_part
from spark_cxr.metrics.wording import counted
from spark_cxr.model.attribution import Attribution, FilmMaps, make_attribution
from spark_cxr.model.explanation import Explanation, explanations, scale_of, target_of
from spark_cxr.model.model import Model
from spark_cxr.model.predictor import Picture, Predictor, look_at_film, refusal_of
from spark_cxr.output import Output, locate
from spark_cxr.pipeline.box_heat import BOX_HEAT, FilmBoxes, film_boxes, read_film_boxes
from spark_cxr.pipeline.boxes import BoxFile
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.folders import FoundFile
from spark_cxr.pipeline.ingest import quarantine_of, unseen
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.pass_times import PassTimes
from spark_cxr.pipeline.progress import Watch, progress
from spark_cxr.pipeline.readers import choose_reader, read_listed
from spark_cxr.pipeline.scorer import prediction_row
from spark_cxr.pipeline.sources import table_of
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import EXPLANATIONS, FILES, FINDINGS, LABEL, PATH, QUARANTINE, columns

EXPLAINED = f"{EXPLANATIONS}, reason string, detail string, {BOX_HEAT} string"
"""One row a file: an explanation where `reason` is null."""
PICTURES = "overlays"
Row = dict[str, Any]
TABLE = "explanations"
TARGET = "target"
"""Column of the class whose heat is explained."""
DEFAULT_LONGEST = 768
"""Of the overlays of another job."""
FEW = 32
"""Films on which the scale of the colours is found."""


@dataclass(frozen=True)
class ExplainTask:
    """What the workers need to know."""

    plan: Plan
    predictor: Predictor
    limits: Limits
    model: str
    """What stands in the column `model`."""
    method: str = "auto"
    label: str = ""
    """Whose heat is wanted; empty: of the class that the model names, or the leading finding."""
    scale: float = 1.0
    exact: bool = False
    folder: str = ""
    """The directory below which pictures are drawn; empty: none are."""
    longest: int = 0
    boxes: BoxFile | None = None
    """What the heat is held against, under the names of the model's labels."""


@dataclass(frozen=True)
class _Opened:
    """What is kept of a decoded film until the network has run."""

    row: Row
    picture: Picture
    film: Pixels
    """Small and grey where a picture is wanted, else empty."""
    size_hw: Size
    """Of the film as it was decoded."""


def explained(files: DataFrame, task: ExplainTask, watch: Watch | None = None) -> DataFrame:
    """Explain files (`schemas.FILES`): one row a file (`EXPLAINED`)."""
    files = files.select(*columns(FILES))
    return over_films(files, lambda: explaining_pass(task), EXPLAINED, watch)


def explaining_pass(task: ExplainTask) -> TablePass:
    """Make the pass from files to explanations; runs on the workers."""
    plan, clock = on_this_worker(task.plan), Clock()
    attribution = make_attribution(task.method, task.predictor.head, plan, task.exact)

    def look(file: TableFile, content: Content, film: Film) -> FilmViews[_Opened | Row]:
        with clock.stage("resizing"):
            picture, pixels = look_at_film(
                film.pixels, film.flags, plan.network.fit, wants_lungs=True
            )
            small = bounded(film.pixels, task.longest) if task.folder else film.pixels[:0]
        size_hw = (film.pixels.shape[0], film.pixels.shape[1])
        opened = _Opened(_of_file(file, content), picture, small, size_hw)
        return FilmViews(opened, (View(pixels),))

    def refuse(file: TableFile, content: Content, bad: BadImage) -> _Opened | Row:
        return {**_of_file(file, content), "reason": bad.reason, "detail": bad.detail}

    def row(opened: _Opened | Row, found: tuple[FilmMaps, ...]) -> Row:
        if not isinstance(opened, _Opened):
            return opened
        return opened.row | _explained(opened, found[0], task, attribution)

    runner = Runner(attribution.trace, plan.at_once)
    open_ = opener(look, refuse, task.limits, clock=clock)
    return FilmPass(open_, row, (runner,), plan.threads, clock=clock)


def _of_file(file: TableFile, content: Content) -> Row:
    return {PATH: file[PATH], "sha256": content.sha256}


def _explained(
    opened: _Opened, trace: FilmMaps, task: ExplainTask, attribution: Attribution
) -> Row:
    prediction = task.predictor.predict(trace.vector, opened.picture)
    row = {
        **prediction_row(prediction),
        "model": task.model,
        "scored_at": datetime.now(UTC),
        "method": attribution.method,
        "scale": task.scale,
    }
    target = task.label or target_of(prediction, task.predictor.thresholds)
    grid, known = on_part(attribution.grid, opened.picture.box), task.predictor.labels
    if task.boxes:
        boxes = task.boxes.of(opened.row[PATH])
        row[BOX_HEAT] = film_boxes(boxes, trace.maps, known, prediction, opened.size_hw, grid)
    if not target:
        return row
    (why,) = explanations(
        *(opened.film, trace, prediction, known, attribution.method, [target]),
        grid=grid,
        points=task.predictor.thresholds,
        lungs=opened.picture.lungs,
    )
    on_lungs = why.on_lungs
    return {
        **row,
        "target": why.label,
        "contrast": why.contrast,
        "margin": why.margin,
        "map": why.map.ravel(),
        "map_height": why.map.shape[0],
        "map_width": why.map.shape[1],
        "map_first": grid.first if grid else None,
        "map_step": grid.step if grid else None,
        "map_box": astuple(grid.box) if grid and grid.box else None,
        "heat_on_lungs": on_lungs.share if on_lungs else None,
        "lungs_area": on_lungs.area if on_lungs else None,
        "overlay": _drawn(why, opened.row[PATH], task) if task.folder else None,
    }


def _drawn(why: Explanation, path: str, task: ExplainTask) -> str:
    name = overlay_name(
        path, why.label if why.prediction.label else refusal_of(why.prediction.flags)
    )
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


@dataclass(frozen=True)
class FilmsToExplain:
    """Files, and what is known of their labels."""

    listed: DataFrame
    """path, modified, bytes"""
    files: DataFrame
    """`schemas.FILES`: those of them that can be read."""
    truth: DataFrame
    """path, label, and for a model of findings `findings`; null where they are not known."""
    count: int
    reader: str
    """Who reads them: the workers or Spark."""


@dataclass(frozen=True)
class ExplainResult:
    """What was explained, and how."""

    rows: DataFrame
    """`schemas.EXPLANATIONS`"""
    task: ExplainTask
    method: str
    files: int
    n: int
    """Films that decode."""
    unexplained: int
    """Of these, the ones that are no X-ray: without --label there is no class to explain."""
    times: PassTimes
    """For decoding, explaining and drawing."""
    reader: str
    boxed: tuple[FilmBoxes, ...] = ()
    """Of each film whose boxes are known."""


def explain_paths(
    spark: SparkSession,
    scorer: Model,
    paths: Sequence[str],
    max_bytes: int,
    read: str,
    output: Output,
) -> ExplainResult:
    """Explain and draw films that another job has picked."""
    labels = spark.createDataFrame([(path, None) for path in paths], "path string, label string")
    films = films_of(spark, paths, labels, max_bytes, read)
    task = ExplainTask(scorer.plan, scorer.predictor, scorer.limits, scorer.manifest.identity)
    scale = find_scale(few_of(spark, films), task)
    task = replace(task, scale=scale, folder=output.address, longest=DEFAULT_LONGEST)
    return explain_films(spark, films, task, max_bytes, output)


def find_scale(few: DataFrame, task: ExplainTask) -> float:
    """Choose the heat of the strongest colour from a few films, as a round number.

    So that one pass over all films can both compute and draw, and two films can be compared.
    """
    plain = replace(task, folder="", exact=False)
    maps = [row["map"] for row in explained(few, plain).select("map").collect() if row["map"]]
    if not maps:
        return 1.0
    return scale_of(np.concatenate(maps))


def explain_films(
    spark: SparkSession, films: FilmsToExplain, task: ExplainTask, max_bytes: int, output: Output
) -> ExplainResult:
    """Explain films in one pass; write `explanations/`, `quarantine/` and the overlays."""
    with staged(output) as keep:
        with progress(spark, "explaining", films.count) as watch:
            found = keep(explained(films.files, task, watch))
            times = watch.times()
        lost = unseen(films.listed, found, max_bytes).select(*columns(QUARANTINE))
        output.write_table(quarantine_of(found).unionByName(lost), "quarantine")
        good = found.where(F.col("reason").isNull()).drop(LABEL)
        named = good.join(films.truth, on=PATH, how="left")
        output.write_table(named.select(*columns(EXPLANATIONS)), TABLE)
        boxed = read_film_boxes(found) if task.boxes else ()
    rows = spark.read.schema(EXPLANATIONS).parquet(output.table(TABLE))
    bad = spark.read.schema(QUARANTINE).parquet(output.table("quarantine")).count()
    n, unexplained = rows.count(), rows.where(F.col(TARGET).isNull()).count()
    _check_account(n, bad, films.count, output)
    method = rows.select("method").first()[0]
    return ExplainResult(
        rows, task, method, films.count, n, unexplained, times, films.reader, boxed
    )


def few_of(spark: SparkSession, films: FilmsToExplain) -> DataFrame:
    """Read a few films, drawn by hash of their path: the same on any number of partitions."""
    lots = films.listed.where(F.col("bytes") > 0).orderBy(F.xxhash64(PATH), PATH).limit(FEW)
    few = [FoundFile(row[PATH], None, row["bytes"]) for row in lots.collect()]
    return read_listed(spark, few, films.reader)


def films_of(
    spark: SparkSession, paths: Sequence[str], labels: DataFrame, max_bytes: int, read: str
) -> FilmsToExplain:
    """Look up films by path; one that is gone since it was scored goes to the quarantine."""
    if not paths:
        raise InputError("at least one film to explain", "none", "Check --where or the folder")
    files = [FoundFile(path, None, _size(path)) for path in paths]
    there = [file for file in files if 0 < file.bytes <= max_bytes]
    reader = choose_reader(spark, read, there)
    known = [name for name in (PATH, LABEL, FINDINGS) if name in labels.columns]
    truth, films = labels.select(*known), read_listed(spark, there, reader)
    return FilmsToExplain(table_of(spark, files), films, truth, len(paths), reader)


def _size(path: str) -> int:
    """Look up how many bytes a file has; -1: there is none."""
    if is_table(path):
        return 1  # what it has shows when its row is read
    if (size := archives.size_of(path)) is not None:
        return size
    store, inside = locate(path)
    found = store.get_file_info(inside)
    return int(found.size) if found.type == fs.FileType.File else -1


def _check_account(n: int, bad: int, files: int, output: Output) -> None:
    if n + bad != files:
        way_out = "Run again when no one writes to the folders"
        raise InputError(f"a row for each of {files:,} files", f"{n + bad:,}", way_out)
    if not n:
        received = f"{counted(bad, 'file')}, all bad"
        way_out = f"See {output.table('quarantine')}"
        raise InputError("at least one film that decodes", received, way_out)
