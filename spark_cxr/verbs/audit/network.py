"""The checks that need the network: one head after another on whole and altered films."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads.portable.linear import Linear
from spark_cxr.metrics.checks import NOT_APPLICABLE, Check
from spark_cxr.output import Output
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import GROUP, LABEL, PATH, SOURCE
from spark_cxr.settings import Config
from spark_cxr.verbs.audit.films import LEAST_GROUPS, AuditFilms
from spark_cxr.verbs.audit.heat import heat_shares
from spark_cxr.verbs.audit.heat_checks import check_heat, no_maps
from spark_cxr.verbs.audit.masks import LUNGS, with_lungs
from spark_cxr.verbs.audit.questions import ask, ask_real, with_metadata
from spark_cxr.verbs.audit.robustness import CHANGES, judge_calibration, judge_change, judge_source
from spark_cxr.verbs.audit.shortcuts import SHORTCUTS, judge_centre, judge_shortcut
from spark_cxr.verbs.audit.views import PLAIN


def check_network(shown: AuditFilms, cfg: Config, output: Output, keep: Keep) -> Iterator[Check]:
    """Check what the network's vectors reveal, and what a classifier on them relies on."""
    yield check_source(shown.rows, cfg)
    real, steady, head = ask_real(shown.rows, shown.labels, cfg, output)
    rows = with_metadata(shown.rows)
    for name in SHORTCUTS:
        reached = ask(rows, name, shown.labels, cfg).metrics
        remark = _masks(shown) if name == "lungs" else ""
        yield judge_shortcut(name, reached, real.metrics, cfg.audit, remark)
    centre = ask(rows, "centre", shown.labels, cfg).metrics
    yield judge_centre(centre, real.metrics, cfg.audit)
    if cfg.audit.heat:
        yield from _heat(shown, head, cfg, keep)
    for view in CHANGES:
        yield judge_change(view, steady, real.metrics, cfg.audit)
    yield judge_calibration(real, cfg.audit, cfg.run.seed)


def check_source(rows: DataFrame, cfg: Config) -> Check:
    """Check whether a head can name the source of films of patients that it has not seen."""
    sourced = rows.where(F.col(SOURCE).isNotNull())
    counts = sourced.groupBy(SOURCE).agg(F.count_distinct(GROUP).alias("n")).collect()
    sources = tuple(sorted(row[SOURCE] for row in counts if row["n"] >= LEAST_GROUPS))
    if len(sources) < 2:
        title = "Whether films betray their source"
        said = "Fewer than two known sources have enough films."
        return Check("source_told", title, NOT_APPLICABLE, said)
    asked = sourced.where(F.col(SOURCE).isin(*sources)).withColumn(LABEL, F.col(SOURCE))
    return judge_source(ask(asked, PLAIN, sources, cfg).metrics, cfg.audit)


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


def unasked(reason: str) -> Check:
    """Say in one line why the network was not used."""
    title = "What a classifier on these films relies on"
    return Check("network", title, NOT_APPLICABLE, reason)


def _masks(shown: AuditFilms) -> str:
    if not shown.masked:
        return " No masks are given, so two ellipses stand for the lungs."
    rest = shown.films - shown.masked
    others = f"; on {rest:,} films without a mask two ellipses stand for them" if rest else ""
    return f" Masks outline the lungs of {shown.masked:,} films{others}."
