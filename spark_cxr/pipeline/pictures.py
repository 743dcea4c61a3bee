"""Films with their heat as the pictures of a page: a contact sheet, panels for a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.images.film import Box, Limits
from spark_cxr.images.fit import Fit
from spark_cxr.images.heat import Grid, bounded, heated
from spark_cxr.images.raster import encode_jpeg
from spark_cxr.metrics.results import ClassPanels, ContactSheet, Panel, Shelf
from spark_cxr.model.attribution import METHODS, has_trees
from spark_cxr.model.explanation import scale_of
from spark_cxr.model.findings import NO_FINDING, leading
from spark_cxr.model.manifest import TABLE, Manifest, read_manifest
from spark_cxr.model.model import read_predictor
from spark_cxr.output import Output
from spark_cxr.pipeline.explanations import TARGET, ExplainTask, explained, films_of
from spark_cxr.pipeline.readers import AUTO
from spark_cxr.pipeline.thumbnails import film_at
from spark_cxr.schemas import FINDINGS, LABEL, PATH

LONGEST = 360
QUALITY = 85
SURE, WRONG, FROM_TOP, FROM_BELOW = "sure", "is_wrong", "from_top", "from_below"
Film = Mapping[str, Any]
"""A row of `schemas.EXPLANATIONS`."""
MAX_BYTES = 2**31
"""Of a film: those here were read before."""
MOST_OF_TREES = 1
"""Films of each kind for heads that take 65 passes a film."""


@dataclass(frozen=True)
class SheetClass:
    """Films of one class, kind by kind."""

    label: str
    films: int
    """Of this class in all."""
    kinds: tuple[tuple[str, tuple[Film, ...]], ...]


def contact_sheet(
    rows: DataFrame, manifest: Manifest, task: ExplainTask, shown: int
) -> ContactSheet:
    """Pick films of each explained label, and draw them with their heat.

    Of findings, `findings` beside the columns of `schemas.EXPLANATIONS` has the truth.
    """
    method = rows.select("method").first()[0]
    picked = pick(rows, manifest, shown)
    return ContactSheet(
        model=manifest.identity,
        backbone=manifest.backbone,
        method=f"{method}: {METHODS[method]}",
        scale=task.scale,
        classes=tuple(
            class_panels(each, task.scale, manifest, task.plan.network.fit) for each in picked
        ),
        caveat=manifest.weights.caveat,
        is_of_findings=manifest.is_of_findings,
    )


def pick(rows: DataFrame, manifest: Manifest, shown: int) -> list[SheetClass]:
    """Pick films of each label that is a `target`, from rows with probabilities and truth.

    A film for which the model names no class is not picked, and not counted.
    """
    rows = rows.where(F.col("prediction").isNotNull())
    counts = {row[TARGET]: row["count"] for row in rows.groupBy(TARGET).count().collect()}
    best = [row.asDict() for row in _ranked(rows, manifest, shown).orderBy(PATH).collect()]
    return [
        SheetClass(
            label, counts[label], tuple(_kinds([f for f in best if f[TARGET] == label], shown))
        )
        for label in manifest.labels
        if label in counts
    ]


def _ranked(rows: DataFrame, manifest: Manifest, shown: int) -> DataFrame:
    """Keep the films that are near either end of their label, the right ones and the wrong ones."""
    sure = F.expr(f"element_at(probabilities, {TARGET})")
    differs = F.col(LABEL).isin(*manifest.labels) & (F.col(LABEL) != F.col(TARGET))
    is_wrong = (sure == F.col("confidence")) & differs
    if manifest.is_of_findings:
        is_wrong = _is_wrong_finding(rows, sure, manifest.thresholds)
    rows = rows.withColumns({SURE: sure, WRONG: F.coalesce(is_wrong, F.lit(False))})
    each = Window.partitionBy(TARGET, WRONG)
    ranks = {
        FROM_TOP: F.row_number().over(each.orderBy(F.desc(SURE), PATH)),
        FROM_BELOW: F.row_number().over(each.orderBy(SURE, PATH)),
    }
    return rows.withColumns(ranks).where(F.least(FROM_TOP, FROM_BELOW) <= shown)


def _is_wrong_finding(rows: DataFrame, sure: Column, thresholds: Mapping[str, float]) -> Column:
    """Tell where a film is said to have a finding that it has not, or the other way round."""
    if FINDINGS not in rows.columns:
        return F.lit(False)
    points = F.create_map(*(F.lit(part) for pair in thresholds.items() for part in pair))
    return (sure >= points[F.col(TARGET)]) != F.col(FINDINGS)[F.col(TARGET)]


def _kinds(films: Sequence[Film], shown: int) -> Iterator[tuple[str, tuple[Film, ...]]]:
    """Sort films of one label into shelves; none stands on two of them."""
    right, wrong = ([f for f in films if f[WRONG] is flag] for flag in (False, True))
    surest = _first(right, FROM_TOP, shown)
    rest = [film for film in right if film not in surest]
    yield "Most certain", surest
    yield "Least certain", _first(rest, FROM_BELOW, shown)
    yield "Wrong, most certain first", _first(wrong, FROM_TOP, shown)


def _first(films: Sequence[Film], rank: str, shown: int) -> tuple[Film, ...]:
    return tuple(sorted((f for f in films if f[rank] <= shown), key=lambda film: film[rank]))


def class_panels(picked: SheetClass, scale: float, manifest: Manifest, fit: Fit) -> ClassPanels:
    """Draw the films that were picked of a class."""
    shelves = tuple(
        Shelf(heading, tuple(_panel(film, scale, manifest, fit) for film in films))
        for heading, films in picked.kinds
    )
    return ClassPanels(picked.label, picked.films, shelves)


def _panel(film: Film, scale: float, manifest: Manifest, fit: Fit) -> Panel:
    shares, target = film["probabilities"], film[TARGET]
    return Panel(
        path=film[PATH].rsplit("/", 1)[-1],
        true=film[LABEL] or "",
        label=target,
        probability=shares[target],
        contrast=film["contrast"],
        # A finding is held against its absence, which is no class of its own.
        contrast_probability=shares.get(film["contrast"], 1 - shares[target]),
        margin=film["margin"],
        image=_drawn(film, scale, manifest.limits, fit),
        threshold=manifest.thresholds.get(target),
    )


def _drawn(row: Film, scale: float, limits: Limits, fit: Fit) -> bytes:
    """Draw film and heat side by side; nothing where the file is gone by now."""
    pixels = film_at(row[PATH], limits)
    if pixels is None:
        return b""
    film = bounded(pixels, LONGEST)
    field = np.asarray(row["map"], np.float32).reshape(row["map_height"], row["map_width"])
    box = Box(*row["map_box"]) if row["map_box"] else None
    grid = Grid(row["map_first"] or 0.0, row["map_step"] or 0.0, fit, box)
    both = film[..., None].repeat(3, 2), heated(film, field, scale, grid)
    return encode_jpeg(np.concatenate(both, axis=1), QUALITY)


def training_panels(
    predictions: DataFrame, plan: Plan, model: Output, shown: int
) -> tuple[tuple[ClassPanels, ...], str]:
    """Explain test films (`schemas.TEST_PREDICTIONS`) of each class; also say by which method.

    Of findings (`schemas.TEST_FINDINGS`) a film stands under the one that leads.
    """
    if not shown or plan.engine == TABLE:
        return (), ""
    manifest = read_manifest(model)
    predictor = read_predictor(model, manifest)
    most = min(shown, MOST_OF_TREES) if has_trees(predictor.head) else shown
    picked = pick(_with_target(predictions, manifest), manifest, most)
    paths = sorted({film[PATH] for each in picked for _, films in each.kinds for film in films})
    if not paths:  # every film has No Finding
        return (), ""
    task = ExplainTask(plan, predictor, manifest.limits, manifest.identity)
    files = films_of(predictions.sparkSession, paths, predictions, MAX_BYTES, AUTO).files
    rows = explained(files, task).collect()
    found: dict[str, Film] = {row[PATH]: row.asDict() for row in rows if row["map"]}
    if not found:
        return (), ""
    scale = scale_of(np.concatenate([film["map"] for film in found.values()]))
    whole = (_with_heat(each, found) for each in picked)
    panels = tuple(class_panels(each, scale, manifest, plan.network.fit) for each in whole)
    method = next(iter(found.values()))["method"]
    return panels, f"{method}, {METHODS[method]}; strongest colour: {scale:g}"


def _with_target(predictions: DataFrame, manifest: Manifest) -> DataFrame:
    """Name the class or finding of each film whose heat is shown."""
    if not manifest.is_of_findings:
        return predictions.withColumn(TARGET, F.col("prediction"))
    thresholds = dict(manifest.thresholds)

    def first(shares: dict[str, float]) -> str:
        return leading(shares, thresholds)

    named = predictions.where(F.col("prediction") != NO_FINDING)
    target = F.udf(first, "string", useArrow=False)(F.col("probabilities"))
    return named.withColumn(TARGET, target)


def _with_heat(picked: SheetClass, found: dict[str, Film]) -> SheetClass:
    """Bring heat to the films; one that cannot be read any more is left out."""
    kinds = tuple(
        (heading, tuple({**found[f[PATH]], **f} for f in films if f[PATH] in found))
        for heading, films in picked.kinds
    )
    return replace(picked, kinds=kinds)
