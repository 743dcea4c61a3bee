"""The checks that need the network: its own training films, then one head after another."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.film_list import EXACT, NEAR
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.metrics import Overlap
from spark_cxr.metrics.checks import NOT_APPLICABLE, PASS, Check, status_of
from spark_cxr.metrics.wording import overlap_in_words, percent
from spark_cxr.output import Output
from spark_cxr.pipeline.evaluate import FOUND, marked
from spark_cxr.pipeline.progress import stage
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import GROUP, LABEL, PATH, SOURCE
from spark_cxr.settings import Config
from spark_cxr.verbs.audit.films import LEAST_GROUPS, PLAIN, AuditFilms
from spark_cxr.verbs.audit.heat import check_heat, heat_shares, no_maps
from spark_cxr.verbs.audit.masks import LUNGS, with_lungs
from spark_cxr.verbs.audit.probe_checks import (
    CHANGES,
    SHORTCUTS,
    check_calibration,
    check_centre,
    check_change,
    check_shortcut,
    check_source,
)
from spark_cxr.verbs.audit.probes import probe, probe_real, with_metadata

WARNS, FAILS = 0.01, 0.05
"""Shares of the test. By chance one film in 7,000 matches one of CXRNet's own."""


def check_network(shown: AuditFilms, cfg: Config, output: Output, keep: Keep) -> Iterator[Check]:
    """Check what the network's vectors reveal, and what a classifier on them relies on."""
    stage("checking whether vectors tell the source")
    yield check_films_source(shown.rows, cfg)
    stage("training on the films as they are")
    real, steady, head = probe_real(shown.rows, shown.labels, cfg, output)
    rows = with_metadata(shown.rows)
    for name in SHORTCUTS:
        stage(f"looking for shortcuts: {name}")
        reached = probe(rows, name, shown.labels, cfg).metrics
        remark = masks_in_words(shown) if name == "lungs" else ""
        yield check_shortcut(name, reached, real.metrics, cfg.audit, remark)
    stage("looking for shortcuts: centre")
    centre = probe(rows, "centre", shown.labels, cfg).metrics
    yield check_centre(centre, real.metrics, cfg.audit)
    if cfg.audit.heat:
        stage("mapping heat")
        yield from _heat(shown, head, cfg, keep)
    for view in CHANGES:
        yield check_change(view, steady, real.metrics, cfg.audit)
    yield check_calibration(real, cfg.audit, cfg.run.seed)


def check_films_source(rows: DataFrame, cfg: Config) -> Check:
    """Check whether a head can name the source of films of new patients."""
    sourced = rows.where(F.col(SOURCE).isNotNull())
    counts = sourced.groupBy(SOURCE).agg(F.count_distinct(GROUP).alias("n")).collect()
    sources = tuple(sorted(row[SOURCE] for row in counts if row["n"] >= LEAST_GROUPS))
    if len(sources) < 2:
        title = "Whether films betray their source"
        reason = "Fewer than two known sources have enough films."
        return Check("source_told", title, NOT_APPLICABLE, reason)
    rows = sourced.where(F.col(SOURCE).isin(*sources)).withColumn(LABEL, F.col(SOURCE))
    return check_source(probe(rows, PLAIN, sources, cfg).metrics, cfg.audit)


def _heat(shown: AuditFilms, head: Linear, cfg: Config, keep: Keep) -> Iterator[Check]:
    """Check where on the test films the real result comes from."""
    spark = shown.rows.sparkSession
    tested = shown.rows.where(F.col(IS_TEST)).select(PATH, SOURCE)
    masked = with_lungs(spark, cfg, tested)
    copies = shown.copies.join(F.broadcast(masked.select(PATH, LUNGS)), on=PATH, how="inner")
    shares = heat_shares(copies, head, shown.plan, keep)
    if shares is None:
        yield no_maps()
    else:
        yield from check_heat(shares, tested, shown.labels, cfg.audit)


def not_checked(reason: str) -> Check:
    """Say in one line why the network was not used."""
    title = "What a classifier on these films relies on"
    return Check("network", title, NOT_APPLICABLE, reason)


_FOUND = "a network finds the lungs, and where it does not, two ellipses stand for them"


def masks_in_words(shown: AuditFilms) -> str:
    """Say where the lungs come from that are hidden."""
    if not shown.masked:
        return f" No masks are given: {_FOUND}."
    rest = shown.films - shown.masked
    others = f"; on {rest:,} films without a mask {_FOUND}" if rest else ""
    return f" Masks outline the lungs of {shown.masked:,} films{others}."


def check_learned(images: DataFrame, shown: AuditFilms) -> Check:
    """Check how many test films were among those that the network was trained on.

    Args:
        images: `schemas.IMAGES`, with the looks of the films.
        shown: The films that test, and the network.
    """
    name, title = "network_films", "Test films the network was trained on"
    network, tested = shown.plan.network, shown.rows.where(F.col(IS_TEST))
    marks = marked(images, tested, network)
    if marks is None:
        said = f"{overlap_in_words(Overlap(network.backbone, shown.tested, None, None))}."
        return Check(name, title, NOT_APPLICABLE, said)
    kind = F.col(FOUND)
    counts = (F.count_if(kind == each) for each in (EXACT, NEAR))
    found = Overlap(network.backbone, *marks.agg(F.count(F.lit(1)), *counts).collect()[0])
    status = status_of(found.share, WARNS, FAILS)
    said = f"{overlap_in_words(found)}."
    if status != PASS:
        said += " Every figure below that comes from its features is too good by an unknown amount."
    numbers = (("films", found.n), ("exact", found.exact), ("near_duplicates", found.near))
    return Check(name, title, status, said, numbers, brief=percent(found.share))
