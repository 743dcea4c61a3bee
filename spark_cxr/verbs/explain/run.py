"""The job explain: choose films, fix a scale, explain each in one pass, show some of them."""

from __future__ import annotations

import logging
from dataclasses import astuple, replace
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.boxes import OVERLAP_AT
from spark_cxr.metrics.boxes import BoxReport, measure_boxes
from spark_cxr.metrics.wording import counted
from spark_cxr.model.attribution import METHODS, check_method
from spark_cxr.model.explanation import NOTICE, place_of
from spark_cxr.model.model import Model
from spark_cxr.output import Outcome, Output, absolute
from spark_cxr.pipeline.box_heat import boxed_findings
from spark_cxr.pipeline.boxes import BoxFile, read_boxes
from spark_cxr.pipeline.explanations import (
    ExplainResult,
    ExplainTask,
    FilmsToExplain,
    explain_films,
    few_of,
    films_of,
    find_scale,
)
from spark_cxr.pipeline.labels import check_match, dataset_of, label_rows, labels_of_files
from spark_cxr.pipeline.pictures import contact_sheet
from spark_cxr.pipeline.readers import choose_reader, read_files
from spark_cxr.pipeline.scorer import open_scorer
from spark_cxr.pipeline.sources import list_files
from spark_cxr.pipeline.staging import Keep, staged
from spark_cxr.report.boxes import box_lines
from spark_cxr.report.contact import contact_page
from spark_cxr.schemas import FINDINGS, HEAT_IN_BOXES, LABEL, PATH
from spark_cxr.settings import Config, Explain

LOG = logging.getLogger(__name__)

SHEET = "contact_sheet.html"
BOXES = "boxes"
"""The table of heat in boxes, and beside it the figures as JSON."""


def check_settings(cfg: Config) -> None:
    """Refuse an explanation without a model, or with films from two places or none."""
    settings = cfg.explain
    if not settings.model:
        raise ConfigError("--model DIR", "none", "Say --model DIR")
    if bool(cfg.ingest.images) == bool(settings.table):
        received = "both" if settings.table else "neither"
        raise ConfigError("--images or --table", received, "Name the one whose films to explain")
    if settings.where and not settings.table:
        raise ConfigError("--where with a --table", settings.where, "Name the table of predictions")
    if (settings.boxes_size or settings.box_findings) and not settings.boxes:
        name = "--boxes-size" if settings.boxes_size else "--box-findings"
        raise ConfigError(f"{name} with --boxes", "no --boxes", "Name the file of boxes")


