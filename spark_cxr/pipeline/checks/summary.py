"""The checks that need tables only, and what comes with the films: split and names of labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError
from spark_cxr.metrics.checks import NOT_APPLICABLE, Check
from spark_cxr.output import absolute
from spark_cxr.pipeline.checks.demographics import check_demographics
from spark_cxr.pipeline.checks.findings import check_findings
from spark_cxr.pipeline.checks.near_duplicate_checks import NearDuplicateTables, check_twins
from spark_cxr.pipeline.checks.patients import check_patients
from spark_cxr.pipeline.checks.sources import check_sources
from spark_cxr.pipeline.label_match import match
from spark_cxr.pipeline.label_table import read_labels
from spark_cxr.pipeline.labels import NO_FILE, dataset_of, label_path, sets_of
from spark_cxr.pipeline.splits import SPLIT
from spark_cxr.schemas import LABEL, PATH
from spark_cxr.settings import Audit, Config

SPLIT_NAMES = ("split", "fold", "subset", "partition")
_FOLDERS = r"/(train|training|val|valid|validation|test|testing)/"


def with_manifest(cfg: Config) -> Config:
    """Use the manifest as the label file where no other and no earlier ingest is named."""
    if not cfg.audit.manifest or cfg.ingest.labels or cfg.features.table:
        return cfg
    return replace(cfg, ingest=replace(cfg.ingest, labels=cfg.audit.manifest))


def meanings(same_labels: Sequence[str]) -> dict[str, str]:
    """Read NAME=ONE+OTHER into the plain form of each label and the name that it is given."""
    found: dict[str, str] = {}
    for said in same_labels:
        name, equals, others = said.partition("=")
        words = [plain(word) for word in (name, *others.split("+"))]
        if not (equals and name.strip() and all(words)):
            way_out = "Write it like COVID-19=COVID+Covid_19"
            raise ConfigError("audit.same_labels as NAME=ONE+OTHER", said, way_out)
        found |= dict.fromkeys(words, name.strip())
    return found


def plain(label: str) -> str:
    """Reduce a label to its lower-case letters and digits."""
    return re.sub(r"[^\w]|_", "", label.lower())


def with_meanings(images: DataFrame, found: Mapping[str, str]) -> DataFrame:
    """Give labels that mean the same one name; where only one of them occurs, it stays."""
    here = {r[LABEL] for r in images.select(LABEL).distinct().collect() if r[LABEL] is not None}
    names = renamed(sorted(here), found)
    if not names:
        return images
    words = [F.lit(word) for pair in names.items() for word in pair]
    return images.withColumn(LABEL, F.coalesce(F.create_map(*words)[F.col(LABEL)], F.col(LABEL)))


def renamed(labels: Sequence[str], found: Mapping[str, str]) -> dict[str, str]:
    """Say which labels of a set have to be renamed, and how."""
    wanted = {label: found[plain(label)] for label in labels if plain(label) in found}
    shared = [name for name in wanted.values() if list(wanted.values()).count(name) > 1]
    return {label: name for label, name in wanted.items() if name in shared}


def with_split(spark: SparkSession, cfg: Config, images: DataFrame) -> DataFrame:
    """Add `split`: the side on which the publisher has put a film; null where none is known."""
    if SPLIT in images.columns:  # a table of vectors has said it
        return images
    rows = _split_rows(spark, cfg)
    folder = F.regexp_extract(F.lower(F.col(PATH)), _FOLDERS, 1)
    by_folder = F.when(folder != "", folder)
    if rows is None:
        return images.withColumn(SPLIT, by_folder)
    sides = match(images, rows).select(PATH, F.col(LABEL).alias(SPLIT))
    return images.join(sides, on=PATH, how="left")


def _split_rows(spark: SparkSession, cfg: Config) -> DataFrame | None:
    """Read the manifest as if the split were the label: files are found by the same keys."""
    dataset, address, column = dataset_of(cfg.ingest), cfg.audit.manifest, cfg.audit.split_column
    has_file = dataset.labels not in NO_FILE and len(sets_of(cfg.ingest)) == 1
    if has_file and not (address or cfg.features.table):
        address = label_path(cfg.ingest)
    if column and not address:
        way_out = "Name the CSV with --manifest"
        raise ConfigError("a CSV that has the column of the split", f"column {column}", way_out)
    if address and not column:
        header = spark.read.options(header="true").csv(absolute(address)).columns
        by_lower = {name.lower(): name for name in header}
        column = next((by_lower[name] for name in SPLIT_NAMES if name in by_lower), "")
    if not column:
        return None
    plain_set = replace(dataset, label_column=column, rules=(), keep=(), patient_column="")
    rows = read_labels(spark, address, plain_set)
    return rows.where(F.col(LABEL).isNotNull() & (F.trim(LABEL) != ""))


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
    # Each check reads them again; what leads to them, a label file perhaps, is read once.
    films, clusters = prepare_images(spark, cfg, images).persist(), clusters.persist()
    try:
        known = NearDuplicateTables(films, twins, clusters, cfg.audit.examples)
        return check_tables(known, cfg.audit, bool(cfg.ingest.findings))
    finally:
        films.unpersist()
        clusters.unpersist()


def audit_without_films(spark: SparkSession, cfg: Config, images: DataFrame) -> tuple[Check, ...]:
    """Check patients, split and sources as a table of vectors names them; twins need films."""
    films = prepare_images(spark, cfg, images).persist()
    sentence = "There were no films to compare: only vectors were given."
    title, brief = "Near-duplicates", "not checked: no films"
    unknown = Check("near_duplicates", title, NOT_APPLICABLE, sentence, brief=brief)
    try:
        sources = _check_sources(films, cfg.audit, bool(cfg.ingest.findings))
        return (unknown, *check_patients(films), *sources)
    finally:
        films.unpersist()


def prepare_images(spark: SparkSession, cfg: Config, images: DataFrame) -> DataFrame:
    """Add what comes with the films: one name for labels that mean the same, and `split`."""
    films = with_meanings(images.drop("looks"), meanings(cfg.audit.same_labels))
    return with_split(spark, cfg, films)


def check_tables(
    known: NearDuplicateTables, settings: Audit, of_findings: bool = False
) -> tuple[Check, ...]:
    """Run the checks on tables that have labels and `split` already."""
    people = check_patients(known.images)
    sources = _check_sources(known.images, settings, of_findings)
    return (*check_twins(known), *people, *sources)


def _check_sources(images: DataFrame, settings: Audit, of_findings: bool) -> tuple[Check, ...]:
    if of_findings:
        return check_findings(images, settings)
    return (check_sources(images, settings), *check_demographics(images, settings))
