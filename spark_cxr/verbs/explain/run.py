"""The job explain: choose films, fix a scale, explain each in one pass, show some of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr.model.attribution import METHODS, check_method
from spark_cxr.model.explanation import NOTICE, place_of
from spark_cxr.model.model import Model
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.explanations import (
    ExplainResult,
    ExplainTask,
    explain_films,
    few_of,
    find_scale,
)
from spark_cxr.pipeline.pictures import contact_sheet
from spark_cxr.pipeline.scorer import open_scorer
from spark_cxr.pipeline.staging import staged
from spark_cxr.report.contact import contact_page
from spark_cxr.settings import Config
from spark_cxr.verbs.explain.films import check_asked, choose_films

SHEET = "contact_sheet.html"


def explain_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Explain the films of folders or of a table; leave overlays, tables and a contact sheet."""
    asked = cfg.explain
    check_asked(cfg)
    scorer = open_scorer(spark, asked.model, asked.batch_size, asked.device)
    task = _task(scorer, cfg, output)
    with staged(output) as keep:
        films = choose_films(spark, cfg, keep)
        task = replace(task, scale=asked.scale or find_scale(few_of(spark, films), task))
        done = explain_films(spark, films, task, cfg.ingest.max_bytes, output)
    sheet = contact_sheet(done.rows, scorer.manifest, task, asked.shown)
    output.write_text(SHEET, contact_page(sheet))
    return _outcome(done, scorer, output)


def _task(scorer: Model, cfg: Config, output: Output) -> ExplainTask:
    asked, manifest = cfg.explain, scorer.manifest
    if asked.label:
        place_of(asked.label, manifest.labels)
    return ExplainTask(
        plan=scorer.plan,
        predictor=scorer.predictor,
        limits=scorer.limits,
        model=manifest.identity,
        method=check_method(asked.method, scorer.predictor.head),
        label=asked.label,
        exact=asked.exact,
        folder=output.address if asked.pictures else "",
        longest=asked.longest,
    )


def _outcome(done: ExplainResult, scorer: Model, output: Output) -> Outcome:
    speed = done.n / done.seconds
    counts: dict[str, Any] = {
        "model": done.task.model,
        "files": done.files,
        "explained": done.n - done.unexplained,
        "no_xray": done.unexplained,
        "quarantined": done.files - done.n,
        "method": done.method,
        "scale": done.task.scale,
        "images_per_second": round(speed, 1),
        "sheet": output.table(SHEET),
        "caveat": scorer.manifest.weights.caveat,
    }
    lines = [
        f"{done.files:,} files: {done.n - done.unexplained:,} explained, "
        f"{done.unexplained:,} without a class, because they are no X-rays, "
        f"{done.files - done.n:,} quarantined, {speed:,.1f} images/s",
        f"{done.method}: {METHODS[done.method]}",
        f"strongest colour: {done.task.scale:g} for the label, -{done.task.scale:g} against it",
        f"contact sheet: {output.table(SHEET)}",
        *filter(None, [scorer.manifest.weights.caveat]),
        NOTICE,
    ]
    return Outcome(counts, "\n".join(lines))
