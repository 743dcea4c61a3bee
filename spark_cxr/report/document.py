"""A document in blocks, written as a page and as Markdown (`report.markdown`) with the same words.

It is for what is passed on with a model: a page for readers, Markdown for the places it goes to.
"""

from __future__ import annotations

from dataclasses import dataclass

from spark_cxr.metrics.results import Row
from spark_cxr.report import sections
from spark_cxr.report.html import Content, Html, element, facts, join, page, section, table
from spark_cxr.report.sections import NOTICE, with_small

KNOWN = "From the run:"


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """Sentences that stand side by side."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """Names and what they are."""

    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Cell:
    """A value in a table, and what qualifies it."""

    value: str
    note: str = ""


@dataclass(frozen=True)
class DocumentTable:
    """A table whose first column names its rows."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers_from: int = 1


@dataclass(frozen=True)
class Commands:
    """Lines to be typed."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One point of a list that is gone through: its state, what it is about, what is said of it."""

    state: str
    """As a reader sees it: "✓ filled"."""
    tone: str
    """The class of the style sheet: pass, warn, fail or empty."""
    name: str
    text: str
    known: str = ""
    """What there is already, where the text says what is still to come."""
    place: str = ""
    """Where that stands."""


@dataclass(frozen=True)
class Entries:
    """Such a list."""

    headings: tuple[str, str, str, str]
    """Of its columns where it is a table: name, state, text, place."""
    entries: tuple[Entry, ...]


Block = Paragraph | Bullets | Pairs | DocumentTable | Commands | Entries


@dataclass(frozen=True)
class Chapter:
    """A part under a heading of its own; left out where it has no block."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """All of it."""

    title: str
    eyebrow: str
    """A line above the title: what made it, of what."""
    verdict: str
    chapters: tuple[Chapter, ...]
    warnings: tuple[str, ...] = ()
    """What a reader must know before the rest."""
    beside: tuple[Row, ...] = ()
    """Files of the same folder and what they are."""
    ending: str = NOTICE


def grid_rows(rows: tuple[tuple[str | Cell, ...], ...]) -> tuple[tuple[Cell, ...], ...]:
    """Make cells of plain words."""
    return tuple(
        tuple(each if isinstance(each, Cell) else Cell(each) for each in row) for row in rows
    )


def document_page(document: Document) -> str:
    """Write a document as one page that loads nothing."""
    chapters = (
        section(chapter.heading, *map(_block, chapter.blocks))
        for chapter in document.chapters
        if chapter.blocks
    )
    return page(
        document.title,
        sections.notice(),
        element("p", document.eyebrow, class_="eyebrow"),
        element("h1", document.title),
        sections.beside(document.beside),
        element("p", document.verdict, class_="verdict"),
        sections.caveats(document.warnings),
        *chapters,
        element("footer", element("p", document.ending)),
    )


def _block(block: Block) -> Html:
    match block:
        case Paragraph(text):
            return element("p", text)
        case Bullets(lines):
            return element("ul", *(element("li", line) for line in lines), class_="remarks")
        case Pairs(rows):
            return facts(rows)
        case Commands(lines):
            return element("pre", element("code", "\n".join(lines)))
        case Entries(_, entries):
            return element("ul", *map(_entry, entries), class_="checks")
        case DocumentTable():
            return _grid(block)


def _grid(block: DocumentTable) -> Html:
    rows = [tuple(_cell(cell) for cell in row) for row in block.rows]
    kind = "wide dense" if len(block.headings) > 6 else "wide"
    return table(block.caption, block.headings, rows, block.numbers_from, kind)


def _cell(cell: Cell) -> Content:
    return with_small(cell.value, cell.note) if cell.note else cell.value


def _entry(entry: Entry) -> Html:
    known = element("div", f"{KNOWN} {entry.known}") if entry.known else sections.NOTHING
    place = element("small", entry.place) if entry.place else sections.NOTHING
    return element(
        "li",
        element("span", entry.state, class_=f"status {entry.tone}".strip()),
        element("b", entry.name),
        element("div", join([entry.text, known, place])),
    )
