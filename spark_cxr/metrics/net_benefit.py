"""What answers are worth: decision curves, and PPV and NPV at a stated prevalence."""

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.errors import ConfigError
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.intervals import HAIR, RESAMPLES, difference_interval, middle
from spark_cxr.metrics.measure import LEAST
from spark_cxr.metrics.records import Band, Interval
from spark_cxr.metrics.resample import draw_sums
from spark_cxr.metrics.sample import Floats, encode_scores
from spark_cxr.metrics.scaling import from_log_odds

THRESHOLDS: Floats = np.arange(1, 100) / 100
MOST_CURVES = 6
"""That a page has room for."""


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit along the threshold at which one would act.

    Who acts from a probability of 10 % on weighs one missed positive like nine alarms. Net
    benefit counts true positives a film, less false ones at that rate: 0.05 is worth 5 positives
    found among 100 films without a single alarm.
    """

    label: str
    thresholds: tuple[float, ...]
    model: tuple[float, ...]
    treat_all: tuple[float, ...]
    """Of acting on every film; acting on none is 0 everywhere."""
    prevalence: float
    films: int
    groups: int
    band: Band | None = None
    """Of the model."""

    @property
    def useful(self) -> tuple[float, float] | None:
        """Give the longest run of thresholds where the model is ahead of both all and none."""
        best: tuple[int, int] | None = None
        start: int | None = None
        ahead = [m > max(a, 0.0) + HAIR for m, a in zip(self.model, self.treat_all, strict=True)]
        for place, is_ahead in enumerate([*ahead, False]):
            if is_ahead and start is None:
                start = place
            elif not is_ahead and start is not None:
                if best is None or place - start > best[1] - best[0]:
                    best = (start, place)
                start = None
        return best and (self.thresholds[best[0]], self.thresholds[best[1] - 1])

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        return asdict(self) | {"useful": self.useful}


def decision_curve(
    is_positive: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[str],
    *,
    label: str = "",
    thresholds: ArrayLike = THRESHOLDS,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> DecisionCurve | None:
    """Trace the net benefit of acting from each threshold on; None without films.

    Args:
        is_positive: Whether each film has what is asked for.
        scores: Its probability; recalibrated, for a threshold means what it says only then.
        groups: Patient of each film.
        label: The class or finding.
        thresholds: Probabilities above 0 and below 1.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        ConfigError: A threshold is out of range.
        InputError: The arrays do not fit together.
    """
    positive, stated, codes, n_groups = encode_scores(is_positive, scores, groups)
    at = np.asarray(thresholds, dtype=np.float64)
    if not ((at > 0) & (at < 1)).all():
        raise ConfigError("Thresholds above 0 and below 1", f"{at.tolist()[:5]}", "0.01 to 0.99")
    if not len(positive):
        return None
    price = at / (1 - at)
    yes = stated[:, None] >= at
    worth = yes * np.where(positive[:, None], 1.0, -price)
    sums = np.zeros((n_groups, len(at) + 1))
    np.add.at(sums, codes, np.column_stack([worth, np.ones(len(stated))]))
    drawn = draw_sums(sums, resamples, seed)
    share = float(positive.mean())
    return DecisionCurve(
        label=label,
        thresholds=tuple(at.tolist()),
        model=tuple((worth.sum(axis=0) / len(stated)).tolist()),
        treat_all=tuple((share - (1 - share) * price).tolist()),
        prevalence=share,
        films=len(stated),
        groups=n_groups,
        band=middle(drawn[:, :-1] / drawn[:, -1:], at) if n_groups > 1 else None,
    )


def decision_curves(
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    most: int = MOST_CURVES,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[DecisionCurve, ...]:
    """Trace a curve for each of the labels that the most films have, in the order of `labels`.

    Args:
        truth: (films, labels): 1, 0, or NaN where it is unknown.
        probabilities: (films, labels).
        labels: The names of the columns.
        groups: Patient of each film.
        most: So many curves; a label with fewer than `LEAST` films, or without it, has none.
        seed: Of the resampling.
        resamples: How many.
    """
    wanted, shares = (np.asarray(each, dtype=np.float64) for each in (truth, probabilities))
    have, lack = (wanted == 1).sum(axis=0), (wanted == 0).sum(axis=0)
    able = [place for place in range(len(labels)) if min(have[place], lack[place]) >= LEAST]
    kept = sorted(sorted(able, key=lambda place: -have[place])[:most])
    owners = np.asarray(groups, dtype=object)
    found = []
    for place in kept:
        known = ~np.isnan(wanted[:, place])
        films = (wanted[known, place] == 1, shares[known, place], owners[known].tolist())
        found.append(decision_curve(*films, label=labels[place], seed=seed, resamples=resamples))
    return tuple(curve for curve in found if curve)


@dataclass(frozen=True)
class PredictiveValues:
    """How often yes and no are right where the disease is as frequent as stated."""

    prevalence: float
    ppv: Estimate
    npv: Estimate

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        return asdict(self)


def predictive_values(
    sensitivity: Estimate, specificity: Estimate, prevalence: float
) -> PredictiveValues:
    """Carry sensitivity and specificity over to a stated prevalence, by Bayes' theorem.

    The log odds of the PPV are those of the prevalence plus log(sensitivity / (1 - specificity)),
    and the two come from different films; so their intervals combine as those of a difference of
    independent figures do. Whether sensitivity and specificity carry over, no formula says.

    Raises:
        ConfigError: The prevalence is not above 0 and below 1.
    """
    if not 0 < prevalence < 1:
        raise ConfigError("A prevalence above 0 and below 1", f"{prevalence}", "Try 0.02")
    odds = prevalence / (1 - prevalence)
    return PredictiveValues(
        prevalence=prevalence,
        ppv=_right(sensitivity, specificity, odds),
        npv=_right(specificity, sensitivity, 1 / odds),
    )


def _right(found: Estimate, spared: Estimate, odds: float) -> Estimate:
    """Give odds × found / (odds × found + 1 - spared), with its interval."""
    if found.value is None or spared.value is None or (found.value == 0 and spared.value == 1):
        return Estimate(None)
    value = odds * found.value / (odds * found.value + 1 - spared.value)
    return Estimate(value, _right_between(found, spared, odds))


def _right_between(found: Estimate, spared: Estimate, odds: float) -> Interval | None:
    least, most = found.interval, spared.interval
    if least is None or most is None or found.value is None or spared.value is None:
        return None
    ends = [
        odds * f / (odds * f + 1 - s) for f, s in ((least.low, most.low), (least.high, most.high))
    ]
    if found.value == 0 or spared.value == 1:  # has no logarithm: take the ends of both at once
        return Interval(*ends)
    with np.errstate(divide="ignore"):
        logs = np.log([found.value, *astuple(least), 1 - spared.value, 1 - most.high, 1 - most.low])
    first, second = logs[:3].tolist(), logs[3:].tolist()
    between = difference_interval(first[0], Interval(*first[1:]), second[0], Interval(*second[1:]))
    low, high = from_log_odds(np.log(odds) + np.array([between.low, between.high])).tolist()
    return Interval(low, high)
