"""What each threshold of a question of yes or no would give: counts at a few hundred of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spark_cxr.metrics.finding_records import Estimate, FindingFigures, FindingMetrics
from spark_cxr.metrics.intervals import HAIR
from spark_cxr.metrics.records import Metrics, RocCurve
from spark_cxr.metrics.sample import Floats

MOST = 200
"""Thresholds of a table."""
SENSITIVITIES = (0.9, 0.95, 0.99)
"""Each has the highest threshold that reaches it in the table."""
MOST_LABELS = 24
"""Labels with a table: a page has room for no more, and the commonest say most."""


@dataclass(frozen=True)
class ThresholdRow:
    """The answers where the films from one probability on are called positive."""

    threshold: float
    true_positives: int
    false_positives: int


@dataclass(frozen=True)
class OwnPoint:
    """The threshold that the model itself answers by, and its figures with their intervals."""

    row: ThresholdRow
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate


@dataclass(frozen=True)
class ThresholdTable:
    """One label: what its thresholds give on the test, from the highest to the lowest."""

    label: str
    positives: int
    negatives: int
    rows: tuple[ThresholdRow, ...]
    own: OwnPoint

    @property
    def films(self) -> int:
        """Count the films of which it is known."""
        return self.positives + self.negatives

    def reaching(self, sensitivity: float) -> ThresholdRow | None:
        """Give the row of the highest threshold that reaches a sensitivity; None: none does."""
        least = (sensitivity - HAIR) * self.positives
        return next((row for row in self.rows if row.true_positives >= least), None)

    def sensitivity(self, row: ThresholdRow) -> float | None:
        """Give the share of the films with it that were found."""
        return _share(row.true_positives, self.positives)

    def specificity(self, row: ThresholdRow) -> float | None:
        """Give the share of the films without it that were left alone."""
        return _share(self.negatives - row.false_positives, self.negatives)

    def ppv(self, row: ThresholdRow) -> float | None:
        """Give the share of the answers yes that were right."""
        return _share(row.true_positives, row.true_positives + row.false_positives)

    def npv(self, row: ThresholdRow) -> float | None:
        """Give the share of the answers no that were right."""
        right = self.negatives - row.false_positives
        return _share(right, right + self.positives - row.true_positives)


def threshold_tables(found: Metrics | FindingMetrics) -> tuple[ThresholdTable, ...]:
    """Tabulate the labels that are a question of yes or no: findings, and each of two classes."""
    if isinstance(found, FindingMetrics):
        commonest = sorted(found.rows, key=lambda row: -row.positives)[:MOST_LABELS]
        tables = map(_table_of_finding, (row for row in found.rows if row in commonest))
    elif len(found.labels) == 2:
        tables = map(_table_of_class, [found] * 2, range(2))
    else:
        return ()
    return tuple(table for table in tables if table)


def _table_of_finding(found: FindingFigures) -> ThresholdTable | None:
    if found.curves.roc is None:
        return None
    row = ThresholdRow(found.threshold, found.true_positives, found.false_positives)
    named = found.figures
    own = OwnPoint(row, named.sensitivity, named.specificity, named.ppv, named.npv)
    return _table(found.finding, found.positives, found.negatives, found.curves.roc, own)


def _table_of_class(found: Metrics, place: int) -> ThresholdTable | None:
    """Ask for one of two classes; the other is the answer no, whose recall is the specificity."""
    curve, other = found.curves.roc[place], 1 - place
    if curve is None:
        return None
    hits, alarms = found.confusion[place][place], found.confusion[other][place]
    between = found.intervals
    own = OwnPoint(
        ThresholdRow(0.5, hits, alarms),
        Estimate(found.recall[place], between.recall[place]),
        Estimate(found.recall[other], between.recall[other]),
        Estimate(found.precision[place], between.precision[place]),
        Estimate(found.precision[other], between.precision[other]),
    )
    return _table(found.labels[place], found.support[place], found.support[other], curve, own)


def _table(
    label: str, positives: int, negatives: int, curve: RocCurve, own: OwnPoint
) -> ThresholdTable:
    """Keep what a slider needs of a curve: its targets, and places evenly along it."""
    rows = [*_rows(curve, positives, negatives)]
    whole = ThresholdTable(label, positives, negatives, tuple(rows), own)
    kept = {row for target in SENSITIVITIES if (row := whole.reaching(target))}
    along = np.asarray([row.true_positives / positives for row in rows])
    along = along + [row.false_positives / negatives for row in rows]
    kept |= {rows[place] for place in _evenly(along, MOST - len(kept) - 1)}
    # A point between two films' probabilities answers as the next film above it does.
    kept = {row for row in kept if row.threshold != own.row.threshold} | {own.row}
    ordered = sorted(kept, key=lambda row: (-row.threshold, row.true_positives))
    return replace(whole, rows=tuple(ordered))


def _rows(curve: RocCurve, positives: int, negatives: int) -> Iterator[ThresholdRow]:
    rates = zip(curve.thresholds, curve.true_positive_rate, curve.false_positive_rate, strict=True)
    for threshold, hits, alarms in rates:
        if not math.isinf(threshold):
            yield ThresholdRow(threshold, round(hits * positives), round(alarms * negatives))


def _evenly(along: Floats, most: int) -> Sequence[int]:
    """Choose places that lie as evenly as can be along something that rises, both ends included."""
    if len(along) <= most:
        return range(len(along))
    wanted = np.linspace(along[0], along[-1], most)
    places: list[int] = np.unique(np.searchsorted(along, wanted)).tolist()
    return places


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
