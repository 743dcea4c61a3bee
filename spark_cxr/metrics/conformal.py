"""Rule in, rule out or unsure: sets of answers that keep the truth with a stated coverage.

Class-conditional split conformal prediction. A film's score for a label is 1 - the label's
probability. The limit of a label is such that, of new films which have it, the wished share
scores below it, whatever the network and the head are like: the films must only be of the same
kind as those that the limits were learned from. At another hospital they need not be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.counts import ratio
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.intervals import HAIR, share_interval
from spark_cxr.metrics.resample import draw_sums
from spark_cxr.metrics.sample import Flags, Floats, Ints, encode_groups

RULE_IN, RULE_OUT, UNSURE = "rule in", "rule out", "unsure"
VERDICTS = (RULE_IN, RULE_OUT, UNSURE)

Limits = dict[str, float | None]
Verdicts = NDArray[np.str_]


@dataclass(frozen=True)
class ConformalSets:
    """The limit of each class, or of each finding's presence and absence."""

    coverage: float
    """The share of the films of each label that shall keep it among their answers."""
    limits: Limits
    """Of each class or finding, in the order of the model: a film may have it while 1 - its
    probability is up to this. None: too few patients for a limit, so it is never ruled out."""
    counts: dict[str, int]
    """The patients that each limit was learned from."""
    absent: Limits = field(default_factory=dict)
    """Findings: a film may lack it while its probability is up to this. None: never ruled in."""
    absent_counts: dict[str, int] = field(default_factory=dict)

    def renamed(self, names: Mapping[str, str]) -> ConformalSets:
        """Give the same for labels that go by other names."""
        return ConformalSets(
            self.coverage,
            limits={names[label]: limit for label, limit in self.limits.items()},
            counts={names[label]: count for label, count in self.counts.items()},
            absent={names[label]: limit for label, limit in self.absent.items()},
            absent_counts={names[label]: count for label, count in self.absent_counts.items()},
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the classes or findings."""
        return tuple(self.limits)

    @property
    def too_few(self) -> tuple[str, ...]:
        """Name the labels that lack a limit, on either side."""
        return tuple(
            label
            for label in self.limits
            if self.limits[label] is None or self.absent.get(label, 0.0) is None
        )

    def verdicts(self, probabilities: ArrayLike) -> Verdicts:
        """Give the verdict on each film and label: (films, labels) of `VERDICTS`.

        A class is ruled in where it alone may be, and ruled out where only others may be. Where
        no class may be, the film is like none that was learned from, and all are unsure.
        """
        stated = np.asarray(probabilities, dtype=np.float64)
        may_have = 1 - stated <= _array(self.limits)
        if self.absent:
            may_lack = stated <= _array(self.absent)
            is_in, is_out = may_have & ~may_lack, may_lack & ~may_have
        else:
            many = may_have.sum(axis=1, keepdims=True)
            is_in, is_out = may_have & (many == 1), ~may_have & (many > 0)
        return np.where(is_in, RULE_IN, np.where(is_out, RULE_OUT, UNSURE))

    def to_json(self) -> dict[str, Any]:
        """Give all by name; what only findings have, only for them."""
        found = {"coverage": self.coverage, "limits": self.limits, "counts": self.counts}
        if self.absent:
            found |= {"absent": self.absent, "absent_counts": self.absent_counts}
        return found


@dataclass(frozen=True)
class LabelCoverage:
    """How often the verdicts on one label were wrong, right, or none."""

    label: str
    films: int
    """With the label."""
    covered: Estimate
    """The share of them that it was not ruled out for: what the coverage promises."""
    ruled_in: Estimate
    """The share of them that it was ruled in for."""
    others: int
    """Films that are known not to have it."""
    others_covered: Estimate
    """The share of them that it was not ruled in for."""
    others_ruled_out: Estimate
    """The share of them that it was ruled out for."""

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        return asdict(self)


def conformal_sets(
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    coverage: float = 0.9,
) -> ConformalSets:
    """Learn the limits from films that the head has not seen.

    With one film a patient the limit is the ceil((n + 1) × coverage)-th smallest of the n scores
    of the label. Patients with several films count once, their films sharing that weight, so the
    promise is for a film of a new patient.

    Args:
        truth: Classes: the position of the true label of each film. Findings: (films, findings)
            of 1, 0 and NaN where nothing is known.
        probabilities: (films, labels), after any recalibration.
        labels: The names of the columns.
        groups: Patient of each film.
        coverage: Above 0 and below 1.

    Raises:
        ConfigError: The coverage is out of range.
        InputError: The arrays do not fit together.
    """
    if not 0 < coverage < 1:
        raise ConfigError("A coverage above 0 and below 1", f"{coverage}", "Try 0.9")
    wanted, stated, codes, _ = _encode(truth, probabilities, labels, groups)
    # Classes have one side only: a film that lacks a class has another one.
    sides = ((wanted == 1, 1 - stated), (wanted == 0, stated))[: np.ndim(truth)]
    learned: list[Any] = []
    for of, scores in sides:
        found = {
            label: _limit(scores[of[:, place], place], codes[of[:, place]], coverage)
            for place, label in enumerate(labels)
        }
        learned.append({label: limit for label, (limit, _) in found.items()})
        learned.append({label: many for label, (_, many) in found.items()})
    return ConformalSets(coverage, *learned)


def coverage_of(
    verdicts: ArrayLike,
    truth: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[LabelCoverage, ...]:
    """Count how often verdicts held, label by label, with intervals by patient.

    Args:
        verdicts: (films, labels), as `ConformalSets.verdicts` gives them.
        truth: As for `conformal_sets`.
        labels: The names of the columns.
        groups: Patient of each film.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        InputError: The arrays do not fit together.
    """
    said = np.asarray(verdicts, dtype=np.str_)
    wanted, _, codes, n_groups = _encode(truth, said != "", labels, groups)
    found = []
    for place, label in enumerate(labels):
        has, lacks, own = wanted[:, place] == 1, wanted[:, place] == 0, said[:, place]
        covered, ruled_in, others_covered, others_ruled_out = (
            _share(of & is_so, of, codes, n_groups, seed, resamples)
            for of, is_so in (
                (has, own != RULE_OUT),
                (has, own == RULE_IN),
                (lacks, own != RULE_IN),
                (lacks, own == RULE_OUT),
            )
        )
        found.append(
            LabelCoverage(
                label=label,
                films=int(has.sum()),
                covered=covered,
                ruled_in=ruled_in,
                others=int(lacks.sum()),
                others_covered=others_covered,
                others_ruled_out=others_ruled_out,
            )
        )
    return tuple(found)


def _limit(scores: Floats, groups: Ints, coverage: float) -> tuple[float | None, int]:
    """Give the limit, or None where too few patients reach the coverage, and count them."""
    _, place, many = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    # One more patient than there are stands for the new one, who may score anything.
    mass = np.cumsum(1 / many[place][order]) / (len(many) + 1)
    enough = np.flatnonzero(mass >= coverage - HAIR)
    return (float(scores[order][enough[0]]) if len(enough) else None), len(many)


def _share(
    part: Flags, whole: Flags, groups: Ints, n_groups: int, seed: int, resamples: int
) -> Estimate:
    """Give part / whole, with an interval from resampled groups."""
    sums = np.stack(
        [np.bincount(groups, weights=each, minlength=n_groups) for each in (part, whole)], axis=1
    )
    if not whole.any():
        return Estimate(None)
    drawn = draw_sums(sums, resamples, seed)
    between = share_interval(ratio(drawn[:, 0], drawn[:, 1]), int((sums[:, 1] > 0).sum()))
    return Estimate(float(part.sum() / whole.sum()), between)


def _encode(
    truth: ArrayLike, probabilities: ArrayLike, labels: Sequence[str], groups: Sequence[str]
) -> tuple[Floats, Floats, Ints, int]:
    """Give truth as (films, labels) of 1, 0 and NaN, then probabilities and groups, checked."""
    wanted, stated = (np.asarray(each, dtype=np.float64) for each in (truth, probabilities))
    shape = (len(groups), len(labels))
    if stated.shape != shape or wanted.shape not in (shape, shape[:1]):
        raise InputError(
            f"A row for each of {shape[0]} films and a column for each of {shape[1]} labels",
            f"{stated.shape}, truth {wanted.shape}",
            "Hand over the true label's position a film, or 1, 0 and NaN for findings",
        )
    codes, n_groups = encode_groups(groups)
    if wanted.ndim == 1:
        wanted = np.eye(shape[1])[wanted.astype(int)]
    return wanted, stated, codes, n_groups


def _array(limits: Limits) -> Floats:
    return np.array([np.inf if limit is None else limit for limit in limits.values()])
