"""The whole audit: ingest, tables, network, audit.json, page."""

from __future__ import annotations

import time
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession

from spark_cxr.backbones import user_network as own
from spark_cxr.errors import ConfigError
from spark_cxr.metrics.checks import Check, count_statuses
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.checks.near_duplicate_checks import NearDuplicateTables
from spark_cxr.pipeline.checks.summary import check_tables, meanings, prepare_images, with_manifest
from spark_cxr.pipeline.film_run import limits_of
from spark_cxr.pipeline.near_duplicates import clusters, conflicts
from spark_cxr.pipeline.progress import stage
from spark_cxr.pipeline.staging import Keep, staged
from spark_cxr.schemas import CONFLICTS, TWINS
from spark_cxr.settings import Config
from spark_cxr.verbs.audit.films import (
    LEAST_GROUPS,
    AuditFilms,
    CopiesOf,
    films_to_audit,
    show_films,
    usable_labels,
)
from spark_cxr.verbs.audit.finding_network import (
    check_finding_network,
    dealt_out,
    usable_findings,
)
from spark_cxr.verbs.audit.network import check_learned, check_network, not_checked
from spark_cxr.verbs.audit.results import AuditResult, counts_of, page_of, summary_of, with_pictures

LISTED = 1000
"""Conflicts in audit.json; the table `conflicts` has all."""


def audit_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Audit films and labels; leave audit.json, report.html and the tables behind them."""
    check_settings(cfg)
    done = _run(spark, cfg, output)
    output.write_json("audit.json", counts_of(done))
    pictured = replace(done, checks=with_pictures(done.checks, limits_of(cfg.ingest)))
    output.write_text("report.html", page_of(pictured, spark.version))
    counts = {
        "checks": count_statuses(done.checks),
        "files": done.ingested.files,
        "images": done.ingested.n_images,
        "quarantined": done.ingested.quarantined,
    }
    return Outcome(counts, summary_of(done, output.table("report.html")))


def check_settings(cfg: Config) -> None:
    """Refuse what an audit does not do."""
    meanings(cfg.audit.same_labels)
    if cfg.features.cache:
        way_out = "Leave --cache out: vectors of altered films are not kept"
        raise ConfigError("an audit without --cache", cfg.features.cache, way_out)
    card = own.find_wanted(cfg.features).card
    if card and card.fit != "squash":
        received = f"{cfg.features.backbone} with fit = {card.fit}"
        way_out = "Audit the data with another network"
        raise ConfigError("a network that sees whole films, to alter them", received, way_out)


def _run(spark: SparkSession, given: Config, output: Output) -> AuditResult:
    """Run all checks: those on tables over all films, those of the network over some."""
    started = time.monotonic()
    with (
        films_to_audit(spark, with_manifest(given), output) as (cfg, ingested, copies_of),
        staged(output) as keep,
    ):
        films = keep(prepare_images(spark, cfg, ingested.images))
        twins = spark.read.schema(TWINS).parquet(ingested.twins)
        known = NearDuplicateTables(films, twins, keep(clusters(twins)), cfg.audit.examples)
        output.write_table(conflicts(known.images, known.clusters), "conflicts")
        stage("checking the tables")
        checks = check_tables(known, cfg.audit, bool(cfg.ingest.findings))
        more, shown = _network(spark, cfg, known.images, ingested.images, output, copies_of, keep)
    contradictions = spark.read.schema(CONFLICTS).parquet(output.table("conflicts"))
    first = contradictions.orderBy("cluster_id", "path_a", "path_b").limit(LISTED)
    return AuditResult(
        command=given,
        cfg=cfg,
        ingested=ingested,
        checks=(*checks, *more),
        shown=shown,
        conflicts=tuple(row.asDict() for row in first.collect()),
        n_conflicts=contradictions.count(),
        seconds=time.monotonic() - started,
    )


def _network(
    spark: SparkSession,
    cfg: Config,
    images: DataFrame,
    films: DataFrame,
    output: Output,
    copies_of: CopiesOf,
    keep: Keep,
) -> tuple[tuple[Check, ...], AuditFilms | None]:
    if cfg.ingest.findings:
        return _network_of_findings(spark, cfg, images, films, output, copies_of, keep)
    labels, left_out = usable_labels(images)
    if len(labels) < 2:
        few = f" ({', '.join(left_out)} have too few)" if left_out else ""
        reason = f"Fewer than two labels have enough patients to train and test on{few}."
        return (not_checked(reason),), None
    shown = replace(show_films(spark, cfg, images, labels, copies_of, keep), left_out=left_out)
    learned = check_learned(films, shown)
    return (learned, *check_network(shown, cfg, output, keep)), shown


def _network_of_findings(
    spark: SparkSession,
    cfg: Config,
    images: DataFrame,
    films: DataFrame,
    output: Output,
    copies_of: CopiesOf,
    keep: Keep,
) -> tuple[tuple[Check, ...], AuditFilms | None]:
    """Show films to the network once, for all of their findings."""
    counts, few = usable_findings(images)
    if not counts:
        reason = (
            f"No finding has {LEAST_GROUPS} patients with it and {LEAST_GROUPS} without, to train "
            "and test on."
        )
        return (not_checked(reason),), None
    rows, strata = dealt_out(images, counts)
    shown = replace(
        show_films(spark, cfg, rows, tuple(strata), copies_of, keep),
        labels=tuple(count.finding for count in counts),
        left_out=tuple(count.finding for count in few),
    )
    learned = check_learned(films, shown)
    return (learned, *check_finding_network(shown, cfg, output, keep)), shown
