"""Panels for the report of a training: a few of its test films with the heat of their decision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.heads.portable.trees import Trees
from spark_cxr.metrics.results import ClassPanels
from spark_cxr.model.attribution import METHODS
from spark_cxr.model.explanation import scale_of
from spark_cxr.model.manifest import read_manifest
from spark_cxr.model.model import read_predictor
from spark_cxr.output import Output
from spark_cxr.pipeline.contact_sheet import TARGET, Film, SheetClass, class_panels, pick
from spark_cxr.pipeline.explain_films import films_of
from spark_cxr.pipeline.explanations import ExplainTask, explained
from spark_cxr.schemas import PATH

MAX_BYTES = 2**31
"""Of a film: those here were read before."""
MOST_OF_TREES = 1
"""Films of each kind for heads that take 65 passes a film."""


def training_panels(
    predictions: DataFrame, plan: Plan, model: Output, shown: int
) -> tuple[tuple[ClassPanels, ...], str]:
    """Explain test films (`schemas.TEST_PREDICTIONS`) of each class; also say by which method."""
    if not shown:
        return (), ""
    manifest = read_manifest(model)
    predictor = read_predictor(model, manifest)
    most = min(shown, MOST_OF_TREES) if isinstance(predictor.head, Trees) else shown
    named = predictions.withColumn(TARGET, F.col("prediction"))
    picked = pick(named, manifest.labels, most)
    paths = sorted({film[PATH] for each in picked for _, films in each.kinds for film in films})
    task = ExplainTask(plan, predictor, manifest.limits, manifest.identity)
    files = films_of(predictions.sparkSession, paths, predictions, MAX_BYTES).files
    seen = explained(files, task).collect()
    found: dict[str, Film] = {row[PATH]: row.asDict() for row in seen if row["map"]}
    if not found:
        return (), ""
    scale = scale_of(np.concatenate([film["map"] for film in found.values()]))
    whole = (_with_heat(each, found) for each in picked)
    panels = tuple(class_panels(each, scale, manifest.limits) for each in whole)
    method = next(iter(found.values()))["method"]
    return panels, f"{method}, {METHODS[method]}; strongest colour: {scale:g}"


def _with_heat(picked: SheetClass, found: dict[str, Film]) -> SheetClass:
    """Bring heat to the films; one that cannot be read any more is left out."""
    kinds = tuple(
        (heading, tuple({**found[f[PATH]], **f} for f in films if f[PATH] in found))
        for heading, films in picked.kinds
    )
    return replace(picked, kinds=kinds)
