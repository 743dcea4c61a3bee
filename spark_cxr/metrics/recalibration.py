"""Probabilities that keep their word: what a head states → what its films have shown.

A head that says 99 % and is right on 90 % is over-confident. `recalibrate` learns from films
that the head has not seen how to put that right, and whether that helps at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.calibration import FLOOR, honest_ece, reliability
from spark_cxr.metrics.intervals import percentile_interval
from spark_cxr.metrics.isotonic import UNCHANGED, Steps, isotonic
from spark_cxr.metrics.resample import draw_sums
from spark_cxr.metrics.sample import Flags, Floats, Ints, encode_groups
from spark_cxr.metrics.scaling import best_line, best_temperature, from_log_odds, heat, log_odds

TEMPERATURE, ISOTONIC = "temperature", "isotonic"
KINDS = ("auto", TEMPERATURE, ISOTONIC)
FOLDS = 5
LEAST = 20
"""Patients of either kind below which nothing is learned of a class or finding."""


@dataclass(frozen=True)
class Recalibration:
    """How stated probabilities become recalibrated ones."""

    kind: str
    """temperature or isotonic."""
    temperature: tuple[float, ...] = ()
    """Classes: the one number that all log probabilities are divided by. Findings: one each, for
    its log odds. Above 1 it takes confidence back."""
    steps: tuple[Steps, ...] = ()
    """Isotonic: the curve of each class or finding."""
    shift: tuple[float, ...] = ()
    """Findings: what is added to the log odds of each, after the division."""

    def apply(self, probabilities: ArrayLike, independent: bool = False) -> Floats:
        """Recalibrate rows of probabilities (films, labels).

        Args:
            probabilities: What the head states.
            independent: True for findings, whose rows need not add up to 1.
        """
        stated = np.asarray(probabilities, dtype=np.float64)
        if self.kind == ISOTONIC:
            return _read_curves(self.steps, stated, independent)
        if independent:
            odds = log_odds(stated) / np.asarray(self.temperature) + np.asarray(self.shift)
            return from_log_odds(odds)
        return heat(np.log(np.maximum(stated, FLOOR)), 1 / self.temperature[0])

    def to_json(self) -> dict[str, Any]:
        """Give what the kind has."""
        return {name: value for name, value in asdict(self).items() if value}


def recalibrate(
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    kind: str = "auto",
    seed: int = 0,
    resamples: int = 1000,
) -> Recalibration | None:
    """Learn a recalibration from films that the head has not seen; None where none is called for.

    `auto` recalibrates where that helps beyond chance, by this rule. Nothing is done where the
    calibration error is what honest probabilities may show by chance (`honest_ece`). Otherwise
    both kinds are cross-fitted in five folds of patients, and the log loss of the films that a
    fit has not seen is compared by resampling patients. Temperature is taken, unless isotonic
    has less log loss in at least 97.5 % of the draws; and that only if it has less than before
    in as many. Findings are judged one by one; those that it does not help stay as they are.

    A kind that is asked for by name is fitted wherever there are enough patients.

    Args:
        truth: Classes: the position of the true label of each film. Findings: (films, findings)
            of 1, 0 and NaN where nothing is known.
        probabilities: (films, labels).
        labels: The names of the columns.
        groups: Patient of each film.
        kind: auto, temperature or isotonic.
        seed: Of the folds and of the resampling.
        resamples: How many.

    Raises:
        ConfigError: Another kind.
        InputError: The arrays do not fit together.
    """
    if kind not in KINDS:
        raise ConfigError(f"One of {', '.join(KINDS)}", repr(kind), "Leave it at auto")
    wanted, stated = (np.asarray(each, dtype=np.float64) for each in (truth, probabilities))
    if stated.shape != (len(groups), len(labels)) or wanted.shape[:1] != stated.shape[:1]:
        raise InputError(
            f"Probabilities ({len(groups)}, {len(labels)}) and as many true answers",
            f"probabilities {stated.shape}, truth {wanted.shape}",
            "Hand over a row and a group for each film, and a column for each label",
        )
    codes, n_groups = encode_groups(groups)
    films = _Films(wanted, stated, codes, n_groups)
    due = films.due(seed) if kind == "auto" else films.enough()
    if not due.any():
        return None
    return _chosen(films, due, seed, resamples) if kind == "auto" else films.fit(kind, due)


@dataclass(frozen=True)
class _Films:
    """Truth and stated probabilities of classes (truth 1-D) or findings (2-D)."""

    truth: Floats
    stated: Floats
    groups: Ints
    n_groups: int

    @property
    def of_findings(self) -> bool:
        return self.truth.ndim == 2

    @property
    def wanted(self) -> Floats:
        """Give (films, labels) of 1, 0 and NaN."""
        if self.of_findings:
            return self.truth
        return np.asarray(np.eye(self.stated.shape[1])[self.truth.astype(int)])

    def part(self, rows: Flags) -> "_Films":
        return _Films(self.truth[rows], self.stated[rows], self.groups[rows], self.n_groups)

    def enough(self) -> Flags:
        """Say of which columns there are patients enough: for classes of all or of none."""
        if not self.of_findings:
            many = len(np.unique(self.groups)) >= LEAST
            return np.full(self.stated.shape[1], many)
        kinds = [
            [len(np.unique(self.groups[self.truth[:, place] == kind])) for kind in (0, 1)]
            for place in range(self.stated.shape[1])
        ]
        return np.asarray(np.min(kinds, axis=1) >= LEAST)

    def due(self, seed: int) -> Flags:
        """Say which columns are further from what they state than honest ones would be."""
        enough = self.enough()
        if not self.of_findings:
            named = self.stated.argmax(axis=1)
            return enough & _is_off(self.stated.max(axis=1), named == self.truth, seed)
        for place in np.flatnonzero(enough):
            known = ~np.isnan(self.truth[:, place])
            enough[place] = _is_off(self.stated[known, place], self.truth[known, place] == 1, seed)
        return enough

    def losses(self, stated: Floats) -> Floats:
        """Give the log loss of each film: of its class, or of each known finding (else 0)."""
        if not self.of_findings:
            own = stated[np.arange(len(stated)), self.truth.astype(int)]
            return np.asarray(-np.log(np.maximum(own, FLOOR)))[:, None]
        right = np.where(self.truth == 1, stated, 1 - stated)
        return np.where(np.isnan(self.truth), 0.0, -np.log(np.maximum(right, FLOOR)))

    def fit(self, kind: str, due: Flags) -> Recalibration:
        """Fit the columns that are due; the others stay as they are."""
        if kind == ISOTONIC:
            return Recalibration(kind, steps=tuple(self._curves(due)))
        if not self.of_findings:
            logs = np.log(np.maximum(self.stated, FLOOR))
            return Recalibration(kind, (best_temperature(logs, self.truth.astype(int)),))
        lines = [
            best_line(*self._known(place)) if due[place] else (1.0, 0.0)
            for place in range(self.stated.shape[1])
        ]
        return Recalibration(
            kind, tuple(each for each, _ in lines), shift=tuple(each for _, each in lines)
        )

    def _curves(self, due: Flags) -> Iterator[Steps]:
        wanted = self.wanted
        for place in range(self.stated.shape[1]):
            known = ~np.isnan(wanted[:, place])
            if due[place] and known.any():
                yield isotonic(self.stated[known, place], wanted[known, place])
            else:
                yield UNCHANGED

    def _known(self, place: int) -> tuple[Floats, Flags]:
        known = ~np.isnan(self.truth[:, place])
        return log_odds(self.stated[known, place]), self.truth[known, place] == 1


def _chosen(films: _Films, due: Flags, seed: int, resamples: int) -> Recalibration | None:
    """Take the kind that the rule of `recalibrate` names, for the columns that it helps."""
    kinds = {kind: films.losses(_cross_fit(films, kind, due, seed)) for kind in KINDS[1:]}
    before = films.losses(films.stated)
    if films.of_findings:
        before, kinds = before[:, due], {kind: each[:, due] for kind, each in kinds.items()}
    gain = kinds[TEMPERATURE].sum(axis=1) - kinds[ISOTONIC].sum(axis=1)
    kind = ISOTONIC if _is_beyond_chance(films, gain, seed, resamples) else TEMPERATURE
    helps = [
        _is_beyond_chance(films, column, seed, resamples) for column in (before - kinds[kind]).T
    ]
    if not any(helps):
        return None
    if films.of_findings:
        due = due.copy()
        due[due] = helps
    return films.fit(kind, due)


def _cross_fit(films: _Films, kind: str, due: Flags, seed: int) -> Floats:
    """Recalibrate the films of each fold by what the patients of the others show."""
    fold = np.random.default_rng(seed).permutation(films.n_groups)[films.groups] % FOLDS
    found = np.empty_like(films.stated)
    for each in range(FOLDS):
        rows = fold == each
        found[rows] = films.part(~rows).fit(kind, due).apply(films.stated[rows], films.of_findings)
    return found


def _is_beyond_chance(films: _Films, gain: Floats, seed: int, resamples: int) -> bool:
    """Say whether the mean gain is above 0 in at least 97.5 % of the draws of patients."""
    sums = np.bincount(films.groups, weights=gain, minlength=films.n_groups)
    between = percentile_interval(draw_sums(sums, resamples, seed))
    return between is not None and between.low > 0


def _is_off(confidence: Floats, right: Flags, seed: int) -> bool:
    return reliability(confidence, right).ece > honest_ece(confidence, seed)


def _read_curves(curves: Sequence[Steps], stated: Floats, independent: bool) -> Floats:
    """Read the curve of each column; rows of classes are made to add up to 1 again."""
    read = np.stack([c.apply(each) for c, each in zip(curves, stated.T, strict=True)], axis=1)
    if independent:
        return read
    whole = read.sum(axis=1, keepdims=True)
    # Where no curve grants a row anything, nothing was learned of such rows.
    return np.where(whole > 0, read / np.where(whole > 0, whole, 1.0), stated)
