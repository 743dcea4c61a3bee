"""A document as Markdown (CommonMark with tables): text from outside stays text.

Labels, file names and commands come from the user's data. None of them may become a heading, a
link, a cell of its own or an element of HTML, in a viewer that we do not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spark_cxr.metrics.wording import printable
from spark_cxr.report.document import (
    KNOWN,
    Block,
    Bullets,
    Cell,
    Commands,
    Document,
    DocumentTable,
    Entries,
    Entry,
    Pairs,
    Paragraph,
)
from spark_cxr.report.sections import NOTICE

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
"""What would begin an element, an entity or, with some viewers, the link to an address."""
ACTIVE = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
"""What means something inside a line; an underscore within a word does not."""
LEADING = re.compile(r"^([-+=:#]|\d{1,9}[.)](?=\s|$))")
"""What means something at the start of one."""
LINKS = (("://", "&#58;//"), ("www.", "www&#46;"))
"""What some viewers make a link of by themselves."""


def escaped(text: str) -> str:
    """Write any text so that a reader of Markdown sees just that, on one line."""
    plain = printable(" ".join(text.split()))
    safe = "".join(ENTITIES.get(sign, sign) for sign in plain)
    safe = ACTIVE.sub(lambda found: f"\\{found[0]}", safe)
    for sign, harmless in LINKS:
        safe = re.sub(re.escape(sign), harmless, safe, flags=re.IGNORECASE)
    return LEADING.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", safe)


def fenced(lines: Iterable[str]) -> str:
    """Write lines as they are, behind a fence that none of them can close."""
    text = printable("\n".join(lines))
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def document_text(document: Document, front: Mapping[str, Any] | None = None) -> str:
    """Write a document as Markdown, with what machines read of it (`front`) before it."""
    parts = [front_matter(front)] if front else []
    parts += [f"# {escaped(document.title)}", f"**{NOTICE}**", escaped(document.eyebrow)]
    parts.append(escaped(document.verdict))
    if document.warnings:
        parts += ["## Before you rely on this", _bullets(document.warnings)]
    for chapter in document.chapters:
        if chapter.blocks:
            parts += [f"## {escaped(chapter.heading)}", *map(_block, chapter.blocks)]
    return "\n\n".join([*parts, escaped(document.ending)]) + "\n"


def front_matter(values: Mapping[str, Any]) -> str:
    """Write names and values as the YAML that stands before Markdown; JSON is YAML."""
    lines = (f"{name}: {json.dumps(value, ensure_ascii=True)}" for name, value in values.items())
    return "\n".join(["---", *lines, "---"])


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return escaped(text)
        case Bullets(lines):
            return _bullets(lines)
        case Pairs(rows):
            return _table(("", ""), [map(escaped, row) for row in rows], 2)
        case Commands(lines):
            return fenced(lines)
        case Entries(headings, entries):
            points = ((e.name, e.state, _said(e), e.place) for e in entries)
            return _table([*map(escaped, headings)], [map(escaped, row) for row in points], 4)
        case DocumentTable(caption, names, cells, numbers_from):
            table = _table([*map(escaped, names)], [map(_cell, row) for row in cells], numbers_from)
            return f"{escaped(caption)}:\n\n{table}"


def _said(entry: Entry) -> str:
    return f"{entry.text} {KNOWN} {entry.known}" if entry.known else entry.text


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def _cell(cell: Cell) -> str:
    return escaped(f"{cell.value} ({cell.note})" if cell.note else cell.value)


def _table(headings: Sequence[str], rows: Iterable[Iterable[str]], numbers_from: int) -> str:
    rule = ["---" if place < numbers_from else "---:" for place in range(len(headings))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))
