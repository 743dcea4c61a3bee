"""Vectors made elsewhere in place of a network's: with the films beside them, or alone."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from functools import partial

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan, Used
from spark_cxr.datasets import LABEL_NAMES
from spark_cxr.errors import InputError, few, without_password
from spark_cxr.model.manifest import TABLE
from spark_cxr.model.model import no_network
from spark_cxr.output import KEY_VARIABLE, Output, pseudonym_key
from spark_cxr.pipeline.classes import read_classes
from spark_cxr.pipeline.earlier_run import open_earlier, with_its_films
from spark_cxr.pipeline.feature_cache import FeatureCache
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.few_near_duplicates import FEW
from spark_cxr.pipeline.ingest import IngestResult, account_of, ingest_step
from spark_cxr.pipeline.label_columns import PATIENTS
from spark_cxr.pipeline.label_match import EXAMPLES, keys_of, shortened
from spark_cxr.pipeline.label_table import normal_key, normal_view
from spark_cxr.pipeline.labels import (
    check_match,
    dataset_of,
    label_rows,
    labels_of_files,
    labels_of_words,
)
from spark_cxr.pipeline.reading import is_wanted
from spark_cxr.pipeline.session import expect_few
from spark_cxr.pipeline.splits import SPLIT, column_of
from spark_cxr.pipeline.staging import Keep, staged
from spark_cxr.pipeline.text_columns import composed, pseudonymised
from spark_cxr.pipeline.vector_rows import (
    DIGEST,
    KEY,
    RowCounts,
    check_rows,
    in_one_form,
    open_table,
    usable,
)
from spark_cxr.pipeline.vector_table import VectorFacts, VectorSource, VectorTable
from spark_cxr.schemas import FEATURE_ROWS, FEATURES, IMAGES, PATH, QUARANTINE, SHA256, columns
from spark_cxr.settings import Config, Ingest

LOG = logging.getLogger(__name__)

CAVEAT = "Its vectors are made elsewhere: nothing here can check how"
HEX_DIGEST = "^[0-9A-Fa-f]{64}$"
ROLES = {
    "own_label": LABEL_NAMES,
    "own_patient": PATIENTS,
    "own_source": ("source",),
    "own_view": ("view",),
    "own_group": ("group_id",),
    "own_sha256": ("sha256",),
}
"""What a table may say of its films, under names of our own, and its usual names of that."""


def has_films(cfg: Config) -> bool:
    """Tell whether films lie beside the vectors."""
    return bool(cfg.ingest.images or cfg.features.table)


def featurized_elsewhere(
    spark: SparkSession,
    cfg: Config,
    output: Output,
    ingested: IngestResult | None = None,
) -> tuple[Config, IngestResult, FeatureResult]:
    """Take vectors of a table; also give the settings that name them as the network.

    Args:
        spark: The session.
        cfg: Names the table, and the films, if there are any.
        output: Receives `features/`, and what ingesting leaves.
        ingested: The films, where they were ingested before.
    """
    started = time.monotonic()
    table, plain = open_table(spark, VectorSource.of(cfg.train))
    keeps = dataset_of(cfg.ingest).unmatched == "keep"  # not what an earlier ingest was given
    are_few = plain.count() <= FEW
    expect_few(spark, are_few)
    with staged(output, are_few) as keep:
        stands_alone = ingested is None and not has_films(cfg)
        own = _own_columns(table, cfg) if stands_alone else {}
        rows = keep(in_one_form(plain, table, own))
        counts = check_rows(rows, table, keeps)
        facts, good = _facts(table, counts), usable(rows, counts)
        if ingested is None and not stands_alone:  # only now: a wrong table costs no reading
            cfg, ingested = _ingested(spark, cfg, output)
        if ingested:
            labels = read_classes(cfg.train.classes).labels
            matched, facts = _matched(good, ingested, labels, facts, keep, keeps)
            films = ingested.images.join(matched, on=PATH, how="inner")
        else:
            ingested = _films_of_table(good, table, cfg, output)
            facts = replace(facts, has_films=False)
            films = ingested.images.withColumn(KEY, F.col(PATH))
        vectors = good.select(KEY, FEATURES)
        films = films.select(KEY, *(name for name in columns(FEATURE_ROWS) if name != FEATURES))
        made = vectors.join(films, on=KEY, how="inner").select(*columns(FEATURE_ROWS))
        output.write_table(made, FEATURES)
    found = spark.read.schema(FEATURE_ROWS).parquet(output.table(FEATURES))
    n, seconds = found.count(), time.monotonic() - started
    result = FeatureResult(found, n, n, _cache(facts), seconds, elsewhere=facts)
    cfg = replace(cfg, features=replace(cfg.features, backbone=facts.name))
    return cfg, ingested, result


def _ingested(spark: SparkSession, cfg: Config, output: Output) -> tuple[Config, IngestResult]:
    """Ingest the films, or take those of an earlier ingest."""
    if cfg.features.table:
        earlier = open_earlier(cfg.features.table, "--table", "images")
        return with_its_films(cfg, earlier, "--table"), account_of(spark, earlier.output)
    both = replace(cfg.ingest, images=(*cfg.ingest.images, *cfg.train.test_images))
    return cfg, ingest_step(spark, both, output)


def _facts(table: VectorTable, counts: RowCounts) -> VectorFacts:
    return VectorFacts(
        table=without_password(table.source.address),
        name=table.name,
        length=counts.length,
        digest=counts.digest,
        key=table.network_key,
        rows=counts.rows,
        unusable=counts.unusable,
        caveat=table.caveat,
    )


def _cache(facts: VectorFacts) -> FeatureCache:
    """Stand in for the network, with a key that no other vectors have."""
    origin = f"a table of vectors, SHA-256 {facts.digest[:16]}"
    caveat = f"{facts.caveat}. {CAVEAT}" if facts.caveat else CAVEAT
    network = no_network(facts.name, facts.length, facts.digest, origin, caveat)
    return FeatureCache(Plan(network, precision="f32"), Used(TABLE, "elsewhere", "f32", 0, 0))


# With films


def _matched(
    rows: DataFrame,
    ingested: IngestResult,
    labels: tuple[str, ...],
    facts: VectorFacts,
    keep: Keep,
    keeps: bool,
) -> tuple[DataFrame, VectorFacts]:
    """Find the film of each row, by path, file name, stem or digest; and count what is alone."""
    keys = rows.select(KEY, _normal(F.col(KEY)).alias("key"))
    images = ingested.images
    digests = images.select(PATH, F.lit(-1).alias("depth"), F.col(SHA256).alias("key"))
    candidates = keys_of(images).unionByName(digests).join(keys, on="key", how="inner")
    best = F.max_by(KEY, F.col("depth")).alias(KEY)
    matched = keep(candidates.groupBy(PATH).agg(best))
    _check_clear(matched.join(images.select(PATH, SHA256), on=PATH, how="inner"), facts)
    bad = rows.sparkSession.read.schema(QUARANTINE).parquet(_quarantine_of(ingested))
    aside = keys_of(bad).select("key").union(bad.select(SHA256))
    lonely = keys.join(matched, on=KEY, how="left_anti").join(aside, on="key", how="left_anti")
    wanted = images.where(is_wanted(labels))
    bare = wanted.join(matched, on=PATH, how="left_anti")
    facts = replace(facts, unmatched=lonely.count(), without=bare.count())
    if facts.unmatched or facts.without:
        line = _alone(lonely, bare, facts)
        if not keeps:
            way_out = (
                "Correct the table, name another column with --features-key, or go on with what "
                "they share: --unmatched keep"
            )
            raise InputError("a vector for each film and back", line, way_out)
        LOG.warning(f"vectors: {line}")
    return matched, facts


def _quarantine_of(ingested: IngestResult) -> str:
    return f"{ingested.twins.removesuffix('/twins')}/quarantine"


def _normal(key: Column) -> Column:
    return F.when(key.rlike(HEX_DIGEST), F.lower(key)).otherwise(normal_key(composed(key)))


def _check_clear(matched: DataFrame, facts: VectorFacts) -> None:
    """Refuse keys that name films of several contents; copies of one film share its vector."""
    films = matched.groupBy(KEY).agg(F.count_distinct(SHA256).alias("films"))
    several = films.where(F.col("films") > 1)
    if count := several.count():
        first = several.orderBy(KEY).limit(EXAMPLES).collect()
        named = ", ".join(f"{shortened(row[KEY])} names {row['films']:,}" for row in first)
        received = f"--features={facts.table}: {count:,} keys of several films ({named})"
        way_out = "Name a column that says more, a path or sha256, with --features-key"
        raise InputError("keys that name one film each", received, way_out)


def _alone(lonely: DataFrame, bare: DataFrame, facts: VectorFacts) -> str:
    names = [row[KEY] for row in lonely.orderBy(KEY).limit(EXAMPLES).collect()]
    names += [row[PATH] for row in bare.select(PATH).orderBy(PATH).limit(EXAMPLES).collect()]
    shown = few([shortened(name) for name in names])
    return (
        f"{facts.unmatched:,} rows without a film, {facts.without:,} films without a vector "
        f"({shown})"
    )


# Without films


def _own_columns(table: VectorTable, cfg: Config) -> dict[str, str]:
    """Find what the table says of its films, and the column that a split names."""
    own = {role: found for role, names in ROLES.items() if (found := table.find(names))}
    splits = (column_of(by) for by in (cfg.train.split, *cfg.compare.splits))
    extra = {name for name in (SPLIT, *splits) if name in table.columns}
    return own | {name: name for name in sorted(extra - {table.key, table.column})}


def _films_of_table(
    rows: DataFrame, table: VectorTable, cfg: Config, output: Output
) -> IngestResult:
    """Write the table `images` of what the vectors' own table says, and of a label file."""
    spark, settings = rows.sparkSession, cfg.ingest
    key = pseudonym_key(output, os.environ.get(KEY_VARIABLE))
    files = rows.select(F.col(KEY).alias(PATH))
    label_file = label_rows(spark, settings, key)
    if label_file is None and not settings.labels and "own_label" in rows.columns:
        said = rows.select(F.col(KEY).alias(PATH), "own_label")
        labels = labels_of_words(said, composed(F.trim("own_label")), settings)
    else:
        labels = labels_of_files(files, label_file, settings)
        if remark := check_match(files, labels, label_file, settings):
            LOG.warning(remark)
    films = _with_facts(rows, labels, table, settings, key)
    kinds = dict(word.split() for word in IMAGES.split(", "))
    known = [F.col(n) if n in films.columns else F.lit(None) for n in kinds]
    cast = [column.cast(kinds[n]).alias(n) for n, column in zip(kinds, known, strict=True)]
    # Columns that a split names stand beside ours, for this run.
    extra = [name for name in _extra(rows) if name not in kinds]
    output.write_table(films.select(*cast, *extra), "images")
    empty = spark.createDataFrame([], QUARANTINE)
    output.write_table(empty, "quarantine")
    done = account_of(spark, output)
    images = spark.read.parquet(output.table("images"))
    return replace(done, images=images, has_films=False)


