"""Where the decisions on the test films come from, and whether that is the lungs.

A class map adds up what each place contributes, and much of that is the same on all films: the
spine is always bright. What makes a film's answer its own is how its map differs from the mean map
of the test films, and the mean of that difference is, exactly, the margin less the mean margin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones import maps as cam
from spark_cxr.backbones.engines import load_mapper
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.heads.portable.linear import Floats, Linear
from spark_cxr.images.film import Box, Pixels
from spark_cxr.images.film_pass import FilmPass, FilmViews, Runner, View
from spark_cxr.images.fit import framed
from spark_cxr.images.heat import Grid, on_part
from spark_cxr.images.lungs import find_lungs
from spark_cxr.images.prepare import in_three_channels
from spark_cxr.images.regions import CORNERS, EDGE, SIDE, shares_of
from spark_cxr.images.sight import FILM, sight_of
from spark_cxr.metrics.checks import NOT_APPLICABLE, PASS, Check, CheckTable, status_of
from spark_cxr.metrics.wording import percent
from spark_cxr.pipeline.film_pass import Batches, TableFile, TablePass, arrow_schema, over_films
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.reading import copied
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import CONTENT, PATH, SOURCE
from spark_cxr.settings import Audit
from spark_cxr.verbs.audit.masks import LUNGS

MAPPED = (
    "path string, maps array<float>, shuffled array<float>, height int, width int, "
    "targets array<int>, contrasts array<int>, lungs binary, is_masked boolean, "
    "box array<double>"
)
"""One row a film: a map for each label, those of the head with shuffled weights, the answers; the
part that the network saw, null where that was all of the film."""
SHARES = (
    "path string, target int, in_lungs double, in_corners double, in_border double, "
    "lungs_area double, is_masked boolean, likeness double"
)
"""One row an answer: how much of its heat lies where, and how like the shuffled head's it is.

