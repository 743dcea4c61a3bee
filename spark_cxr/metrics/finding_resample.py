"""The figures of yes or no of all findings under many weightings of the groups at once.

As in `resample`: what adds up over films is summed per group beforehand, and scores are sorted
once a finding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.metrics import ranks
from spark_cxr.metrics.counts import ratio
from spark_cxr.metrics.resample import CHUNK_CELLS, draws
from spark_cxr.metrics.sample import Flags, Floats, Ints

POOL_CELLS = 4 * CHUNK_CELLS
"""Weights of known answers held at a time."""
TRUE_NEGATIVE, FALSE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE, SQUARE = range(5)
"""What adds up over films: the four kinds of answers, and the squared error."""


@dataclass(frozen=True)
class FindingAnswers:
    """Truth and answers of a test set: arrays of (films, findings), checked before."""

    findings: tuple[str, ...]
    thresholds: Floats
    known: Flags
    positive: Flags
    """False where nothing is known."""
    probabilities: Floats
    groups: Ints
    n_groups: int

    @property
    def yes(self) -> Flags:
        """Say where the answer at the operating point is yes."""
        return np.asarray(self.probabilities >= self.thresholds)

    @property
    def n(self) -> int:
        """Count the films."""
        return len(self.groups)

    def of(self, place: int) -> tuple[Flags, Floats, Ints]:
        """Give truth, probability and group of the films where a finding is known."""
        films = self.known[:, place]
        return self.positive[films, place], self.probabilities[films, place], self.groups[films]


@dataclass(frozen=True)
class PreparedFindings:
    """What is the same for all resamples."""

    sums: Floats
    """(groups, findings, 5)."""
    whole_films: Floats
    """(groups, 2): films that are known as a whole, and those of them answered without error."""
    rankings: tuple[ranks.Ranking, ...]
    pool: ranks.Ranking
    """Of all known answers together."""
    cells: int
    """How many these are."""


@dataclass(frozen=True)
class FindingStatistics:
    """The figures under each weighting, in the order of `FIGURES`; NaN if undefined."""

    each: Floats
    """(resamples, findings, figures)."""
    pooled: Floats
    """(resamples, figures)."""
    exact: Floats
    wrong: Floats


def prepare_answers(answers: FindingAnswers) -> PreparedFindings:
    """Sum per group, and sort per finding and for the pool."""
    known, positive, scores = answers.known, answers.positive, answers.probabilities
    rows, columns = np.nonzero(known)
    pool = positive[rows, columns], scores[rows, columns], answers.groups[rows]
    whole = known.all(axis=1)
    exact = whole & (answers.yes == positive).all(axis=1)
    return PreparedFindings(
        sums=sum_answers(answers),
        whole_films=np.stack([_by_group(answers, each) for each in (whole, exact)], axis=1),
        rankings=rank_findings(answers),
        pool=ranks.rank(*pool),
        cells=len(rows),
    )


def rank_findings(answers: FindingAnswers) -> tuple[ranks.Ranking, ...]:
    """Sort the known films of each finding."""
    return tuple(ranks.rank(*answers.of(place)) for place in range(len(answers.findings)))


def finding_areas(rankings: Sequence[ranks.Ranking], weights: Floats) -> Floats:
    """Give AUC and average precision of each finding: (resamples, 2, findings)."""
    areas = [np.stack(ranks.weighted_areas(each, weights), axis=1) for each in rankings]
    return np.stack(areas, axis=2)


def sum_answers(answers: FindingAnswers) -> Floats:
    """Sum the kinds of answers and the squared errors of each group: (groups, findings, 5)."""
    yes, has, known = answers.yes, answers.positive, answers.known
    kinds = (~yes & ~has, yes & ~has, ~yes & has, yes & has, (answers.probabilities - has) ** 2)
    sums = np.zeros((answers.n_groups, len(answers.findings), len(kinds)))
    for kind, cells in enumerate(kinds):
        for place in range(len(answers.findings)):
            sums[:, place, kind] = _by_group(answers, cells[:, place] * known[:, place])
    return sums


def finding_statistics(prepared: PreparedFindings, weights: Floats) -> FindingStatistics:
    """Measure under each column of `weights` (groups, resamples)."""
    n_groups, n_findings, kinds = prepared.sums.shape
    totals = (weights.T @ prepared.sums.reshape(n_groups, -1)).reshape(-1, n_findings, kinds)
    pooled = totals.sum(axis=1)
    films = weights.T @ prepared.whole_films
    areas = finding_areas(prepared.rankings, weights)
    answered = pooled[:, :SQUARE].sum(axis=1)
    return FindingStatistics(
        each=_figures(totals, areas[:, 0], areas[:, 1]),
        pooled=_figures(pooled, *_pool_areas(prepared, weights)),
        exact=ratio(films[:, 1], films[:, 0]),
        wrong=ratio(pooled[:, FALSE_POSITIVE] + pooled[:, FALSE_NEGATIVE], answered),
    )


def bootstrap_findings(
    prepared: PreparedFindings, n_films: int, resamples: int, seed: int
) -> FindingStatistics:
    """Measure under `resamples` random draws of groups."""
    n_groups = len(prepared.sums)
    width = max(1, CHUNK_CELLS // max(n_films, n_groups))
    parts = [
        finding_statistics(prepared, weights) for weights in draws(n_groups, resamples, width, seed)
    ]
    return FindingStatistics(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in FindingStatistics.__dataclass_fields__
        }
    )


def _by_group(answers: FindingAnswers, films: ArrayLike) -> Floats:
    each = np.asarray(films, dtype=np.float64)
    found = np.bincount(answers.groups, weights=each, minlength=answers.n_groups)
    return np.asarray(found, dtype=np.float64)


def _figures(totals: Floats, auc: Floats, average_precision: Floats) -> Floats:
    """Give the figures of totals (..., 5) in the order of `FIGURES`."""
    no, alarm, miss, hit, square = np.moveaxis(totals, -1, 0)
    return np.stack(
        [
            auc,
            average_precision,
            ratio(hit, hit + miss),
            ratio(no, no + alarm),
            ratio(hit, hit + alarm),
            ratio(no, no + miss),
            ratio(2 * hit, 2 * hit + alarm + miss),
            ratio(square, no + alarm + miss + hit),
        ],
        axis=-1,
    )


def _pool_areas(prepared: PreparedFindings, weights: Floats) -> tuple[Floats, Floats]:
    """Measure the pool, which is as long as all findings together, a few draws at a time."""
    width = max(1, POOL_CELLS // max(1, prepared.cells))
    parts = [
        ranks.weighted_areas(prepared.pool, np.ascontiguousarray(weights[:, start : start + width]))
        for start in range(0, weights.shape[1], width)
    ]
    auc, average_precision = (np.concatenate(each) for each in zip(*parts, strict=True))
    return auc, average_precision