def _extra(rows: DataFrame) -> list[str]:
    return [name for name in rows.columns if name not in (KEY, FEATURES, DIGEST, *ROLES)]


def _with_facts(
    rows: DataFrame,
    labels: DataFrame,
    table: VectorTable,
    settings: Ingest,
    key: bytes,
) -> DataFrame:
    """Say of each row what a film's row says, as far as it is known; ids become pseudonyms."""
    pseudonym = pseudonymised(key)
    own = partial(_own, rows)
    said = labels.withColumnsRenamed({"label": "file_label", "key": "file_key"})
    films = rows.withColumn(PATH, F.col(KEY)).join(said, on=PATH, how="left")
    label = F.col("file_label")
    regex = dataset_of(settings).patient_regex
    in_path = F.regexp_extract(PATH, regex, 1) if regex else F.lit(None).cast("string")
    digest = F.lower(own("own_sha256"))
    films = films.withColumns(
        {
            "label": F.when(label != "", label),
            "source": F.coalesce("file_source", own("own_source"), F.lit(table.name)),
            "patient_id": F.coalesce(
                F.col("file_patient"), pseudonym(own("own_patient")), pseudonym(in_path)
            ),
            "view": F.coalesce("file_view", normal_view(own("own_view"))),
            # The film's, where the table says it: then splits are those of the films themselves.
            SHA256: F.when(digest.rlike(HEX_DIGEST), digest).otherwise(F.col(DIGEST)),
            "flags": F.array().cast("array<string>"),
        }
    )
    group = F.coalesce(pseudonym(own("own_group")), F.col("patient_id"), F.col(DIGEST))
    return films.withColumn("group_id", group)


def _own(rows: DataFrame, name: str) -> Column:
    return F.col(name) if name in rows.columns else F.lit(None).cast("string")
