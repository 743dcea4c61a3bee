"""Two classifiers on the same films: how far apart, and whether more than chance."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.errors import InputError
from spark_cxr.metrics import counts, ranks
from spark_cxr.metrics.intervals import LEVEL, percentile_interval
from spark_cxr.metrics.records import Interval
from spark_cxr.metrics.resample import CHUNK_CELLS, draws, sum_cells
from spark_cxr.metrics.sample import Floats, Sample, make_sample


@dataclass(frozen=True)
class Difference:
    """By how much the first is ahead of the second."""

    value: float
    interval: Interval | None
    """None where every resample says the same."""
    ahead: float
    """Share of the resamples in which the first is strictly ahead."""


@dataclass(frozen=True)
class Paired:
    """The first against the second on the same films."""

    n: int
    groups: int
    accuracy: Difference
    f1_macro: Difference
    only_first: int
    """Films that only the first classified correctly."""
    only_second: int
    mcnemar_p: float
    """Exact and two-sided. It counts films as if each were a patient of its own."""
    level: float
    resamples: int
    seed: int
    auc_macro: Difference | None = None
    """Of the mean AUC over the labels that have one."""
    auc: tuple[Difference | None, ...] = ()
    """Of each label against the rest, in the order of the labels; None where it has no AUC."""

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        found = asdict(self)
        return found | {"auc": list(found["auc"])}


def compare_paired(
    truth: Sequence[str],
    first: ArrayLike,
    second: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Paired:
    """Compare two classifiers film by film, resampling whole groups.

    Args:
        truth: The true label of each image.
        first: (images, labels), as for `measure`; rows in the same order as `truth`.
        second: The same of the other classifier.
        labels: The names of the columns.
        groups: Patient of each image.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        InputError: The arrays do not fit together, or there are too few resamples.
    """
    if resamples < 100:
        raise InputError(
            "At least 100 resamples for a 95 % interval", f"{resamples}", "Leave it at 1000"
        )
    a, b = (make_sample(truth, each, labels, groups) for each in (first, second))
    whole, drawn = _differences(a, b, resamples, seed)
    right, other_right = a.predicted == a.truth, b.predicted == b.truth
    only_first, only_second = int((right & ~other_right).sum()), int((other_right & ~right).sum())
    return Paired(
        n=a.n,
        groups=a.n_groups,
        accuracy=_difference(whole[0], drawn[0]),
        f1_macro=_difference(whole[1], drawn[1]),
        only_first=only_first,
        only_second=only_second,
        mcnemar_p=mcnemar(only_first, only_second),
        level=LEVEL,
        resamples=resamples,
        seed=seed,
        **_auc_differences(a, b, resamples, seed),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Give the exact two-sided p of McNemar's test from the films that only one got right.

    Were the two alike, each such film would be a coin toss; so the tail of a binomial, in whole
    numbers to the last division.
    """
    tosses = only_first + only_second
    term, tail = 1, 0
    for heads in range(min(only_first, only_second) + 1):
        tail += term
        term = term * (tosses - heads) // (heads + 1)
    share: float = 2 * tail / 2**tosses
    return min(1.0, share)


def _differences(a: Sample, b: Sample, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Give (accuracy, macro F1) of the first minus the second: (2,) and (2, resamples)."""
    cells = sum_cells(a), sum_cells(b)
    width = max(1, CHUNK_CELLS // a.n_groups)
    whole = _ahead(cells, np.ones((a.n_groups, 1)))
    drawn = [_ahead(cells, each) for each in draws(a.n_groups, resamples, width, seed)]
    return whole[:, 0], np.concatenate(drawn, axis=1)


def _ahead(cells: tuple[Floats, Floats], weights: Floats) -> Floats:
    confusions = (np.tensordot(weights.T, each, axes=1) for each in cells)
    first, second = (
        np.stack([counts.accuracy(each), counts.mean_defined(counts.f1(each))])
        for each in confusions
    )
    return first - second


def _auc_differences(a: Sample, b: Sample, resamples: int, seed: int) -> dict[str, Any]:
    """Give the difference of each label's AUC, and of their mean, under the same draws."""
    ranked = [
        [
            ranks.rank(each.truth == place, each.probabilities[:, place], each.groups)
            for each in (a, b)
        ]
        for place in range(len(a.labels))
    ]

    def ahead(weights: Floats) -> Floats:
        return np.stack(
            [
                ranks.weighted_auc(first, weights) - ranks.weighted_auc(second, weights)
                for first, second in ranked
            ],
            axis=1,
        )

    width = max(1, CHUNK_CELLS // a.n)
    whole = ahead(np.ones((a.n_groups, 1)))[0]
    drawn = np.concatenate([ahead(each) for each in draws(a.n_groups, resamples, width, seed)])
    return {
        "auc_macro": defined_difference(
            float(counts.mean_defined(whole)), counts.mean_defined(drawn)
        ),
        "auc": tuple(defined_difference(*each) for each in zip(whole, drawn.T, strict=True)),
    }


def defined_difference(value: float, drawn: Floats) -> Difference | None:
    """Give a difference over the draws in which it is defined; None where it is not at all."""
    if np.isnan(value):
        return None
    defined = drawn[~np.isnan(drawn)]
    return Difference(float(value), percentile_interval(drawn), float((defined > 0).mean()))


def _difference(value: float, drawn: Floats) -> Difference:
    return Difference(float(value), percentile_interval(drawn), float((drawn > 0).mean()))
