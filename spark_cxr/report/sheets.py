"""STARD-AI, TRIPOD+AI and CLAIM, item by item: filled from the run, for you to write, or not done.

The items are data in conf/sheets. What an item asks for stands there in words of our own; the
publishers' forms have theirs, and only those count for a journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from spark_cxr.config import conf_dir, read_toml
from spark_cxr.errors import ConfigError
from spark_cxr.records import read_record
from spark_cxr.report.card_record import CARD, PAGE, ModelCard
from spark_cxr.report.document import (
    Chapter,
    Document,
    DocumentTable,
    Entries,
    Entry,
    Pairs,
    grid_rows,
)
from spark_cxr.report.sheet_answers import ANSWERS, SheetAnswer

NAMES = ("stard_ai", "tripod_ai", "claim_2024")
FILLED, YOURS, UNDONE = "filled", "for you to write", "not done"
STATES = {FILLED: ("✓ filled", "pass"), YOURS: ("✎ for you", ""), UNDONE: ("✕ not done", "warn")}
"""What a reader sees, which says it without colour, and the class of the style sheet."""
SILENT = "This run has left nothing that answers it."
HEADINGS = ("Item", "State", "Answer", "Where it stands")
CHECK = (
    "Numbers and subjects follow the published lists as we know them, at second hand and in words "
    "of our own: before you send a sheet anywhere, go through the publisher’s own form. A filled "
    "item is what the run has left, and no judgement whether that is enough."
)


@dataclass(frozen=True)
class SheetItem:
    """One item of a list."""

    number: str
    asks: str
    """In our own words."""
    run: tuple[str, ...] = ()
    """Answers of `sheet_answers.ANSWERS`."""
    write: str = ""
    """What the user writes; where this is not empty the run alone cannot fill the item."""
    undone: str = ""
    """What is missing where the run answers nothing."""


@dataclass(frozen=True)
class ReportingSheet:
    """One list."""

    title: str
    published: str
    """Where the list itself is."""
    known: str
    """How far we are sure of its numbers."""
    items: tuple[SheetItem, ...]


@dataclass(frozen=True)
class FilledItem:
    """An item after a run."""

    item: SheetItem
    state: str
    answers: tuple[SheetAnswer, ...]


@cache
def read_sheets() -> tuple[ReportingSheet, ...]:
    """Read the lists.

    Raises:
        ConfigError: One is not what it should be.
    """
    sheets = []
    for name in NAMES:
        path = conf_dir() / "sheets" / f"{name}.toml"
        try:
            sheets.append(read_record(ReportingSheet, read_toml(path), path.name))
        except ValueError as error:
            way_out = "Install spark_cxr again"
            raise ConfigError("a list of items", f"{path.name} ({error})", way_out) from None
    return tuple(sheets)


def fill(sheet: ReportingSheet, card: ModelCard) -> tuple[FilledItem, ...]:
    """SheetAnswer what the run can answer."""
    filled = []
    for item in sheet.items:
        found = (ANSWERS[name](card) for name in item.run)
        answers = tuple(answer for answer in found if answer is not None)
        state = YOURS if item.write else FILLED if answers else UNDONE
        filled.append(FilledItem(item, state, answers))
    return tuple(filled)


def count_states(filled: tuple[FilledItem, ...]) -> dict[str, int]:
    """Count the items of each state."""
    return {state: sum(each.state == state for each in filled) for state in STATES}


def sheets_document(card: ModelCard) -> Document:
    """Write all lists in blocks, for a page or for Markdown."""
    filled = [(sheet, fill(sheet, card)) for sheet in read_sheets()]
    counts = [count_states(items) for _, items in filled]
    rows = (
        (s.title, *map(str, each.values())) for (s, _), each in zip(filled, counts, strict=True)
    )
    grid = DocumentTable(
        "Items of each list",
        ("List", *(state.capitalize() for state in STATES)),
        grid_rows(tuple(rows)),
    )
    total = {state: sum(each[state] for each in counts) for state in STATES}
    return Document(
        title=f"Reporting sheets: {card.title}",
        eyebrow=f"spark_cxr · {card.job} · {card.data.name}",
        verdict=(
            f"Of {sum(total.values())} items of three lists the run fills {total[FILLED]}, "
            f"{total[YOURS]} are for you to write, and {total[UNDONE]} were not done."
        ),
        warnings=(CHECK,),
        beside=((PAGE, "report"), (CARD, "model card")),
        chapters=(
            Chapter("The lists", (grid,)),
            *(_chapter(sheet, items) for sheet, items in filled),
        ),
    )


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _chapter(sheet: ReportingSheet, items: tuple[FilledItem, ...]) -> Chapter:
    rows = (
        ("Published", sheet.published),
        ("What we know of it", sheet.known),
        ("Items", f"{len(items)}: {_in_words(count_states(items))}"),
    )
    return Chapter(sheet.title, (Pairs(rows), Entries(HEADINGS, tuple(map(_entry, items)))))


def _entry(filled: FilledItem) -> Entry:
    said = " ".join(answer.text for answer in filled.answers)
    places = dict[str, dict[str, None]]()
    for place in (place for answer in filled.answers for place in answer.places):
        places.setdefault(place.file, {})[".".join(place.keys)] = None
    sign, tone = STATES[filled.state]
    return Entry(
        state=sign,
        tone=tone,
        name=f"{filled.item.number}. {filled.item.asks}",
        text=filled.item.write or said or filled.item.undone or SILENT,
        known=said if filled.item.write else "",
        place="; ".join(_place(file, list(filter(None, keys))) for file, keys in places.items()),
    )


def _place(file: str, keys: list[str]) -> str:
    return f"{file}: {', '.join(keys)}" if keys else file
