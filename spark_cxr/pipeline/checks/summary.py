"""The checks that need tables only: cheap enough for every training and comparison."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from spark_cxr.metrics.checks import Check
from spark_cxr.pipeline.checks.manifest import meanings, with_meanings, with_split
from spark_cxr.pipeline.checks.near_duplicate_checks import NearDuplicateTables, check_twins
from spark_cxr.pipeline.checks.patients import check_patients
from spark_cxr.pipeline.checks.sources import check_sources
from spark_cxr.settings import Audit, Config


def audit_summary(
    spark: SparkSession, cfg: Config, images: DataFrame, twins: DataFrame, clusters: DataFrame
) -> tuple[Check, ...]:
    """Check twins, patients, splits and sources of ingested films; no network, no file is read.

    Args:
        spark: The session of the tables.
        cfg: Says where the manifest is, which labels mean the same, and when checks warn or fail.
        images: `schemas.IMAGES`; read several times, as are the others.
        twins: `schemas.TWINS`, of these films.
        clusters: `schemas.CLUSTERS`, of these twins.
    """
    told = told_films(spark, cfg, images)
    return check_tables(NearDuplicateTables(told, twins, clusters, cfg.audit.examples), cfg.audit)


def told_films(spark: SparkSession, cfg: Config, images: DataFrame) -> DataFrame:
    """Add what comes with the films: one name for labels that mean the same, and `split`."""
    films = with_meanings(images.drop("looks"), meanings(cfg.audit.same_labels))
    return with_split(spark, cfg, films)


def check_tables(known: NearDuplicateTables, settings: Audit) -> tuple[Check, ...]:
    """Run the checks on tables that have labels and `split` already."""
    people = check_patients(known.images)
    return (*check_twins(known), *people, check_sources(known.images, settings))
