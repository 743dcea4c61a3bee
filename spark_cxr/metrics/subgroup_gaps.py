"""Whether disease is missed more often in one group of patients than in the others.

Of the films with a disease, the missed share is that of those answered "no". Where many groups
are looked at, one of them is the worst by chance alone; so a gap counts as beyond chance only
where chance seldom makes any gap of any group stand out as much.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.counts import ratio
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.intervals import percentile_interval, share_interval
from spark_cxr.metrics.resample import CHUNK_CELLS, draw_sums
from spark_cxr.metrics.sample import Flags, Floats, Ints, encode_scores

LEAST = 20
"""Patients with the disease below which a group, or what is left without it, says nothing."""
ALARM = 0.02
"""Chance of calling out any gap at all where there is none: one report in fifty."""
SHUFFLES = 2000
SAME = 1e-9
"""Gaps that differ by less are equal: shuffled sums differ by rounding."""


@dataclass(frozen=True)
class SubgroupGap:
    """One group against all other films of which the property is known."""

    by: str
    """The property: age, sex, maker."""
    name: str
    positives: int
    """Its films with the disease."""
    patients: int
    """Whom they are of."""
    missed: Estimate
    """The share of them that was answered no."""
    gap: Estimate
    """That less the missed share of the others: above 0, more is missed here. The interval is for
    this group by itself, without an allowance for the number of groups."""
    p: float | None = None
    """How often chance alone makes any group of the report stand out as much; None where it or
    the others are too few to say."""

    @property
    def is_too_small(self) -> bool:
        """Say whether it, or what is left without it, has too few patients to say anything."""
        return self.p is None

    @property
    def is_beyond_chance(self) -> bool:
        """Say whether the gap is more than chance, in either direction."""
        return self.p is not None and self.p <= ALARM

    @property
    def is_alarm(self) -> bool:
        """Say whether more is missed here, by more than chance."""
        return self.is_beyond_chance and (self.gap.value or 0.0) > 0

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        return asdict(self) | {
            "too_few": self.is_too_small,
            "beyond_chance": self.is_beyond_chance,
        }


@dataclass(frozen=True)
class SubgroupGaps:
    """The missed share of one disease in every group that was looked at."""

    label: str
    positives: int
    patients: int
    missed: Estimate
    rows: tuple[SubgroupGap, ...]
    """Property by property as they were given; of each the group with the most films first."""
    unknown: Mapping[str, int]
    """Films with the disease of which a property is not known, by property."""
    level: float
    resamples: int
    seed: int

    @property
    def alarms(self) -> tuple[SubgroupGap, ...]:
        """Give the groups where more is missed than chance explains, the worst first."""
        found = [row for row in self.rows if row.is_alarm]
        return tuple(sorted(found, key=lambda row: -(row.gap.value or 0.0)))

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        return asdict(self) | {"rows": [row.to_json() for row in self.rows]}


def subgroup_gaps(
    is_positive: ArrayLike,
    is_missed: ArrayLike,
    groups: Sequence[str],
    parts: Mapping[str, Sequence[str | None]],
    *,
    label: str = "",
    seed: int = 0,
    resamples: int = 1000,
) -> SubgroupGaps:
    """Hold the missed share of every group against that of the others.

    Patients are shuffled among the groups, with all films of a patient as one; where a property
    differs between the films of a patient (the view, say), those of one value. A gap has as its p
    how often shuffled groups stand out as much, and the smallest p of all groups in each shuffle
    makes the allowance for how many are looked at (Westfall and Young's). Properties are shuffled
    independently of each other, which errs on the side of silence.

    Args:
        is_positive: Whether each film has the disease.
        is_missed: Whether it was answered no; counts only where the film has the disease.
        groups: Patient of each film.
        parts: The group of each film, or None, by property: `{"sex": [...], "maker": [...]}`.
        label: The disease.
        seed: Of resampling and shuffling.
        resamples: How many for the intervals.

    Raises:
        InputError: The arrays do not fit together.
        ConfigError: There are too few resamples.
    """
    if resamples < 100:
        raise ConfigError("At least 100 resamples", f"resamples={resamples}", "Leave it at 1000")
    positive, missed, patients, _ = encode_scores(is_positive, is_missed, groups)
    if any(len(each) != len(groups) for each in parts.values()):
        raise InputError(
            f"A group, or None, for each of {len(groups)} films and property",
            f"{ {by: len(each) for by, each in parts.items()} }",
            "One for each",
        )
    films = _Positives.of(missed[positive] > 0, patients[positive])
    rng, found, shuffled = np.random.default_rng(seed), [], []
    named = {by: np.asarray([name or "" for name in names]) for by, names in parts.items()}
    for by, names in named.items():
        for row, chance in films.rows(by, names[positive], rng, (resamples, seed)):
            found.append(row)
            shuffled.append(chance)
    return SubgroupGaps(
        label=label,
        positives=len(films.missed),
        patients=films.n_patients,
        missed=films.share(resamples, seed),
        rows=_with_allowance(found, shuffled),
        unknown={by: int((names[positive] == "").sum()) for by, names in named.items()},
        level=ALARM,
        resamples=resamples,
        seed=seed,
    )


@dataclass(frozen=True)
class _Positives:
    """The films with the disease."""

    missed: Flags
    patients: Ints
    n_patients: int

    @classmethod
    def of(cls, missed: Flags, patients: Ints) -> "_Positives":
        """Number the patients anew: those without the disease are not drawn."""
        names, codes = np.unique(patients, return_inverse=True)
        return cls(missed, codes.astype(np.int64), len(names))

    def share(self, resamples: int, seed: int) -> Estimate:
        """Give the missed share of all."""
        if not self.n_patients:
            return Estimate(None)
        drawn = draw_sums(self._sums(np.ones(len(self.missed))), resamples, seed)
        between = share_interval(ratio(drawn[:, 1], drawn[:, 0]), self.n_patients)
        return Estimate(float(self.missed.mean()), between)

    def rows(
        self, by: str, names: NDArray[np.str_], rng: np.random.Generator, draw: tuple[int, int]
    ) -> Iterator[tuple[SubgroupGap, Floats | None]]:
        """Give each group of a property, and its shuffled gaps after the one that was found."""
        own = [name for name in np.unique(names).tolist() if name]
        own.sort(key=lambda name: (-int((names == name).sum()), name))
        if not own:
            return
        chance = self._shuffled(names, own, rng)
        for place, name in enumerate(own):
            inside, outside = names == name, (names != name) & (names != "")
            patients = [len(np.unique(self.patients[each])) for each in (inside, outside)]
            missed, gap = self._gap(inside, outside, patients[0], draw)
            row = SubgroupGap(by, name, int(inside.sum()), patients[0], missed, gap)
            yield row, chance[:, place] if min(patients) >= LEAST else None

    def _gap(
        self, inside: Flags, outside: Flags, patients: int, draw: tuple[int, int]
    ) -> tuple[Estimate, Estimate]:
        sums = np.concatenate([self._sums(each) for each in (inside, outside)], axis=1)
        drawn, whole = draw_sums(sums, *draw), sums.sum(axis=0)
        missed, others = (ratio(drawn[:, at + 1], drawn[:, at]) for at in (0, 2))
        own = Estimate(float(whole[1] / whole[0]), share_interval(missed, patients))
        if not whole[2]:
            return own, Estimate(None)
        gap = float(whole[1] / whole[0] - whole[3] / whole[2])
        return own, Estimate(gap, percentile_interval(missed - others))

    def _sums(self, films: ArrayLike) -> Floats:
        """Count these films of each patient, and the missed ones: (patients, 2)."""
        each = np.asarray(films, dtype=np.float64)
        counts = [
            np.bincount(self.patients, w, self.n_patients) for w in (each, each * self.missed)
        ]
        return np.stack(counts, axis=1)

    def _shuffled(
        self, names: NDArray[np.str_], own: Sequence[str], rng: np.random.Generator
    ) -> Floats:
        """Give the gap of each group as it is, then as shuffles make it: (1 + shuffles, groups)."""
        rows = np.flatnonzero(names != "")
        code = np.searchsorted(sorted(own), names[rows])
        units, unit = np.unique(self.patients[rows] * len(own) + code, return_inverse=True)
        many = np.bincount(unit).astype(np.float64)
        share = np.bincount(unit, weights=self.missed[rows]) / many
        is_of = np.asarray(sorted(own))[units % len(own), None] == np.asarray(own)
        inside, outside = many[:, None] * is_of, many[:, None] * ~is_of
        weighed = ratio(inside, inside.sum(axis=0)) - ratio(outside, outside.sum(axis=0))
        width, found = max(1, CHUNK_CELLS // len(share)), [share[None] @ weighed]
        for start in range(0, SHUFFLES, width):
            shape = (min(width, SHUFFLES - start), len(share))
            found.append(rng.permuted(np.broadcast_to(share, shape), axis=1) @ weighed)
        return np.concatenate(found)


def _with_allowance(
    rows: Sequence[SubgroupGap], shuffled: Sequence[Floats | None]
) -> tuple[SubgroupGap, ...]:
    """Give each group its p, with the allowance for all groups that have one."""
    known = [place for place, gaps in enumerate(shuffled) if gaps is not None]
    if not known:
        return tuple(rows)
    tails = np.stack([_tails(gaps) for gaps in shuffled if gaps is not None], axis=1)
    smallest = tails.min(axis=1)
    p = {
        place: float((smallest <= tails[0, column] + SAME).mean())
        for column, place in enumerate(known)
    }
    return tuple(replace(row, p=p.get(place)) for place, row in enumerate(rows))


def _tails(gaps: Floats) -> Floats:
    """Give for each gap the share of all that are at least as far from 0."""
    far = np.abs(gaps)
    below = np.searchsorted(np.sort(far), far - SAME, side="left")
    return np.asarray(1 - below / len(far))
