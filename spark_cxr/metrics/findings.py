"""Several findings a film, each a question of yes or no over the films whose answer is known.

All findings are measured under the same draws of whole groups, so that the intervals of their
mean, and of the difference of two classifiers, allow for findings that occur together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics import calibration
from spark_cxr.metrics.counts import mean_defined
from spark_cxr.metrics.finding_curves import finding_curves
from spark_cxr.metrics.finding_records import (
    FIGURES,
    CoOccurrence,
    Estimate,
    Figures,
    FindingCurves,
    FindingFigures,
    FindingMetrics,
    PairedFindings,
)
from spark_cxr.metrics.finding_resample import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    TRUE_NEGATIVE,
    TRUE_POSITIVE,
    FindingAnswers,
    FindingStatistics,
    bootstrap_findings,
    finding_areas,
    finding_statistics,
    prepare_answers,
    rank_findings,
)
from spark_cxr.metrics.intervals import LEVEL, percentile_interval, share_interval
from spark_cxr.metrics.paired import defined_difference
from spark_cxr.metrics.resample import CHUNK_CELLS, draws
from spark_cxr.metrics.sample import Flags, Floats, encode_groups

TRIALS = {
    "sensitivity": (FALSE_NEGATIVE, TRUE_POSITIVE),
    "specificity": (TRUE_NEGATIVE, FALSE_POSITIVE),
    "ppv": (FALSE_POSITIVE, TRUE_POSITIVE),
    "npv": (TRUE_NEGATIVE, FALSE_NEGATIVE),
}
"""The answers that each share is a share of."""


def measure_findings(
    truth: ArrayLike,
    probabilities: ArrayLike,
    findings: Sequence[str],
    groups: Sequence[str],
    thresholds: Sequence[float],
    *,
    seed: int = 0,
    resamples: int = 1000,
    bands: bool = True,
) -> FindingMetrics:
    """Measure a classifier of several findings, with 95 % intervals from resampling groups.

    Args:
        truth: (films, findings): 1 where a film has it, 0 where not, NaN where nothing is known.
        probabilities: (films, findings), each between 0 and 1; they need not add up to anything.
        findings: The names of the columns.
        groups: Patient of each film (its path where the patient is not known).
        thresholds: The operating point of each finding; the answer is yes from there on.
        seed: Of the resampling; the same seed gives the same intervals.
        resamples: How many.
        bands: False leaves the bands around curves out, for a classifier that no page draws.

    Raises:
        InputError: The arrays do not fit together, or hold what is not a truth or probability.
        ConfigError: There are too few resamples.
    """
    _check_resamples(resamples)
    answers = make_answers(truth, probabilities, findings, groups, thresholds)
    prepared = prepare_answers(answers)
    whole = finding_statistics(prepared, np.ones((answers.n_groups, 1)))
    drawn = bootstrap_findings(prepared, answers.n, resamples, seed)
    each = (
        _figures(whole.each[0, place], drawn.each[:, place], prepared.sums[:, place])
        for place in range(len(answers.findings))
    )
    rest = (answers.n_groups, seed, bands)
    return FindingMetrics(
        n=answers.n,
        groups=answers.n_groups,
        rows=tuple(
            _row(answers, place, figures, finding_curves(*answers.of(place), *rest))
            for place, figures in enumerate(each)
        ),
        macro=_macro(whole, drawn),
        micro=_figures(whole.pooled[0], drawn.pooled, prepared.sums.sum(axis=1)),
        micro_ece=_ece(answers.probabilities[answers.known], answers.positive[answers.known]),
        exact_match=_share(whole.exact, drawn.exact, int((prepared.whole_films[:, 0] > 0).sum())),
        hamming_loss=_share(whole.wrong, drawn.wrong, answers.n_groups),
        complete=int(prepared.whole_films[:, 0].sum()),
        truth=_co_occurrence(answers.positive, answers.known),
        answers=_co_occurrence(answers.yes & answers.known, answers.known),
        level=LEVEL,
        resamples=resamples,
        seed=seed,
    )


def compare_findings(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    findings: Sequence[str],
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> PairedFindings:
    """Compare two classifiers of findings film by film, resampling whole groups.

    Args:
        truth: (films, findings), as for `measure_findings`.
        first: (films, findings), the probabilities of the first classifier.
        second: The same of the other, rows and columns in the same order.
        findings: The names of the columns.
        groups: Patient of each film.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        InputError: The arrays do not fit together.
        ConfigError: There are too few resamples.
    """
    _check_resamples(resamples)
    nowhere = np.full(len(findings), 0.5)  # nothing here depends on an operating point
    both = [make_answers(truth, each, findings, groups, nowhere) for each in (first, second)]
    first_ranked, second_ranked = (rank_findings(each) for each in both)
    width = max(1, CHUNK_CELLS // both[0].n)

    def ahead(weights: Floats) -> Floats:
        return finding_areas(first_ranked, weights) - finding_areas(second_ranked, weights)

    n_groups = both[0].n_groups
    whole = ahead(np.ones((n_groups, 1)))[0]
    drawn = np.concatenate([ahead(each) for each in draws(n_groups, resamples, width, seed)])
    means = mean_defined(whole), mean_defined(drawn)
    return PairedFindings(
        n=both[0].n,
        groups=both[0].n_groups,
        findings=both[0].findings,
        auc=tuple(defined_difference(*each) for each in zip(whole[0], drawn[:, 0].T, strict=True)),
        auc_macro=defined_difference(means[0][0], means[1][:, 0]),
        average_precision_macro=defined_difference(means[0][1], means[1][:, 1]),
        level=LEVEL,
        resamples=resamples,
        seed=seed,
    )


def make_answers(
    truth: ArrayLike,
    probabilities: ArrayLike,
    findings: Sequence[str],
    groups: Sequence[str],
    thresholds: ArrayLike,
) -> FindingAnswers:
    """Check and encode a test set of several findings.

    Raises:
        InputError: The parts do not fit together.
    """
    wanted, shares = (np.asarray(each, dtype=np.float64) for each in (truth, probabilities))
    points = np.asarray(thresholds, dtype=np.float64)
    _check_names(findings)
    _check_shapes(wanted, shares, points, (len(groups), len(findings)))
    _check_values(wanted, shares, points)
    codes, n_groups = encode_groups(groups)
    return FindingAnswers(
        findings=tuple(findings),
        thresholds=points,
        known=~np.isnan(wanted),
        positive=wanted == 1,
        probabilities=shares,
        groups=codes,
        n_groups=n_groups,
    )


def _row(
    answers: FindingAnswers, place: int, figures: Figures, curves: FindingCurves
) -> FindingFigures:
    positive, scores, groups = answers.of(place)
    yes = scores >= answers.thresholds[place]
    ece = _ece(scores, positive)
    return FindingFigures(
        finding=answers.findings[place],
        threshold=float(answers.thresholds[place]),
        known=len(scores),
        positives=int(positive.sum()),
        unknowns=answers.n - len(scores),
        groups=len(np.unique(groups)),
        positive_groups=len(np.unique(groups[positive])),
        true_positives=int((yes & positive).sum()),
        false_positives=int((yes & ~positive).sum()),
        mean_probability=float(scores.mean()) if len(scores) else None,
        figures=figures,
        ece=ece,
        ece_by_chance=None if ece is None else calibration.honest_ece(scores),
        curves=curves,
    )


def _figures(values: Floats, drawn: Floats, sums: Floats) -> Figures:
    """Give each figure its interval; Wilson's for a share of which every draw is sure."""
    groups = {
        name: int((sums[:, answers].sum(axis=1) > 0).sum()) for name, answers in TRIALS.items()
    }
    # No more is known of an AUC than the side of fewer groups can tell.
    groups["auc"] = min(groups["sensitivity"], groups["specificity"])
    found = {}
    for place, name in enumerate(FIGURES):
        column, value = drawn[:, place], _optional(values[place])
        known = name in groups
        between = share_interval(column, groups[name]) if known else percentile_interval(column)
        found[name] = Estimate(value, between)
    return Figures(**found)


