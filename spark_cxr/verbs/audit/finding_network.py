"""The checks that need the network, of films with several findings: all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.images.regions import CORNERS, EDGE
from spark_cxr.metrics.checks import (
    NOT_APPLICABLE,
    STATUSES,
    Check,
    CheckPart,
    Number,
    status_of,
)
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.grouped_means import grouped_means
from spark_cxr.output import Output
from spark_cxr.pipeline.finding_counts import FindingTally, count_findings, with_strata
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import FINDINGS, GROUP, LABEL, PATH, SOURCE
from spark_cxr.settings import Audit, Config
from spark_cxr.verbs.audit.films import LEAST_GROUPS, AuditFilms
from spark_cxr.verbs.audit.finding_checks import (
    check_finding_calibration,
    check_finding_centre,
    check_finding_change,
    check_finding_shortcut,
    reach_of,
)
from spark_cxr.verbs.audit.finding_probes import (
    RealFindings,
    probe_findings,
    probe_real_findings,
)
from spark_cxr.verbs.audit.heat import ABSENCE, LEAST, Answers, check_heat, heat_shares, no_maps
from spark_cxr.verbs.audit.masks import LUNGS, with_lungs
from spark_cxr.verbs.audit.network import check_films_source, masks_in_words, not_checked
from spark_cxr.verbs.audit.probe_checks import CHANGES, SHORTCUTS
from spark_cxr.verbs.audit.probes import with_metadata

IN = ("in_lungs", "in_corners", "in_border")
"""Where the heat of an answer may lie, as `heat.SHARES` has it."""


def usable_findings(
    films: DataFrame,
) -> tuple[tuple[FindingTally, ...], tuple[FindingTally, ...]]:
    """Count the findings with enough patients that have it and have it not, and the others."""
    counts = count_findings(films)
    enough = tuple(count for count in counts if count.is_enough(LEAST_GROUPS))
    return enough, tuple(count for count in counts if count not in enough)


def dealt_out(films: DataFrame, counts: Sequence[FindingTally]) -> tuple[DataFrame, list[str]]:
    """Give films the rarest of their findings as the label that they are drawn and split by."""
    cells = F.array(*(F.col(FINDINGS)[count.finding] for count in counts))
    rows = with_strata(films.where(F.exists(cells, lambda cell: cell.isNotNull())), counts, 2)
    return rows, sorted(row[LABEL] for row in rows.select(LABEL).distinct().collect())


def check_finding_network(
    shown: AuditFilms, cfg: Config, output: Output, keep: Keep
) -> Iterator[Check]:
    """Check what the network's vectors reveal, and what heads of findings on them rely on."""
    yield check_films_source(shown.rows, cfg)
    counts = count_findings(shown.rows.where(~F.col(IS_TEST)))
    trained = [c for c in counts if c.finding in shown.labels and c.is_enough(LEAST_GROUPS // 2)]
    if not trained:
        yield not_checked("No finding has enough patients among the films that train.")
        return
    real = probe_real_findings(shown.rows, trained, cfg, output)
    rows = with_metadata(shown.rows)
    for name in SHORTCUTS:
        reached = reach_of(probe_findings(rows, name, trained, cfg), real.metrics)
        remark = masks_in_words(shown) if name == "lungs" else ""
        yield check_finding_shortcut(name, reached, cfg.audit, remark)
    centre = reach_of(probe_findings(rows, "centre", trained, cfg), real.metrics)
    yield check_finding_centre(centre, cfg.audit)
    if cfg.audit.heat:
        yield from _heat(shown, real, cfg, keep)
    for view in CHANGES:
        yield check_finding_change(view, real.steadiness[view], cfg.audit)
    yield check_finding_calibration(real.metrics, cfg.audit)


def _heat(shown: AuditFilms, real: RealFindings, cfg: Config, keep: Keep) -> Iterator[Check]:
    """Check where the evidence lies for each finding that is named on a test film."""
    findings = tuple(row.finding for row in real.metrics.rows)
    tested = shown.rows.where(F.col(IS_TEST)).select(PATH, SOURCE, GROUP)
    masked = with_lungs(shown.rows.sparkSession, cfg, tested)
    copies = shown.copies.join(F.broadcast(masked.select(PATH, LUNGS)), on=PATH, how="inner")
    shares = heat_shares(copies, real.heads, shown.plan, keep, _named_from(real.odds))
    if shares is None:
        yield no_maps()
        return
    parts = _heat_parts(
        shares.join(tested.select(PATH, GROUP), on=PATH, how="inner"), findings, cfg
    )
    for check in check_heat(shares, tested, findings, cfg.audit):
        yield replace(check, parts=parts.get(check.name, ()))


def _named_from(odds: NDArray[np.float64]) -> Answers:
    """Count the findings whose margin is above that of their operating point."""

    def named(margins: NDArray[np.float64]) -> list[tuple[int, int]]:
        return [(place, ABSENCE) for place in np.flatnonzero(margins >= odds).tolist()]

    return named


def _heat_parts(
    shares: DataFrame, findings: Sequence[str], cfg: Config
) -> dict[str, tuple[CheckPart, ...]]:
    """Give each finding its mean heat with an interval by patient, for each check of heat."""
    named = (GROUP, PATH, "target", "lungs_area", *IN)
    rows = shares.select(*named).orderBy(PATH, "target").toPandas()
    if rows.empty:
        return {}
    is_of = rows["target"].to_numpy()[:, None] == np.arange(len(findings))
    groups = tuple(rows.groupby(GROUP)[PATH].transform("min"))
    means, films = dict[str, tuple[Estimate, ...]](), np.zeros(len(findings), int)
    for name in ("lungs_area", *IN):
        cells = np.where(is_of, rows[[name]].to_numpy(np.float64), np.nan)
        films = (~np.isnan(cells)).sum(axis=0)
        means[name] = grouped_means(cells, groups, seed=cfg.run.seed, resamples=cfg.train.resamples)
    found = dict[str, tuple[CheckPart, ...]]()
    for name, fixed in zip(IN, (None, float(CORNERS.mean()), float(EDGE.mean())), strict=True):
        areas = [fixed if fixed else each.value for each in means["lungs_area"]]
        each_finding = zip(findings, films.tolist(), means[name], areas, strict=True)
        parts = [_heat_part(name, *each, cfg.audit) for each in each_finding]
        check = f"heat_{name.removeprefix('in_')}"
        found[check] = tuple(sorted(parts, key=_order(check)))
    return found


def _heat_part(
    where: str, finding: str, films: int, share: Estimate, area: float | None, settings: Audit
) -> CheckPart:
    between = share.interval
    numbers: tuple[Number, ...] = (
        *(("films", films), ("heat", share.value), ("area", area)),
        ("heat_low", between.low if between else None),
        ("heat_high", between.high if between else None),
    )
    return CheckPart(finding, _status(where, share.value, area, films, settings), numbers)


def _status(
    where: str, share: float | None, area: float | None, films: int, settings: Audit
) -> str:
    if share is None or not area or films < LEAST:
        return NOT_APPLICABLE
    times = area / max(share, 1e-9) if where == "in_lungs" else share / area
    return status_of(times, settings.warn_heat, settings.fail_heat)


def _order(check: str) -> Callable[[CheckPart], tuple[int, float]]:
    """Put the worst first: little heat on the lungs, or much in the corners or on the border."""
    sign = 1 if check == "heat_lungs" else -1

    def place(part: CheckPart) -> tuple[int, float]:
        numbers = dict(part.numbers)
        times = (numbers["heat"] or 0.0) / (numbers["area"] or 1.0)
        return STATUSES.index(part.status), sign * times

    return place
