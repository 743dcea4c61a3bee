"""The threshold for a wished sensitivity or specificity, and what it gives on new patients."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.errors import ConfigError
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.intervals import HAIR, share_interval, weigh
from spark_cxr.metrics.resample import CHUNK_CELLS, draws
from spark_cxr.metrics.sample import Flags, Floats, Ints, encode_scores

SENSITIVITY, SPECIFICITY = "sensitivity", "specificity"


@dataclass(frozen=True)
class OperatingPoint:
    """From which probability on the answer is yes, and how often that is right.

    The threshold is chosen anew in each resample of patients, so the intervals also hold what
    choosing it on these patients and not on others may have changed.
    """

    label: str
    threshold: float
    """The answer is yes at this probability and above."""
    target: str
    """sensitivity or specificity."""
    wanted: float
    reached: Estimate
    """The target on the films that the threshold was chosen on. Its interval is of what
    thresholds chosen on other draws of patients reach on these films."""
    other: Estimate
    """Specificity where sensitivity was wanted, and the other way round."""
    positives: int
    groups: int
    """Patients that it was chosen on."""
    short: float | None = None
    """What the next threshold would reach, on the side that falls short of what is wanted: films
    that share one probability are answered alike, so nothing between the two can be had. None
    where no threshold falls short, or none reaches it."""

    @property
    def is_reached(self) -> bool:
        """Say whether any threshold reaches what is wanted."""
        return self.reached.value is not None and self.reached.value >= self.wanted - HAIR

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        return asdict(self)


def operating_point(
    is_positive: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[str],
    *,
    label: str = "",
    sensitivity: float | None = None,
    specificity: float | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> OperatingPoint | None:
    """Choose a threshold; None where the films are all of one kind.

    For a sensitivity it is the highest threshold that reaches it, so that the specificity is
    the best to be had; for a specificity the lowest. Thresholds are the probabilities of the
    films, and above the highest of them lies "never yes", which a high specificity may need.

    Args:
        is_positive: Whether each film has what is asked for.
        scores: The probability of each film.
        groups: Patient of each film.
        label: The class or finding.
        sensitivity: What is wanted; this or `specificity`.
        specificity: What is wanted.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        ConfigError: Not one of the two, or outside 0..1.
        InputError: The arrays do not fit together.
    """
    target, wanted = _target(sensitivity, specificity)
    positive, stated, codes, n_groups = encode_scores(is_positive, scores, groups)
    if positive.all() or not positive.any():
        return None
    ladder = _Ladder.of(positive, stated, codes, n_groups)
    whole = ladder.rates(np.ones((n_groups, 1)))
    place = int(_places(whole, target, wanted)[0])
    own, other = (rate[0] for rate in _as_wanted(whole, target))
    drawn = ladder.draw(target, wanted, own, resamples, seed)
    sides = [len(np.unique(codes[each])) for each in (positive, ~positive)]
    if target == SPECIFICITY:
        sides.reverse()
    step = place - 1 if target == SENSITIVITY else place + 1
    is_reached = own[place] >= wanted - HAIR
    return OperatingPoint(
        label=label,
        threshold=float(ladder.thresholds[place]),
        target=target,
        wanted=wanted,
        reached=Estimate(float(own[place]), share_interval(drawn[0], sides[0])),
        other=Estimate(float(other[place]), share_interval(drawn[1], sides[1])),
        positives=int(positive.sum()),
        groups=n_groups,
        short=float(own[step]) if is_reached and 0 <= step < len(own) else None,
    )


@dataclass(frozen=True)
class _Ladder:
    """Films sorted by score, the highest first, and every threshold between them."""

    thresholds: Floats
    """From never yes, or the highest score, down to the lowest."""
    groups: Ints
    positive: Flags
    ends: Ints
    n_groups: int
    begins_with_never: bool

    @classmethod
    def of(cls, positive: Flags, scores: Floats, groups: Ints, n_groups: int) -> "_Ladder":
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
        # No probability is above 1, so where the highest is 1 there is no never.
        never = float(np.nextafter(falling[0], np.inf))
        above = [never] if never <= 1 else []
        thresholds = np.concatenate([above, falling[ends]])
        return cls(thresholds, groups[order], positive[order], ends, n_groups, bool(above))

    def rates(self, weights: Floats) -> tuple[Floats, Floats]:
        """Give sensitivity and specificity at each threshold: (resamples, thresholds)."""
        hits, alarms = weigh(weights, self.groups, self.positive, self.ends)
        if self.begins_with_never:
            hits, alarms = (np.pad(each, ((0, 0), (1, 0))) for each in (hits, alarms))
        with np.errstate(invalid="ignore"):  # a draw without positives, or without negatives
            return hits / hits[:, -1:], 1 - alarms / alarms[:, -1:]

    def draw(
        self, target: str, wanted: float, own: Floats, resamples: int, seed: int
    ) -> tuple[Floats, Floats]:
        """Choose anew in each draw: the target on all films, and the other figure in the draw."""
        width = max(1, CHUNK_CELLS // len(self.groups))
        reached, other = [], []
        for weights in draws(self.n_groups, resamples, width, seed):
            rates = self.rates(weights)
            places = _places(rates, target, wanted)
            both_kinds = ~np.isnan(rates[0][:, -1]) & ~np.isnan(rates[1][:, -1])
            found = _as_wanted(rates, target)[1][np.arange(len(places)), places]
            reached.append(np.where(both_kinds, own[places], np.nan))
            other.append(np.where(both_kinds, found, np.nan))
        return np.concatenate(reached), np.concatenate(other)


def _target(sensitivity: float | None, specificity: float | None) -> tuple[str, float]:
    given = {SENSITIVITY: sensitivity, SPECIFICITY: specificity}
    wished = [(name, value) for name, value in given.items() if value is not None]
    if len(wished) != 1 or not 0 < wished[0][1] <= 1:
        raise ConfigError(
            "Either a sensitivity or a specificity, above 0 and up to 1",
            f"sensitivity={sensitivity}, specificity={specificity}",
            "Give one of them, 0.95 say",
        )
    return wished[0]


def _as_wanted(rates: tuple[Floats, Floats], target: str) -> tuple[Floats, Floats]:
    return rates if target == SENSITIVITY else (rates[1], rates[0])


def _places(rates: tuple[Floats, Floats], target: str, wanted: float) -> Ints:
    """Give the place of the chosen threshold in each row.

    Sensitivity rises along the ladder and specificity falls: the first that reaches the one, the
    last that still keeps the other; the first of all where none does.
    """
    if target == SENSITIVITY:
        return np.asarray((rates[0] >= wanted - HAIR).argmax(axis=1))
    kept = (rates[1] >= wanted - HAIR).sum(axis=1)
    return np.asarray(np.maximum(kept - 1, 0))