def explain_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Explain the films of folders or of a table; leave overlays, tables and a contact sheet."""
    check_settings(cfg)
    settings = cfg.explain
    scorer = open_scorer(
        spark, settings.model, settings.batch_size, settings.device, settings.require_signature
    )
    task, manifest = _task(scorer, settings, output), scorer.manifest
    if manifest.is_of_findings:  # which labels are to be read as, too
        cfg = replace(cfg, ingest=replace(cfg.ingest, findings=cfg.ingest.findings or ("all",)))
    with staged(output) as keep:
        boxes, table = task.boxes, settings.table
        films = _of_table(spark, cfg, boxes) if table else _of_folders(spark, cfg, boxes, keep)
        task = replace(task, scale=settings.scale or find_scale(few_of(spark, films), task))
        done = explain_films(spark, films, task, cfg.ingest.max_bytes, output)
        rows = _with_findings(done.rows, films.truth) if manifest.is_of_findings else done.rows
        sheet = contact_sheet(rows, manifest, task, settings.shown)
    report = _against_boxes(spark, cfg, done, output)
    output.write_text(SHEET, contact_page(sheet, report))
    return _outcome(done, scorer, output, report)


def _against_boxes(
    spark: SparkSession, cfg: Config, done: ExplainResult, output: Output
) -> BoxReport | None:
    """Measure the heat against boxes; leave the figures, and a table of what they are made of."""
    if not done.task.boxes:
        return None
    regex = dataset_of(cfg.ingest).patient_regex
    found = boxed_findings(done.boxed, done.task.boxes, regex)
    report = measure_boxes(found, done.method, OVERLAP_AT, cfg.run.seed)
    rows = [
        (film.path, each.finding, each.boxes, each.named, *astuple(each.heat))
        for film in done.boxed
        for each in film.findings
    ]
    output.write_table(spark.createDataFrame(rows, HEAT_IN_BOXES), BOXES)
    output.write_json(f"{BOXES}.json", report.to_json())
    return report


def _task(scorer: Model, settings: Explain, output: Output) -> ExplainTask:
    manifest = scorer.manifest
    if settings.label:
        place_of(settings.label, manifest.labels)
    boxes = None
    if settings.boxes:
        drawn = read_boxes(settings.boxes, settings.boxes_size)
        boxes = drawn.named_as(manifest.labels, settings.box_findings)
    return ExplainTask(
        plan=scorer.plan,
        predictor=scorer.predictor,
        limits=scorer.limits,
        model=manifest.identity,
        method=check_method(settings.method, scorer.predictor.head),
        label=settings.label,
        exact=settings.exact,
        folder=output.address if settings.pictures else "",
        longest=settings.longest,
        boxes=boxes,
    )


def _outcome(
    done: ExplainResult, scorer: Model, output: Output, boxes: BoxReport | None
) -> Outcome:
    speed = done.n / done.times.seconds
    counts: dict[str, Any] = {
        "model": done.task.model,
        "files": done.files,
        "explained": done.n - done.unexplained,
        "no_xray": done.unexplained,
        "quarantined": done.files - done.n,
        "read": done.reader,
        "times": done.times.to_json(),
        "method": done.method,
        "scale": done.task.scale,
        "images_per_second": round(speed, 1),
        "sheet": output.table(SHEET),
        "caveat": scorer.manifest.weights.caveat,
    }
    if boxes:
        counts[BOXES] = boxes.to_json()["pooled"]
    lines = [
        f"{done.files:,} files: {done.n - done.unexplained:,} explained, "
        f"{done.unexplained:,} without a class, because they are no X-rays, "
        f"{done.files - done.n:,} quarantined, {speed:,.1f} images/s",
        f"{done.method}: {METHODS[done.method]}",
        f"strongest colour: {done.task.scale:g} for the label, -{done.task.scale:g} against it",
        *(box_lines(boxes) if boxes else []),
        f"contact sheet: {output.table(SHEET)}",
        *done.times.lines,
        *filter(None, [scorer.manifest.weights.caveat]),
        NOTICE,
    ]
    return Outcome(counts, "\n".join(lines))


def _of_folders(
    spark: SparkSession, cfg: Config, boxes: BoxFile | None, keep: Keep
) -> FilmsToExplain:
    settings = cfg.ingest
    leave_out = dataset_of(settings).leave_out
    listing = list_files(spark, settings.images, leave_out)
    if listing.passed_over.counts:
        LOG.info(str(listing.passed_over))
    listed = listing.table(spark)
    labels = label_rows(spark, settings)
    labels = labels if labels is None else keep(labels)
    labelled = labels_of_files(listed, labels, settings)
    if remark := check_match(listed, labelled, labels, settings):
        LOG.warning(remark)
    if cfg.explain.limit or boxes:
        some = _some(listed, cfg.explain.limit, boxes)
        return films_of(spark, some, labelled, settings.max_bytes, settings.read)
    reader = choose_reader(spark, settings.read, listing.found)
    files = read_files(spark, settings.images, settings.max_bytes, leave_out, listing, reader)
    truth = labelled.select(PATH, LABEL, FINDINGS)
    return FilmsToExplain(listed, files, truth, listing.count, reader)


def _of_table(spark: SparkSession, cfg: Config, boxes: BoxFile | None) -> FilmsToExplain:
    address = cfg.explain.table
    try:
        rows = spark.read.parquet(absolute(address))
    except AnalysisException as error:
        received = f"--table={address} ({str(error).splitlines()[0]})"
        raise InputError("a table of predictions", received, "Name one of score") from None
    if PATH not in rows.columns:
        received = f"--table={address} with {', '.join(rows.columns)}"
        raise InputError("a table with a column path", received, "Name one of score")
    try:
        picked = rows.where(cfg.explain.where) if cfg.explain.where else rows
        truth = [F.first(LABEL if LABEL in rows.columns else F.lit(None).cast("string"))]
        if dict(rows.dtypes).get(FINDINGS) == "map<string,boolean>":
            truth.append(F.first(FINDINGS))
        # A film has a row for each model and content that it was scored with.
        known = [each.alias(name) for each, name in zip(truth, (LABEL, FINDINGS), strict=False)]
        films = picked.groupBy(PATH).agg(*known)
        listed = _some(films.select(PATH), cfg.explain.limit, boxes)
    except AnalysisException as error:
        received = f"--where {cfg.explain.where!r} ({str(error).splitlines()[0]})"
        expected = f"a condition on {', '.join(rows.columns)}"
        raise ConfigError(expected, received, "Correct the condition") from None
    return films_of(spark, listed, films, cfg.ingest.max_bytes, cfg.ingest.read)


def _with_findings(rows: DataFrame, truth: DataFrame) -> DataFrame:
    """Put beside explanations what is known of the films' findings."""
    if FINDINGS not in truth.columns:
        return rows
    return rows.join(truth.select(PATH, FINDINGS), on=PATH, how="left")


def _some(listed: DataFrame, limit: int, boxes: BoxFile | None) -> list[str]:
    """Draw films by hash of their path: of those with a box, where boxes are known."""
    chosen = listed.select(PATH).orderBy(F.xxhash64(PATH), PATH)
    if boxes is None:
        return [row[PATH] for row in (chosen.limit(limit) if limit else chosen).collect()]
    paths = [row[PATH] for row in chosen.collect()]
    boxed = [path for path in paths if boxes.of(path)]
    if not boxed:
        received = f"none of {counted(len(paths), 'film')}, and {boxes.count:,} boxes"
        way_out = "Check that --boxes names films by path, file name or stem"
        raise InputError("films that have boxes", received, way_out)
    return boxed[:limit] if limit else boxed