A film has one answer, unless it is of several findings: then it has one for each that is named."""
Row = dict[str, Any]
Answers = Callable[[Floats], list[tuple[int, int]]]
"""By the margins of a film: the targets that count of it, and what each is held against."""
ABSENCE = -1
"""What a finding is held against: a head of two classes has one map, that of their difference."""
Maps = NDArray[np.float32]
LEAST = 5
"""Films of a class or source below which its heat is not checked."""
TITLES = {
    "heat_lungs": "Heat on the lungs",
    "heat_corners": "Heat in the corners",
    "heat_border": "Heat on the border",
    "heat_shuffled": "Heat follows the head",
}


def likeliest(margins: Floats) -> list[tuple[int, int]]:
    """Hold the class that a film is given against the next."""
    first, second = np.argsort(-margins, kind="stable")[:2].tolist()
    return [(first, second)]


def heat_shares(
    films: DataFrame, head: Linear, plan: Plan, keep: Keep, answers: Answers = likeliest
) -> DataFrame | None:
    """Find where the heat of copies of films lies (`films.KEPT`, path, lungs → `SHARES`).

    None where the vector of the network is not a mean of maps.

    Args:
        films: Of the test.
        head: Whose weights make the maps.
        plan: How the network runs.
        keep: Keeps tables on the way.
        answers: Which of the maps count.
    """
    mask = F.col(LUNGS)
    wanted = films.select(
        *(PATH, "shape", F.col("pixels").alias(CONTENT), mask.isNotNull().alias("is_masked")),
        F.coalesce(mask, F.col("estimate")).alias(LUNGS),
    )
    mapped = keep(over_films(wanted, lambda: _mapping_pass(head, plan, answers), MAPPED))
    usual = _usual(mapped, "maps"), _usual(mapped, "shuffled")
    if not len(usual[0]):
        return None
    grid = cam.grid_of(plan.network)

    def measure(batches: Batches) -> Batches:
        for batch in batches:
            mapped_rows = batch.to_pylist()
            rows = [each for row in mapped_rows for each in _measured(row, *usual, grid)]
            yield pa.RecordBatch.from_pylist(rows, schema=arrow_schema(SHARES))

    return keep(mapped.mapInArrow(measure, SHARES))


def _usual(mapped: DataFrame, column: str) -> Maps:
    """Average a column of maps over all films, place by place."""
    places = mapped.select(F.posexplode(column).alias("at", "value"))
    rows = places.groupBy("at").agg(F.avg("value").alias("value")).orderBy("at").collect()
    return np.array([row["value"] for row in rows], np.float32)


def _mapping_pass(head: Linear, plan: Plan, answers: Answers) -> TablePass | None:
    """Open the pass over copies of films that gives maps; None where the network has none."""
    here = on_this_worker(plan)
    mapper = load_mapper(here)
    if mapper is None:
        return None
    order = np.random.default_rng(0).permutation(head.weights.shape[1])
    both = np.vstack([head.weights, head.weights[:, order]])

    def run(films: Pixels) -> Iterator[Row]:
        mapped = mapper.maps(films)
        for vector, maps in zip(mapped.vectors, mapped.maps, strict=True):
            chosen = answers(head.margins(vector.astype(np.float64)[None])[0])
            real, shuffled = np.split(cam.class_maps(maps, both), 2)
            yield {
                "maps": real.ravel(),
                "shuffled": shuffled.ravel(),
                "height": real.shape[1],
                "width": real.shape[2],
                "targets": [target for target, _ in chosen],
                "contrasts": [contrast for _, contrast in chosen],
            }

    def open_(file: TableFile) -> FilmViews[Row]:
        film, network = copied(file.read(), file["shape"]), here.network
        sight = sight_of(film, network.see, find_lungs(film) if network.see != FILM else None)
        kept = {name: file[name] for name in (PATH, LUNGS, "is_masked")}
        kept["box"] = astuple(sight.box) if sight.box else None
        return FilmViews(kept, (View(in_three_channels(framed(sight.pixels, network.fit))),))

    runner = Runner(run, here.at_once)
    return FilmPass(open_, lambda kept, found: kept | found[0], (runner,), here.threads)


def _measured(row: Row, usual: Maps, usual_shuffled: Maps, grid: Grid | None) -> Iterator[Row]:
    lungs = None
    if row[LUNGS]:
        bits = np.unpackbits(np.frombuffer(row[LUNGS], np.uint8))
        lungs = bits.reshape(SIDE, SIDE).astype(bool)
    laid = on_part(grid, Box(*row["box"]) if row["box"] else None)
    for target, contrast in zip(row["targets"], row["contrasts"], strict=True):
        heat = _own(row, "maps", usual, target, contrast)
        other = _own(row, "shuffled", usual_shuffled, target, contrast)
        shares = shares_of(heat, lungs, laid)
        # Spearman's correlation without its sign: that of the ranks.
        ranks = [each.ravel().argsort().argsort().astype(np.float64) for each in (heat, other)]
        yield {
            **{name: row[name] for name in (PATH, "is_masked")},
            "target": target,
            "in_lungs": shares.lungs if shares else None,
            "in_corners": shares.corners if shares else None,
            "in_border": shares.border if shares else None,
            "lungs_area": None if lungs is None else float(lungs.mean()),
            "likeness": abs(float(np.asarray(np.corrcoef(np.stack(ranks)))[0, 1])),
        }


def _own(row: Row, column: str, usual: Maps, target: int, contrast: int) -> Maps:
    """Take what supports an answer on this film more than it does on the mean film."""
    maps = (np.asarray(row[column], np.float32) - usual).reshape(-1, row["height"], row["width"])
    return np.asarray(maps[target] if contrast == ABSENCE else maps[target] - maps[contrast])


@dataclass(frozen=True)
class HeatPart:
    """The mean heat of a class or a source."""

    name: str
    films: int
    outlined: int
    """Films of which it is known where their lungs are."""
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


def check_heat(
    shares: DataFrame, films: DataFrame, labels: tuple[str, ...], settings: Audit
) -> tuple[Check, ...]:
    """Check where heat lies (`SHARES`), on all films, by class and by source."""
    named = shares.join(films.select(PATH, SOURCE), on=PATH, how="left")
    answer = F.element_at(F.array(*(F.lit(label) for label in labels)), F.col("target") + 1)
    parts = [_parts(named, F.lit("all films")), _parts(named, answer), _parts(named, F.col(SOURCE))]
    if len(parts[2]) < 2:
        parts.pop()
    flat = tuple(part for each in parts for part in each)
    masked = named.where("is_masked").select(PATH).distinct().count()
    enough = [part for part in flat if part.films >= LEAST]
    if not enough:
        return (Check("heat_lungs", TITLES["heat_lungs"], NOT_APPLICABLE, "Too few test films."),)
    return (
        _lungs(flat, enough, masked, settings),
        _edge("heat_corners", enough, settings),
        _edge("heat_border", enough, settings),
        _shuffled(flat[0], settings),
    )


def no_maps() -> Check:
    """Say why heat was not checked."""
    said = "The network's vector is not the mean of its last maps, so no map can explain it."
    return Check("heat_lungs", TITLES["heat_lungs"], NOT_APPLICABLE, said)


def _parts(shares: DataFrame, by: Column) -> list[HeatPart]:
    names = ("in_lungs", "in_corners", "in_border", "lungs_area", "likeness")
    means = [F.avg(name).alias(name) for name in names]
    films, outlined = (
        F.count_distinct(F.when(F.col(name).isNotNull(), F.col(PATH)))
        for name in ("in_corners", "in_lungs")
    )
    rows = shares.groupBy(by.alias("by")).agg(films.alias("n"), outlined.alias("m"), *means)
    return [
        HeatPart(
            row["by"] or "source unknown",
            *(row["n"], row["m"]),
            *(row[name] or 0.0 for name in names),
        )
        for row in rows.orderBy("by").collect()
    ]


def _lungs(
    flat: tuple[HeatPart, ...], enough: list[HeatPart], masked: int, settings: Audit
) -> Check:
    enough, whole, title = [p for p in enough if p.outlined >= LEAST], flat[0], TITLES["heat_lungs"]
    if not enough:
        said = f"Lungs could be found on {whole.outlined:,} of {whole.films:,} test films."
        return Check("heat_lungs", title, NOT_APPLICABLE, said)
    worst = max(enough, key=lambda part: part.lungs_missed)
    status = status_of(worst.lungs_missed, settings.warn_heat, settings.fail_heat)
    said = (
        f"Of the evidence for the answers on {whole.outlined:,} test films, "
        f"{percent(whole.lungs)} lies on the lungs, which are {percent(whole.lungs_area)} of the "
        f"picture. {_outlined(whole, masked)}"
    )
    if status != PASS:
        said += (
            f" For {worst.name} it is {percent(worst.lungs)}: most of what decides there is not "
            "where the disease is."
        )
    shares = ((part.lungs, part.lungs_area, part.corners, part.border) for part in flat)
    rows = tuple(
        (part.name, f"{part.films:,}", *map(percent, each))
        for part, each in zip(flat, shares, strict=True)
    )
    headings = ("Answer or source", "Films", "Lungs", "Their area", "Corners", "Border")
    grid = CheckTable("Where heat lies, in means over films", headings, rows)
    numbers = (("lungs", whole.lungs), ("area", whole.lungs_area), ("worst", worst.lungs))
    brief = f"{percent(whole.lungs)}, area {percent(whole.lungs_area)}"
    return Check("heat_lungs", title, status, said, numbers, grid, brief=brief)


def _outlined(whole: HeatPart, masked: int) -> str:
    """Say who knows where the lungs are, and of how many films nobody does."""
    said = "A network outlines them."
    if masked:
        said = f"Masks outline them on {masked:,} of {whole.outlined:,} films."
    if lost := whole.films - whole.outlined:
        said += f" On {lost:,} more they could not be found."
    return said


def _edge(name: str, enough: list[HeatPart], settings: Audit) -> Check:
    """Check corners or border by the class or source that has most heat there."""
    is_corner = name == "heat_corners"
    what = "four corners" if is_corner else "outer tenths of the sides"
    area = float((CORNERS if is_corner else EDGE).mean())
    values = {part: part.corners if is_corner else part.border for part in enough}
    worst = max(enough, key=values.__getitem__)
    status = status_of(values[worst] / area, settings.warn_heat, settings.fail_heat)
    whole = enough[0]
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
    """Check whether heat changes when the head's weights are shuffled, as it must."""
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
