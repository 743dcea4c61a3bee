"""Scores that a model gave earlier, held against labels that came later: no film is read again."""

from __future__ import annotations

import os
from dataclasses import replace

from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.choices import DELTA
from spark_cxr.errors import InputError, few
from spark_cxr.metrics import Overlap
from spark_cxr.model.manifest import Manifest
from spark_cxr.output import KEY_VARIABLE, Output, absolute, locate, pseudonym_key
from spark_cxr.pipeline.labels import check_match, dataset_of, label_rows, labels_of_files
from spark_cxr.pipeline.sources import source_of
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import EVALUATED, LABEL, PATH, SCORE_QUARANTINE, SCORES, SHA256, columns
from spark_cxr.settings import Ingest
from spark_cxr.verbs.evaluate.films import EvaluationSource, with_findings
from spark_cxr.verbs.watch.table import DELTA_LOG, check_scores

NOT_LOOKED_FOR = (
    "A score table has no fingerprints of films, so films of the training and their "
    "near-duplicates were not looked for: evaluate --images does."
)
QUARANTINE = "_quarantine"


def evaluated_scores(
    spark: SparkSession, settings: Ingest, table: str, manifest: Manifest, output: Output
) -> EvaluationSource:
    """Join labels to the newest score of each film, and leave `predictions/`.

    Raises:
        InputError: There is no such table, no score of this model in it, or no label file.
    """
    # A table holds what was scored on other days as well.
    settings = replace(settings, unmatched=settings.unmatched or "keep")
    settings = with_findings(settings, manifest)
    key = pseudonym_key(output, os.environ.get(KEY_VARIABLE))
    with staged(output) as keep:
        scores, rows = keep(_scores_of(spark, table, manifest)), label_rows(spark, settings, key)
        if rows is None:
            raise InputError("--labels FILE with --table", "none", "Say --labels FILE.csv")
        rows = keep(rows)
        labels = keep(labels_of_files(scores, rows, settings))
        remark = check_match(scores, labels, rows, settings)
        known = keep(_labelled(scores, labels, settings))
        output.write_table(known, "predictions")
        lost = _quarantined(spark, table, manifest.identity)
        unreadable = labels_of_files(lost, rows, settings).count() if lost else 0
        scored, labelled = scores.count(), known.count()
        patients = labels.select("file_patient").distinct().where("file_patient is not null")
        n_patients = patients.count()
    if not labelled:
        received = f"none of {scored:,} films in {table}"
        raise InputError("labels of films in --table", received, "Check --labels and --key-column")
    return EvaluationSource(
        files=scored + unreadable,
        images=labelled,
        patients=n_patients or None,
        unreadable=unreadable,
        reasons=(),
        knows_training=False,
        overlap=Overlap(manifest.backbone, labelled, None, None),
        caveats=(NOT_LOOKED_FOR,),
        lines=(remark,) if remark else (),
    )


def _scores_of(spark: SparkSession, table: str, manifest: Manifest) -> DataFrame:
    """Take the newest score of each film by this model."""
    if not _is_delta(table):
        check_scores(table)
    rows = _read(spark, table, SCORES)
    mine = rows.where(F.col("model") == manifest.identity)
    if not mine.limit(1).count():
        others = [row["model"] for row in rows.select("model").distinct().limit(20).collect()]
        received = few(sorted(others)) or "none"
        way_out = "Name with --model the directory that --table was scored with"
        raise InputError(f"scores of {manifest.identity} in {table}", received, way_out)
    newest = F.max_by(F.struct(*columns(SCORES)), F.struct("scored_at", SHA256)).alias("row")
    return mine.groupBy(PATH).agg(newest).select("row.*")


def _read(spark: SparkSession, table: str, ddl: str) -> DataFrame:
    address = absolute(table).rstrip("/")
    if _is_delta(address):
        return spark.read.format(DELTA).load(address).select(*columns(ddl))
    return spark.read.schema(ddl).parquet(address)


def _is_delta(table: str) -> bool:
    store, place = locate(f"{absolute(table).rstrip('/')}/{DELTA_LOG}")
    return bool(store.get_file_info(place).type == fs.FileType.Directory)


def _labelled(scores: DataFrame, labels: DataFrame, settings: Ingest) -> DataFrame:
    """Give the scored films that have a label (`schemas.EVALUATED`)."""
    patient = F.col("file_patient")
    rows = scores.join(labels, on=PATH, how="inner").where(F.col(LABEL).isNotNull())
    known = {
        "source": F.coalesce("file_source", source_of(settings.images, dataset_of(settings).name)),
        "group_id": F.coalesce(patient, F.col(SHA256)),
        "view": F.col("file_view"),
        "learned": F.lit(None).cast("string"),
    }
    return rows.withColumns(known).select(*columns(EVALUATED))


def _quarantined(spark: SparkSession, table: str, model: str) -> DataFrame | None:
    """Give the files that this model could not score; None where there never was one."""
    address = f"{absolute(table).rstrip('/')}/{QUARANTINE}"
    store, place = locate(address)
    if store.get_file_info(place).type == fs.FileType.NotFound:
        return None
    rows = _read(spark, address, SCORE_QUARANTINE)
    return rows.where(F.col("model") == model).select(PATH).distinct()
