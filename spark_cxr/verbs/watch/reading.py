"""One pass over a score table: rows in, sums by model and day out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spark_cxr.errors import InputError
from spark_cxr.model.findings import findings_in
from spark_cxr.output import Output
from spark_cxr.verbs.watch.films import KnownRows
from spark_cxr.verbs.watch.table import (
    QUARANTINE_COLUMNS,
    QUARANTINED,
    SCORE_COLUMNS,
    SCORED,
    WAY_OUT,
    batches_of,
)
from spark_cxr.verbs.watch.tally import FilmTally

Array = NDArray[Any]
MICROSECONDS = 86_400_000_000
EPOCH = date(1970, 1, 1).toordinal()
EARLIEST = date(2000, 1, 1).toordinal()
MOST_MODELS = 100
NO_TIME, TOO_EARLY, TOO_LATE = "without a time", "before the year 2000", "in the future"


@dataclass
class LateAnswers:
    """Films whose labels are known by now: the only thing kept film by film, 4 bytes a number."""

    days: list[Array] = field(default_factory=list)
    truth: list[Array] = field(default_factory=list)
    """(films, labels) of bool."""
    shares: list[Array] = field(default_factory=list)
    """(films, labels): probabilities as float32."""
    others: Counter[str] = field(default_factory=Counter)
    """Labels of the file that the model does not have."""


@dataclass(frozen=True)
class Joined:
    """What lies beside the table."""

    films: KnownRows | None = None
    attributes: tuple[str, ...] = ()
    labels: KnownRows | None = None


@dataclass
class Courses:
    """What a table holds, by model."""

    tallies: defaultdict[str, FilmTally] = field(default_factory=lambda: defaultdict(FilmTally))
    late: defaultdict[str, LateAnswers] = field(default_factory=lambda: defaultdict(LateAnswers))
    odd: Counter[str] = field(default_factory=Counter)
    """Rows whose time no clock that is right can have given; they are not counted otherwise."""
    rows: int = 0


def read_courses(table: Output, time: str, joined: Joined, today: int) -> Courses:
    """Count all rows of a table.

    Raises:
        InputError: It is none of `score`, or has no rows.
    """
    found = Courses()
    for batch in batches_of(table, SCORED, SCORE_COLUMNS):
        for model, days, rows in _by_model(batch, time, today, found):
            tally = found.tallies[model]
            tally.add_scores(days, rows)
            if joined.films is not None:
                _add_attributes(tally, days, rows, joined.films, joined.attributes)
            if joined.labels is not None:
                _add_late(tally, found.late[model], days, rows, joined.labels)
    for batch in batches_of(table, QUARANTINED, QUARANTINE_COLUMNS):
        for model, days, rows in _by_model(batch, time, today, found):
            found.tallies[model].add_quarantined(days, rows)
    if not found.tallies:
        odd = ", ".join(f"{n:,} {what}" for what, n in found.odd.items())
        received = f"{table.address} with no row that counts{f' ({odd})' if odd else ''}"
        raise InputError("a table of scores with rows", received, "Score films first")
    return found


def _by_model(
    batch: pa.RecordBatch, time: str, today: int, found: Courses
) -> Iterator[tuple[str, Array, pa.RecordBatch]]:
    """Divide rows by model, with the day of each; count those whose day cannot be."""
    found.rows += batch.num_rows
    micros = batch.column(time).cast(pa.int64()).fill_null(np.iinfo(np.int64).min)
    days = micros.to_numpy(zero_copy_only=False) // MICROSECONDS + EPOCH
    is_null = ~batch.column(time).is_valid().to_numpy(zero_copy_only=False)
    early, late = (days < EARLIEST) & ~is_null, days > today + 1
    for what, where in ((NO_TIME, is_null), (TOO_EARLY, early), (TOO_LATE, late)):
        if where.any():
            found.odd[what] += int(where.sum())
    good = ~(is_null | early | late)
    for model in batch.column("model").unique().to_pylist():
        is_its = pc.equal(batch.column("model"), model).fill_null(False)
        chosen = is_its.to_numpy(zero_copy_only=False).astype(bool) & good
        if model is not None and chosen.any():
            yield model, days[chosen], batch.filter(pa.array(chosen))
        if len(found.tallies) > MOST_MODELS:
            expected = f"at most {MOST_MODELS} models in the column model"
            raise InputError(expected, "more", WAY_OUT)


def _add_attributes(
    tally: FilmTally, days: Array, rows: pa.RecordBatch, films: KnownRows, names: tuple[str, ...]
) -> None:
    place = films.of_films(rows)
    is_known = place >= 0
    for column, name in enumerate(names):
        codes = films.codes[place[is_known], column]
        values = pa.array(films.names[column]).take(pa.array(codes))
        tally.add(name, days[is_known], values)


def _add_late(
    tally: FilmTally, late: LateAnswers, days: Array, rows: pa.RecordBatch, labels: KnownRows
) -> None:
    """Hold answers against the labels that came later; a film without an answer is not right."""
    place = labels.of_films(rows)
    chosen = place >= 0
    if not chosen.any() or not tally.labels:
        return
    texts = [labels.names[0][code] for code in labels.codes[place[chosen], 0]]
    truth, known = _truth(texts, tally, late)
    rows, days = rows.filter(pa.array(chosen)).filter(pa.array(known)), days[chosen][known]
    shares = [dict(row.as_py() or ()) for row in rows.column("probabilities")]
    numbers = np.array(
        [[each.get(label, np.nan) for label in tally.labels] for each in shares], dtype=np.float32
    ).reshape(len(shares), len(tally.labels))
    answers = rows.column("prediction").to_pylist()
    said = _answers(answers, tally)
    tally.add_right(days, (said == truth).all(axis=1) & np.array([a is not None for a in answers]))
    late.days.append(days)
    late.truth.append(truth)
    late.shares.append(numbers)


def _truth(texts: list[str], tally: FilmTally, late: LateAnswers) -> tuple[Array, Array]:
    """Read labels as (films, labels) of the model, and which of them it can be asked for."""
    named = [_parts(text, tally) for text in texts]
    known = np.array([set(parts) <= set(tally.labels) for parts in named], dtype=bool)
    late.others.update(
        label
        for parts, is_known in zip(named, known, strict=True)
        if not is_known
        for label in set(parts) - set(tally.labels)
    )
    chosen = [parts for parts, is_known in zip(named, known, strict=True) if is_known]
    return _matrix(chosen, tally.labels), known


def _answers(answers: list[str | None], tally: FilmTally) -> Array:
    return _matrix([_parts(each, tally) if each else () for each in answers], tally.labels)


def _parts(text: str, tally: FilmTally) -> tuple[str, ...]:
    return findings_in(text) if tally.is_of_findings else (text,)


def _matrix(rows: list[tuple[str, ...]], labels: tuple[str, ...]) -> Array:
    found = np.array([[label in parts for label in labels] for parts in rows], dtype=bool)
    return found.reshape(len(rows), len(labels))
