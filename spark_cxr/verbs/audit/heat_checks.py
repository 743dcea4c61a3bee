"""Whether the network looks at the lungs: what heat on the test films shows, class by class."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.images.regions import CORNERS, EDGE
from spark_cxr.metrics.checks import NOT_APPLICABLE, PASS, Check, CheckTable, status_of
from spark_cxr.metrics.wording import percent
from spark_cxr.schemas import PATH, SOURCE
from spark_cxr.settings import Audit

LEAST = 5
"""Films of a class or source below which its heat is not judged."""
TITLES = {
    "heat_lungs": "Heat on the lungs",
    "heat_corners": "Heat in the corners",
    "heat_border": "Heat on the border",
    "heat_shuffled": "Heat follows the head",
}


@dataclass(frozen=True)
class HeatPart:
    """The mean heat of a class or a source."""

    name: str
    films: int
    lungs: float
    corners: float
    border: float
    lungs_area: float
    """What the lungs would have of heat that is the same everywhere."""
    likeness: float

    @property
    def lungs_missed(self) -> float:
        """Say how many times less heat the lungs have than their area."""
        return self.lungs_area / max(self.lungs, 1e-9)

    @property
    def corners_over(self) -> float:
        """Say how many times more heat the corners have than their area."""
        return self.corners / float(CORNERS.mean())

    @property
    def border_over(self) -> float:
        """Say how many times more heat the border has than its area."""
        return self.border / float(EDGE.mean())


def check_heat(
    shares: DataFrame, films: DataFrame, labels: tuple[str, ...], settings: Audit
) -> tuple[Check, ...]:
    """Judge where heat lies (`heat.SHARES`), on all films, by class and by source."""
    named = shares.join(films.select(PATH, SOURCE), on=PATH, how="left")
    answer = F.element_at(F.array(*(F.lit(label) for label in labels)), F.col("target") + 1)
    parts = [_parts(named, F.lit("all films")), _parts(named, answer), _parts(named, F.col(SOURCE))]
    if len(parts[2]) < 2:
        parts.pop()
    flat = tuple(part for each in parts for part in each)
    masked = named.where("is_masked").count()
    judged = [part for part in flat if part.films >= LEAST]
    if not judged:
        return (Check("heat_lungs", TITLES["heat_lungs"], NOT_APPLICABLE, "Too few test films."),)
    return (
        _lungs(flat, judged, masked, settings),
        _edge("heat_corners", judged, settings),
        _edge("heat_border", judged, settings),
        _shuffled(flat[0], settings),
    )


def no_maps() -> Check:
    """Say why heat was not checked."""
    said = "The network's vector is not the mean of its last maps, so no map can explain it."
    return Check("heat_lungs", TITLES["heat_lungs"], NOT_APPLICABLE, said)


def _parts(shares: DataFrame, by: Column) -> list[HeatPart]:
    names = ("in_lungs", "in_corners", "in_border", "lungs_area", "likeness")
    means = [F.avg(name).alias(name) for name in names]
    rows = shares.groupBy(by.alias("by")).agg(F.count("in_lungs").alias("n"), *means)
    return [
        HeatPart(row["by"] or "source unknown", row["n"], *(row[name] or 0.0 for name in names))
        for row in rows.orderBy("by").collect()
    ]


def _lungs(
    flat: tuple[HeatPart, ...], judged: list[HeatPart], masked: int, settings: Audit
) -> Check:
    worst = max(judged, key=lambda part: part.lungs_missed)
    status = status_of(worst.lungs_missed, settings.warn_heat, settings.fail_heat)
    whole = flat[0]
    whose = (
        f"Masks outline them on {masked:,} of {whole.films:,} films"
        if masked
        else ("They are estimated from the films")
    )
    said = (
        f"Of the evidence for the answers on {whole.films:,} test films, {percent(whole.lungs)} "
        f"lies on the lungs, which are {percent(whole.lungs_area)} of the picture. {whose}."
    )
    if status != PASS:
        said += (
            f" For {worst.name} it is {percent(worst.lungs)}: most of what decides there is not "
            "where the disease is."
        )
    rows = tuple((part.name, f"{part.films:,}", *map(percent, _shown(part))) for part in flat)
    headings = ("Answer or source", "Films", "Lungs", "Their area", "Corners", "Border")
    grid = CheckTable("Where heat lies, in means over films", headings, rows)
    numbers = (("lungs", whole.lungs), ("area", whole.lungs_area), ("worst", worst.lungs))
    brief = f"{percent(whole.lungs)}, area {percent(whole.lungs_area)}"
    title = TITLES["heat_lungs"]
    return Check("heat_lungs", title, status, said, numbers, grid, brief=brief)


def _shown(part: HeatPart) -> tuple[float, ...]:
    return (part.lungs, part.lungs_area, part.corners, part.border)


def _edge(name: str, judged: list[HeatPart], settings: Audit) -> Check:
    """Judge corners or border by the class or source that has most heat there."""
    is_corner = name == "heat_corners"
    what = "four corners" if is_corner else "outer tenths of the sides"
    area = float((CORNERS if is_corner else EDGE).mean())
    values = {part: part.corners if is_corner else part.border for part in judged}
    worst = max(judged, key=values.__getitem__)
    status = status_of(values[worst] / area, settings.warn_heat, settings.fail_heat)
    whole = judged[0]
    said = f"The {what}, {percent(area)} of the picture, have {percent(values[whole])} of the heat."
    if status != PASS:
        said += (
            f" For {worst.name} it is {percent(values[worst])}: letters, frames and crop marks are "
            "there, and no disease."
        )
    numbers = (("heat", values[whole]), ("area", area), ("worst", values[worst]))
    brief = f"{percent(values[worst])} at worst, area {percent(area)}"
    return Check(name, TITLES[name], status, said, numbers, brief=brief)


def _shuffled(whole: HeatPart, settings: Audit) -> Check:
    """Ask whether heat changes when the head's weights are shuffled, as it must."""
    status = status_of(whole.likeness, settings.warn_alike, settings.fail_alike)
    said = (
        f"With the weights of the head shuffled, maps correlate with the real ones by "
        f"{whole.likeness:.2f} on average (ranks, without sign; 1 would be the same map)."
    )
    if status != PASS:
        said += " Such maps show what the network sees anyway, not what decides: do not trust them."
    numbers = (("likeness", whole.likeness), ("films", whole.films))
    title = TITLES["heat_shuffled"]
    return Check("heat_shuffled", title, status, said, numbers, brief=f"{whole.likeness:.2f} alike")