def _macro(whole: FindingStatistics, drawn: FindingStatistics) -> Figures:
    """Average over the findings that have the figure, in each draw as well."""
    values = mean_defined(whole.each.transpose(0, 2, 1))[0]
    columns = mean_defined(drawn.each.transpose(0, 2, 1)).T
    return Figures(
        **{
            name: Estimate(_optional(value), percentile_interval(column))
            for name, value, column in zip(FIGURES, values, columns, strict=True)
        }
    )


def _share(whole: Floats, drawn: Floats, groups: int) -> Estimate:
    return Estimate(_optional(whole[0]), share_interval(drawn, groups))


def _ece(scores: Floats, positive: Flags) -> float | None:
    return calibration.reliability(scores, positive).ece if len(scores) else None


def _optional(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _co_occurrence(flags: Flags, known: Flags) -> CoOccurrence:
    """Count pairs of findings over the films where both are known."""
    has = flags.astype(np.float64)  # whole numbers are exact, and products of floats are fast
    together, given = (has.T @ each for each in (has, known.astype(np.float64)))
    counts, of = (each.astype(int).tolist() for each in (together, given))
    return CoOccurrence(tuple(map(tuple, counts)), tuple(map(tuple, of)))


def _check_resamples(resamples: int) -> None:
    if resamples < 100:
        raise ConfigError(
            "At least 100 resamples for a 95 % interval",
            f"resamples={resamples}",
            "Leave it at 1000",
        )


def _check_names(findings: Sequence[str]) -> None:
    if not findings or len(set(findings)) < len(findings):
        raise InputError(
            "One or more distinct findings", f"{tuple(findings)!r}", "Name each finding once"
        )


def _check_shapes(wanted: Floats, shares: Floats, points: Floats, shape: tuple[int, int]) -> None:
    if not shape[0]:
        raise InputError("A test set with films", "none", "Enlarge the data or the test share")
    if wanted.shape != shape or shares.shape != shape or points.shape != shape[1:]:
        raise InputError(
            f"Truth and probabilities {shape} and {shape[1]} thresholds for {shape[0]} groups and "
            f"{shape[1]} findings",
            f"truth {wanted.shape}, probabilities {shares.shape}, thresholds {points.shape}",
            "Hand over a row and a group for each film, a column and a threshold for each finding",
        )


def _check_values(wanted: Floats, shares: Floats, points: Floats) -> None:
    if not (np.isnan(wanted) | (wanted == 0) | (wanted == 1)).all():
        raise InputError(
            "1, 0 or NaN for the truth of a finding",
            f"{sorted(set(wanted[~np.isnan(wanted)].tolist()) - {0.0, 1.0})[:5]}",
            "Say first what -1 and blank cells shall count as",
        )
    # Written so that NaN fails too.
    if not ((shares >= 0) & (shares <= 1)).all() or not ((points >= 0) & (points <= 1)).all():
        wrong = [each[~((each >= 0) & (each <= 1))].tolist()[:3] for each in (shares, points)]
        raise InputError(
            "Probabilities and operating points between 0 and 1",
            f"probabilities {wrong[0]}, operating points {wrong[1]}",
            "Turn the margins of the head into probabilities first",
        )
