"""A comparison in words: which is ahead, by how much, and how much of it is only leak."""

from spark_cxr.metrics import Difference, Paired
from spark_cxr.metrics.comparison_results import ComparisonReport, ComparisonRow, FoldSummary
from spark_cxr.metrics.wording import (
    against_majority,
    counted,
    percent,
    percent_sign,
    points,
    points_range,
    weakest,
)


def setting(report: ComparisonReport) -> str:
    """Say on what the verdict rests: films, data, patients, folds."""
    tested, split = report.best.outcome.metrics, report.split
    groups = "" if split.unit is None else f" of {counted(tested.groups, split.unit)}"
    return f"On {counted(tested.n, 'film')} ({report.data.name}){groups}, {dealt(split)}"


def dealt(split: FoldSummary) -> str:
    """Say how the films came to their tests, and whether their patients were known."""
    is_clean = split.shared == 0 and split.unit is not None
    said = f" ({split.patients})" if split.patients else ""
    if split.folds > 1:
        by = f"by a classifier that never saw its {split.unit}" if is_clean else ""
        return f"each tested once, in {split.folds} folds, {by or f'split by {split.method}'}{said}"
    return f"{'never seen in training, ' if is_clean else ''}split by {split.method}{said}"


def finding(report: ComparisonReport) -> str:
    """Name the best, with its accuracy."""
    right = f"right on {percent(report.best.outcome.metrics.accuracy)}"
    if len(report.rows) == 1:
        return f"{report.best.name} was {right}"
    return f"{report.best.name} comes first, {right}"


def duel(report: ComparisonReport) -> str:
    """Say whether the best is ahead of the second by more than chance."""
    if len(report.rows) < 2 or report.rows[1].behind is None:
        return ""
    second, paired = report.rows[1], report.rows[1].behind
    if not paired.only_first + paired.only_second:
        return f"{second.name} was right on the very same films."
    return f"{_lead(second, paired.accuracy)}{_certainty(paired)}"


def _lead(second: ComparisonRow, ahead: Difference) -> str:
    if ahead.value == 0:
        return f"{second.name} was right just as often"
    return f"It is ahead of {second.name} by {points(ahead.value)} points"


def _certainty(paired: Paired) -> str:
    between = paired.accuracy.interval
    if between is None:
        return "; there are too few groups for an interval of the difference."
    if between.low <= 0 <= between.high:
        lead = "; " if paired.accuracy.value == 0 else ", but "
        return (
            f"{lead}the interval of the difference, {points_range(between)}, includes zero: "
            "no difference is shown."
        )
    level = percent_sign(f"{paired.level:.0%}")
    return f" ({level} interval of the difference {points_range(between)}): more than chance."


def remarks(report: ComparisonReport) -> tuple[str, ...]:
    """Give what qualifies the verdict: ties, leak, chance, choice, weakest class."""
    best = report.best.outcome.metrics
    found = (
        _equals(report),
        shared(report.split, best.n),
        leak(report),
        against_majority(best),
        _chosen(report),
        weakest(best),
    )
    return tuple(sentence for sentence in found if sentence)


def _equals(report: ComparisonReport) -> str:
    """Count those that the data cannot tell from the best."""
    others = [row.behind for row in report.rows[1:] if row.behind is not None]
    if len(others) < 2:
        return ""
    equal = sum(not _is_above_zero(each.accuracy) for each in others)
    if equal == 0:
        return "Each of the others is behind by more than chance."
    if equal == len(others):
        return f"None of the {len(report.rows)} compared can be told from the best on these films."
    return f"{equal} of the other {len(others)} cannot be told from the best on these films."


def shared(split: FoldSummary, tested: int) -> str:
    """Count the tested films whose patient or twin was in training."""
    if split.unit is None or split.shared is None:
        return (
            "Patients are not known, so films of one patient may be on both sides of the split: "
            "expect less on new patients."
        )
    if split.shared == 0:
        return ""
    return (
        f"Split by {split.method}, {split.shared:,} of the {tested:,} films "
        f"({percent(split.shared / tested)}) are tested by a classifier that has their "
        f"{split.unit} or a twin in training."
    )


def leak(report: ComparisonReport) -> str:
    """Say how much better a split by image makes things look."""
    if not report.gaps:
        return ""
    if not any(report.gaps):
        return f"By image the accuracies are those by {report.split.method}: no leak shows."
    if min(report.gaps) <= 0:
        who = "its accuracy" if len(report.gaps) == 1 else "the accuracies"
        return f"By image {who} moved by {_gaps(report)} against those by " + (
            f"{report.split.method}{_moved(report)}."
        )
    who = "it looks" if len(report.gaps) == 1 else "every one of them looks"
    better = f"By image {who} {_gaps(report)} better than by {report.split.method}"
    return f"{better}{_flattered(report)}."


def _gaps(report: ComparisonReport) -> str:
    low, high = points(min(report.gaps)), points(max(report.gaps))
    if len(report.gaps) == 1 or report.mean_gap is None:
        return f"{low} points"
    return f"{low} to {high} points ({points(report.mean_gap)} on average)"


def _moved(report: ComparisonReport) -> str:
    above, measured = _above_zero(report)
    if not above:
        return ": no leak shows"
    return f"; for {above} of {measured} the interval of the gap stays above zero: there it is leak"


def _flattered(report: ComparisonReport) -> str:
    above, measured = _above_zero(report)
    if measured and not above:
        return ", but the interval of no such gap stays above zero: no leak is shown"
    if above < measured:
        return (
            ": that much is leak, not skill, though the interval of the gap stays above zero for "
            f"{above} of {measured} only"
        )
    return ": that much is leak, not skill"


def _above_zero(report: ComparisonReport) -> tuple[int, int]:
    """Count the gaps whose interval stays above zero, and those that have one."""
    gaps = [row.leak.accuracy for row in report.rows if row.leak is not None]
    return sum(map(_is_above_zero, gaps)), len(gaps)


def _chosen(report: ComparisonReport) -> str:
    if len(report.rows) < 3:
        return ""
    return (
        f"The best of {len(report.rows)} was chosen on the same films that measure it, so expect "
        "slightly less on others."
    )


def _is_above_zero(difference: Difference) -> bool:
    return difference.interval is not None and difference.interval.low > 0
