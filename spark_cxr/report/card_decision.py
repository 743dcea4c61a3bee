"""How probabilities become answers: the entry `decision` of a model.json, whatever it holds.

It is read by its shape and not by its names, so that what a later version adds is shown as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spark_cxr.metrics.results import Row
from spark_cxr.metrics.wording import NOT_DEFINED, decimal
from spark_cxr.report.card_record import ModelSummary
from spark_cxr.report.document import Block, Cell, DocumentTable, Pairs, Paragraph

MOST_NUMBERS = 8
"""Longer lists are counted, not written out: the steps of an isotonic curve, say."""
EMPTY: tuple[Any, ...] = (None, {}, [], ())
TITLES = {
    "points": "Operating points",
    "sets": "Sets that are to hold the truth",
    "recalibration": "Recalibration",
    "films": "Films that it was learned on",
    "patients": "Patients that it was learned on",
}


def decision_blocks(model: ModelSummary) -> tuple[Block, ...]:
    """Say where an answer begins, and what is done to probabilities before."""
    blocks: list[Block] = [Paragraph(_rule(model))]
    if model.thresholds and not model.decision.get("points"):
        rows = tuple((Cell(name), Cell(decimal(model.thresholds[name]))) for name in model.labels)
        headings = ("Finding", "Yes from a probability of")
        blocks.append(DocumentTable("Operating point of each finding", headings, rows))
    if not model.decision:
        blocks.append(Paragraph(WITHOUT))
    scalars: list[Row] = []
    for name, value in model.decision.items():
        if (grid := _grid(name, value)) is not None:
            blocks.append(grid)
            if isinstance(value, Mapping):
                rest = {k: v for k, v in value.items() if not isinstance(v, Mapping)}
                scalars += [(f"{_title(name)}: {key}", _line(each)) for key, each in rest.items()]
        elif value not in EMPTY:
            scalars.append((_title(name), _line(value)))
    return (*blocks, *([Pairs(tuple(scalars))] if scalars else []))


WITHOUT = (
    "Probabilities are those of the head: nothing was recalibrated, no operating point was chosen "
    "for a wished sensitivity or specificity, and no answer says by a stated coverage that it is "
    "unsure."
)


def _rule(model: ModelSummary) -> str:
    if model.thresholds:
        return "A finding is said to be there from its operating point on, whatever the others are."
    return f"The most probable of the {len(model.labels)} classes is the answer."


def _title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " ").capitalize())


def _grid(name: str, value: Any) -> DocumentTable | None:
    """Write records, or values by label, as a table; None where it is neither."""
    if isinstance(value, list | tuple) and value and all(isinstance(e, Mapping) for e in value):
        return _records(name, value)
    if not isinstance(value, Mapping):
        return None
    inner = {key: each for key, each in value.items() if isinstance(each, Mapping) and each}
    if not inner:
        return None
    labels = dict.fromkeys(label for each in inner.values() for label in each)
    rows = [{"": label, **{k: each.get(label) for k, each in inner.items()}} for label in labels]
    return _records(name, rows)


def _records(name: str, records: Sequence[Mapping[str, Any]]) -> DocumentTable:
    keys = list(dict.fromkeys(key for record in records for key in record))
    rows = tuple(tuple(_cell(record.get(key)) for key in keys) for record in records)
    return DocumentTable(
        _title(name), tuple(key.replace("_", " ").capitalize() for key in keys), rows
    )


def _cell(value: Any) -> Cell:
    if isinstance(value, Mapping) and {"value", "interval"} <= set(value):
        between = value["interval"]
        ends = list(between.values()) if isinstance(between, Mapping) else list(between or ())
        note = f"{_line(ends[0])} to {_line(ends[1])}" if len(ends) == 2 else ""
        return Cell(_line(value["value"]), note)
    return Cell(_line(value))


def _line(value: Any) -> str:
    """Write any value of JSON on one line."""
    if value is None:
        return NOT_DEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        said = {key: each for key, each in value.items() if each not in EMPTY}
        return ", ".join(f"{key.replace('_', ' ')}: {_line(each)}" for key, each in said.items())
    if isinstance(value, list | tuple):
        if len(value) > MOST_NUMBERS:
            return f"{len(value):,} values"
        return ", ".join(map(_line, value))
    return str(value)
