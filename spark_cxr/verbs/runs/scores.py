"""A table of scores on one page: its days, and a queue of the films of least certainty."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from spark_cxr.errors import without_password
from spark_cxr.metrics.score_results import ScoredFilm, ScoredModel, ScoreReport
from spark_cxr.output import Output
from spark_cxr.pipeline.thumbnails import thumbnail
from spark_cxr.verbs.watch.reading import Joined, read_courses
from spark_cxr.verbs.watch.table import SCORE_COLUMNS, SCORED, batches_of, open_scores
from spark_cxr.verbs.watch.tally import ANSWERS, CONFIDENCE, DISTANCE, REFUSALS

SHOWN = (ANSWERS, CONFIDENCE, DISTANCE, REFUSALS)
LONGEST = 320
EVEN = 0.5


def score_report(address: str, most: int) -> ScoreReport:
    """Read a table of scores, a batch at a time.

    Args:
        address: Its directory.
        most: Films of the queue.

    Raises:
        InputError: It is no table of scores, or has no rows.
    """
    table = open_scores(address)
    today = datetime.now(UTC).date().toordinal()
    tallies = read_courses(table, "scored_at", Joined(), today).tallies
    models = tuple(
        ScoredModel(
            model=name,
            films=tally.totals[REFUSALS].total(),
            courses=tuple(each for each in tally.courses() if each.family in SHOWN),
        )
        for name, tally in sorted(tallies.items())
    )
    newest = max(tallies, key=lambda name: (tallies[name].days()[-1], name))
    of_findings = tallies[newest].is_of_findings
    queue = _least_certain(table, newest, of_findings, most)
    return ScoreReport(without_password(address), models, queue, of_findings)


def _least_certain(
    table: Output, model: str, of_findings: bool, most: int
) -> tuple[ScoredFilm, ...]:
    """Find the films of a model whose answers are least certain; each content once."""
    films = (film for batch in batches_of(table, SCORED, SCORE_COLUMNS) for film in _films(batch))
    answered = (
        (_certainty(film, of_findings), film["sha256"], film)
        for film in films
        if film["model"] == model and film["prediction"] is not None and film["probabilities"]
    )
    # A film that was touched may have two rows: twice as many leave enough.
    first = heapq.nsmallest(2 * most, answered, key=lambda each: each[:2])
    unique = {digest: film for _, digest, film in reversed(first)}
    chosen = sorted(unique.values(), key=lambda film: (_certainty(film, of_findings), film["path"]))
    return tuple(_queued(film) for film in chosen[:most])


def _films(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    for film in batch.to_pylist():
        yield {**film, "probabilities": dict(film["probabilities"] or ())}


def _certainty(film: dict[str, Any], of_findings: bool) -> float:
    """Say how far an answer is from being a toss-up."""
    if not of_findings:
        return float(film["confidence"])
    return min(abs(share - EVEN) for share in film["probabilities"].values())


def _queued(film: dict[str, Any]) -> ScoredFilm:
    found = ScoredFilm(
        path=film["path"],
        prediction=film["prediction"],
        confidence=film["confidence"],
        probabilities=film["probabilities"],
        flags=tuple(film["flags"] or ()),
        scored_at=f"{film['scored_at']:%Y-%m-%d %H:%M}" if film["scored_at"] else "",
    )
    return replace(found, image=thumbnail(found.path, LONGEST))
