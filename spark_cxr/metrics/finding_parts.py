"""Several findings in parts of a test set: by source, by view, by sex."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.metrics.counts import mean_defined
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.finding_resample import finding_areas, rank_findings
from spark_cxr.metrics.findings import make_answers
from spark_cxr.metrics.intervals import percentile_interval
from spark_cxr.metrics.measure import LEAST
from spark_cxr.metrics.resample import CHUNK_CELLS, draws
from spark_cxr.metrics.sample import Floats, rows_of_parts


@dataclass(frozen=True)
class FindingOfPart:
    """One finding in one part."""

    finding: str
    known: int
    positives: int
    auc: Estimate
    """Without a value where fewer than `LEAST` films of the part have it."""


@dataclass(frozen=True)
class FindingPart:
    """One part of a test set."""

    name: str
    n: int
    groups: int
    findings: tuple[FindingOfPart, ...]
    auc_macro: Estimate
    """Mean over the findings that have an AUC here: not the same ones in each part."""

    @property
    def measured(self) -> int:
        """Count the findings that have an AUC here."""
        return sum(each.auc.value is not None for each in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        return asdict(self) | {"findings": [asdict(each) for each in self.findings]}


@dataclass(frozen=True)
class FindingPartTable:
    """The test set in parts by one property of the films."""

    by: str
    """The property in the singular: "source", "view"."""
    parts: tuple[FindingPart, ...]
    unknown: int = 0
    """Test films of which the property is not known."""


def measure_finding_parts(
    truth: ArrayLike,
    probabilities: ArrayLike,
    findings: Sequence[str],
    groups: Sequence[str],
    parts: Sequence[str | None],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[FindingPart, ...]:
    """Measure each part by itself, the largest first; films whose part is None stay out.

    Args:
        truth: (films, findings), as for `measure_findings`.
        probabilities: (films, findings).
        findings: The names of the columns.
        groups: Patient of each film.
        parts: Source, view or the like of each film.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        InputError: The arrays do not fit together.
    """
    rows_of = rows_of_parts(parts, len(groups), "films")
    wanted, shares = (np.asarray(each, dtype=np.float64) for each in (truth, probabilities))
    found = []
    for name, rows in rows_of.items():
        owners = [groups[row] for row in rows]
        found.append(_part(name, wanted[rows], shares[rows], findings, owners, seed, resamples))
    return tuple(sorted(found, key=lambda part: (-part.n, part.name)))


def _part(
    name: str,
    truth: Floats,
    shares: Floats,
    findings: Sequence[str],
    groups: Sequence[str],
    seed: int,
    resamples: int,
) -> FindingPart:
    answers = make_answers(truth, shares, findings, groups, np.full(len(findings), 0.5))
    positives, known = answers.positive.sum(axis=0), answers.known.sum(axis=0)
    enough = np.where(positives >= LEAST, 1.0, np.nan)
    rankings, width = rank_findings(answers), max(1, CHUNK_CELLS // answers.n)
    whole = finding_areas(rankings, np.ones((answers.n_groups, 1)))[0, 0] * enough
    drawn = enough * np.concatenate(
        [
            finding_areas(rankings, weights)[:, 0]
            for weights in draws(answers.n_groups, resamples, width, seed)
        ]
    )
    return FindingPart(
        name=name,
        n=answers.n,
        groups=answers.n_groups,
        findings=tuple(
            FindingOfPart(each, int(of), int(many), _estimate(value, column))
            for each, of, many, value, column in zip(
                findings, known, positives, whole, drawn.T, strict=True
            )
        ),
        auc_macro=_estimate(mean_defined(whole), mean_defined(drawn)),
    )


def _estimate(value: Floats, drawn: Floats) -> Estimate:
    return Estimate(None if np.isnan(value) else float(value), percentile_interval(drawn))
