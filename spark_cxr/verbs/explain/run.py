"""The job explain: choose films, fix a scale, explain each in one pass, show some of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.metrics.wording import counted
from spark_cxr.model.attribution import METHODS, check_method
from spark_cxr.model.explanation import NOTICE, place_of, scale_of
from spark_cxr.model.model import Model
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.contact_sheet import TARGET, contact_sheet
from spark_cxr.pipeline.explanations import ExplainTask, explained
from spark_cxr.pipeline.film_tables import quarantine_of, unseen
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.scorer import open_scorer
from spark_cxr.pipeline.staging import staged
from spark_cxr.report.contact import contact_page
from spark_cxr.schemas import EXPLANATIONS, LABEL, PATH, QUARANTINE, columns
from spark_cxr.settings import Config
from spark_cxr.verbs.explain.films import Films, check_asked, choose_films, few_of, films_of

SHEET = "contact_sheet.html"
TABLE = "explanations"
DEFAULT_LONGEST = 768
"""Of overlays that another job asks for."""


@dataclass(frozen=True)
class Done:
    """What a run leaves behind."""

    rows: DataFrame
    """`schemas.EXPLANATIONS`"""
    task: ExplainTask
    method: str
    files: int
    n: int
    """Films that decode."""
    unexplained: int
    """Of these, the ones that are no X-ray: without --label there is no class to explain."""
    seconds: float
    """For decoding, explaining and drawing."""


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


def explain_paths(
    spark: SparkSession, scorer: Model, paths: Sequence[str], max_bytes: int, output: Output
) -> Done:
    """Explain and draw films that another job has picked."""
    told = spark.createDataFrame([(path, None) for path in paths], "path string, label string")
    films = films_of(spark, paths, told, max_bytes)
    task = ExplainTask(scorer.plan, scorer.judge, scorer.limits, scorer.manifest.identity)
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
    spark: SparkSession, films: Films, task: ExplainTask, max_bytes: int, output: Output
) -> Done:
    """Explain films in one pass; write `explanations/`, `quarantine/` and the overlays."""
    started = time.monotonic()
    with staged(output) as keep:
        with progress(spark, "explaining", films.count):
            seen = keep(explained(films.files, task))
        seconds = time.monotonic() - started
        lost = unseen(films.listed, seen, max_bytes).select(*columns(QUARANTINE))
        output.write_table(quarantine_of(seen).unionByName(lost), "quarantine")
        good = seen.where(F.col("reason").isNull()).drop(LABEL)
        named = good.join(films.truth, on=PATH, how="left")
        output.write_table(named.select(*columns(EXPLANATIONS)), TABLE)
    rows = spark.read.schema(EXPLANATIONS).parquet(output.table(TABLE))
    bad = spark.read.schema(QUARANTINE).parquet(output.table("quarantine")).count()
    n, unexplained = rows.count(), rows.where(F.col(TARGET).isNull()).count()
    _check_account(n, bad, films.count, output)
    method = rows.select("method").first()[0]
    return Done(rows, task, method, films.count, n, unexplained, seconds)


def _task(scorer: Model, cfg: Config, output: Output) -> ExplainTask:
    asked, manifest = cfg.explain, scorer.manifest
    if asked.label:
        place_of(asked.label, manifest.labels)
    return ExplainTask(
        plan=scorer.plan,
        judge=scorer.judge,
        limits=scorer.limits,
        model=manifest.identity,
        method=check_method(asked.method, scorer.judge.head),
        label=asked.label,
        exact=asked.exact,
        folder=output.address if asked.pictures else "",
        longest=asked.longest,
    )


def _check_account(n: int, bad: int, files: int, output: Output) -> None:
    if n + bad != files:
        way_out = "Run again when no one writes to the folders"
        raise InputError(f"a row for each of {files:,} files", f"{n + bad:,}", way_out)
    if not n:
        received = f"{counted(bad, 'file')}, all bad"
        way_out = f"See {output.table('quarantine')}"
        raise InputError("at least one film that decodes", received, way_out)


def _outcome(done: Done, scorer: Model, output: Output) -> Outcome:
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
