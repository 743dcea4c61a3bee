"""Heat against the boxes of a film: worked out where the film is, gathered on the driver.

Between the two it is a column of text: one film may have boxes of several findings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError, few
from spark_cxr.images.boxes import BoxHeat, heat_in_boxes
from spark_cxr.images.film import Size
from spark_cxr.images.heat import Grid
from spark_cxr.metrics.boxes import BoxedFinding
from spark_cxr.metrics.wording import counted
from spark_cxr.model.predictor import Prediction
from spark_cxr.pipeline.boxes import BoxFile, DrawnBox
from spark_cxr.schemas import PATH

BOX_HEAT = "box_heat"
JOINED = "|"
"""Between the findings that a model names of a film."""


@dataclass(frozen=True)
class FindingHeat:
    """The boxes of a finding on a film, and what of the heat lies in them."""

    finding: str
    boxes: int
    beyond: int
    """Boxes that do not lie on the film."""
    named: bool
    heat: BoxHeat


@dataclass(frozen=True)
class FilmBoxes:
    """The findings of a film whose boxes are known."""

    path: str
    findings: tuple[FindingHeat, ...]


def film_boxes(
    boxes: Sequence[DrawnBox],
    maps: NDArray[np.float32],
    labels: Sequence[str],
    prediction: Prediction,
    film_hw: Size,
    grid: Grid | None,
) -> str | None:
    """Hold the map of each finding (`maps`, one a label) against its boxes; None without any."""
    found = []
    for finding in sorted({box.finding for box in boxes}):
        drawn = [box for box in boxes if box.finding == finding]
        placed = [box for each in drawn if (box := each.on(film_hw))]
        heat = heat_in_boxes(maps[list(labels).index(finding)], placed, film_hw, grid)
        named = finding in prediction.label.split(JOINED)
        beyond = len(drawn) - len(placed)
        found.append(FindingHeat(finding, len(drawn), beyond, named, heat))
    return json.dumps([asdict(each) for each in found]) if found else None


def read_film_boxes(rows: DataFrame) -> tuple[FilmBoxes, ...]:
    """Read back what `film_boxes` has written into the column of that name."""
    some = rows.where(F.col(BOX_HEAT).isNotNull()).select(PATH, BOX_HEAT).orderBy(PATH)
    return tuple(FilmBoxes(row[PATH], read_findings(row[BOX_HEAT])) for row in some.collect())


def read_findings(text: str) -> tuple[FindingHeat, ...]:
    """Read back what `film_boxes` has written of a film."""
    return tuple(
        FindingHeat(**{**each, "heat": BoxHeat(**each["heat"])}) for each in json.loads(text)
    )


def boxed_findings(
    films: Sequence[FilmBoxes], boxes: BoxFile, patient_regex: str
) -> tuple[BoxedFinding, ...]:
    """Give what is measured; films of one patient belong together, where the patient is known.

    Raises:
        InputError: Boxes do not lie on their films.
    """
    beyond = [
        film.path.rsplit("/", 1)[-1] for film in films if any(f.beyond for f in film.findings)
    ]
    if beyond:
        received = f"{counted(len(beyond), 'film')} with a box beyond its rim ({few(beyond, 3)})"
        way_out = "Say with --boxes-size on films of which side they were drawn, like 1024"
        raise InputError("boxes that lie on their films", received, way_out)
    return tuple(_measured(films, boxes, patient_regex))


def _measured(
    films: Sequence[FilmBoxes], boxes: BoxFile, patient_regex: str
) -> Iterator[BoxedFinding]:
    for film in films:
        match = re.search(patient_regex, film.path) if patient_regex else None
        # A patient's name is looked up here: what workers write must not hold it.
        patient = next((box.patient for box in boxes.of(film.path) if box.patient), "")
        group = patient or (match.group(1) if match else film.path)
        for each in film.findings:
            yield BoxedFinding(each.finding, group, each.boxes, each.named, **asdict(each.heat))
