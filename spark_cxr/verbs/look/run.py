"""`look`, and the end of every ingest: the page films.html, and the same counts on the console."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from spark_cxr.metrics.vector_map import VectorMap
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.checks.summary import audit_summary
from spark_cxr.pipeline.earlier_run import open_earlier
from spark_cxr.pipeline.first_look import first_look
from spark_cxr.pipeline.ingest import IngestResult, ingest_step
from spark_cxr.pipeline.near_duplicates import clusters
from spark_cxr.pipeline.vector_maps import map_of_films
from spark_cxr.report.first_look import PAGE, first_look_page
from spark_cxr.schemas import FEATURE_ROWS, FEATURES, QUARANTINE, TWINS
from spark_cxr.settings import Config


def look_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest films, and show what they are."""
    done = ingest_step(spark, cfg.ingest, output)
    return with_look(spark, cfg, output, done, Outcome(done.counts(), "\n".join(done.lines())))


def with_look(
    spark: SparkSession, cfg: Config, output: Output, done: IngestResult, outcome: Outcome
) -> Outcome:
    """Add the page to what an ingest has left, and its counts to what that said."""
    if not cfg.look.films_a_class:
        return outcome
    twins = spark.read.schema(TWINS).parquet(done.twins)
    quarantine = spark.read.schema(QUARANTINE).parquet(output.table("quarantine"))
    checks = audit_summary(spark, cfg, done.images, twins, clusters(twins))
    films = cfg.look.films_a_class
    maps = _maps(spark, cfg)
    look = first_look(spark, done, quarantine, cfg.ingest, films, checks, maps)
    output.write_text(PAGE, first_look_page(look))
    counts = {**outcome.counts, "looked_at": look.sampled, "warnings": len(list(look.warnings()))}
    return replace(outcome, counts=counts, text="\n".join((outcome.text, *look.lines())))


def _maps(spark: SparkSession, cfg: Config) -> list[VectorMap]:
    """Map the vectors of an earlier run, where one is named."""
    if not cfg.look.vectors:
        return []
    earlier = open_earlier(cfg.look.vectors, "--vectors", FEATURES)
    rows = spark.read.schema(FEATURE_ROWS).parquet(earlier.output.table(FEATURES))
    first = rows.first()
    if first is None:
        return []
    backbone = earlier.features["backbone"]
    return [map_of_films(rows, len(first[FEATURES]), cfg.run.seed, backbone=backbone)]
