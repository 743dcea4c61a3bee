"""Numbers and findings in words: how figures are written, and the verdict of a page."""

import unicodedata
from collections.abc import Sequence

from spark_cxr.metrics import Interval, LearningPoint, Metrics, Overlap
from spark_cxr.metrics.checks import FAIL, PASS, WARN, Check, count_statuses
from spark_cxr.metrics.finding_records import FindingLearningPoint
from spark_cxr.metrics.finding_results import FindingsReport
from spark_cxr.metrics.results import SplitSummary, TrainingReport

THIN = "\u202f"
"""Narrow no-break space, so that 87.2 % stays on one line."""
NOT_DEFINED = "–"
HALF = 0.5
"""Share of a test that the network was trained on from which its figure says nothing."""
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Unicode's controls of reading direction."""


def printable(text: str) -> str:
    """Replace what XML or UTF-8 may not hold, and what would turn the reading direction round.

    File names are bytes: some decode to half characters, and some are made to deceive.
    """

    def is_unfit(sign: str) -> bool:
        if sign in "\n\t":
            return False
        return unicodedata.category(sign) in ("Cc", "Cs", "Cn") or sign in _TURNING

    return "".join("\ufffd" if is_unfit(sign) else sign for sign in text)


def percent(share: float | None) -> str:
    """Write a share as a percentage, never rounding to all or none what is not."""
    if share is None:
        return NOT_DEFINED
    if 0 < share < 0.0005:
        return f"<0.1{THIN}%"
    if 0.9995 <= share < 1:
        return f">99.9{THIN}%"
    return f"{100 * share:.1f}{THIN}%"


def percent_range(interval: Interval | None) -> str:
    """Write the interval of a share, as in 83.1 to 90.6 %; empty if there is none."""
    if interval is None:
        return ""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}{THIN}%"


def points(difference: float) -> str:
    """Write a difference of two shares in percentage points, with a true minus."""
    written = f"{100 * difference:.1f}".replace("-", "−")
    return "0.0" if written == "−0.0" else written


def points_range(interval: Interval | None) -> str:
    """Write the interval of such a difference; empty if there is none."""
    return "" if interval is None else f"{points(interval.low)} to {points(interval.high)}"


def percent_sign(text: str) -> str:
    """Keep each percent sign on the line of its number."""
    return text.replace("%", f"{THIN}%")


def decimal(value: float | None) -> str:
    """Write a measure that is no share, with three decimals."""
    return NOT_DEFINED if value is None else f"{value:.3f}"


def decimal_range(interval: Interval | None) -> str:
    """Write its interval; empty if there is none."""
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun in the right number."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write seconds as a person would say them."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def setting(report: TrainingReport | FindingsReport) -> str:
    """Say on what the verdict rests: images, data, patients, split."""
    tested, split = report.metrics, report.split
    groups = "" if split.unit is None else f" of {counted(tested.groups, split.unit)}"
    unseen = " never seen in training" if split.shared == 0 and split.unit is not None else ""
    how = f"{split.method} ({split.patients})" if split.patients else split.method
    return f"On {counted(tested.n, 'test image')} ({report.data.name}){groups}{unseen}, {how}"


def finding(report: TrainingReport) -> str:
    """Say the figure itself."""
    return f"the classifier was right on {percent(report.metrics.accuracy)}"


def finding_range(metrics: Metrics) -> str:
    """Give the interval of the figure."""
    between = metrics.intervals
    if between.accuracy is None:
        return "too few groups for an interval"
    return f"{percent_sign(f'{between.level:.0%}')} interval {percent_range(between.accuracy)}"


def remarks(report: TrainingReport) -> tuple[str, ...]:
    """Give what qualifies the figure: leak, chance, and the weakest class."""
    tested = report.metrics
    found = (leak(report.split), against_majority(tested), weakest(tested))
    return tuple(sentence for sentence in found if sentence)


def leak(split: SplitSummary) -> str:
    """Say what of the test may be known from training; empty where nothing is."""
    if split.unit is None or split.shared is None:
        return (
            "Patients are not known, so films of one patient may be on both sides of the split: "
            "expect less on new patients."
        )
    if split.shared == 0:
        return ""
    return (
        f"{split.shared:,} of the {split.n_test:,} test images "
        f"({percent(split.shared / split.n_test)}) have their {split.unit} in training too: "
        f"expect less on new {split.unit}s."
    )


def against_majority(found: Metrics) -> str:
    """Compare the accuracy with that of always naming the commonest class."""
    chance = percent(found.majority)
    interval = found.intervals.accuracy
    if found.accuracy <= found.majority or (interval and interval.low <= found.majority):
        return (
            f"Always naming the commonest class would be right on {chance}: nothing here shows "
            "that the classifier does better."
        )
    return f"Always naming the commonest class would be right on {chance}."


def weakest(found: Metrics) -> str:
    """Name the class that is recognised least; empty where none is ever missed."""
    places = [place for place, value in enumerate(found.recall) if value is not None]
    place = min(places, key=lambda each: found.recall[each] or 0.0)
    if found.recall[place] == 1:
        return ""
    between = percent_range(found.intervals.recall[place])
    return (
        f"The class it recognises least is {printable(found.labels[place])}: "
        f"{percent(found.recall[place])} of its {counted(found.support[place], 'test image')}"
        f"{f' ({between})' if between else ''}."
    )


def learning_remark(curve: Sequence[LearningPoint]) -> str:
    """Say what the last step of a learning curve gained; only an interval can show a gain."""
    before, last = curve[-2], curve[-1]
    step = points(last.accuracy - before.accuracy)
    ends = f"{percent(before.accuracy)} to {percent(last.accuracy)} ({step} points)"
    return last_step(curve, f"the accuracy went from {ends}")


def last_step(curve: Sequence[LearningPoint | FindingLearningPoint], change: str) -> str:
    """Say what follows from the last step of a curve, in which this has changed."""
    before, last = curve[-2], curve[-1]
    said = f"From {before.n_train:,} to {last.n_train:,} training images {change}"
    if before.interval and last.interval and last.interval.low > before.interval.high:
        return f"{said}: it was still rising, so more films would likely help."
    return f"{said}: the intervals overlap, so whether more films would help is open."


def audit_in_words(checks: Sequence[Check]) -> str:
    """Count the checks by how they ended."""
    counts = count_statuses(checks)
    words = ((FAIL, "failed"), (WARN, "warned"), (PASS, "passed"))
    said = ", ".join(f"{counts[status]} {word}" for status, word in words if counts[status])
    done = sum(counts[status] for status, _ in words)
    return f"Of {counted(done, 'check')}, {said}." if done else "No check could be made."


def overlap_in_words(found: Overlap) -> str:
    """Say how many films of a test the network was trained on, also where that is none."""
    if found.learned is None:
        return f"It is not known which films {found.network} was trained on"
    if not found.learned:
        return f"{found.network} was trained on none of the {counted(found.n, 'test film')}"
    near = f", {found.near:,} of them as near-duplicates" if found.near else ""
    whole = "all" if found.learned == found.n else f"{found.learned:,}"
    share = f" ({percent(found.share)}{near})" if found.learned < found.n or near else ""
    return f"{found.network} was trained on {whole} of these {found.n:,} test films{share}"


def overlap_warning(found: Overlap) -> str:
    """Say what that makes of the figure, and give the one on the other films."""
    if found.share >= HALF:
        worth = "this figure says nothing about new films."
    else:
        worth = "expect less on new films."
    others = found.others
    if others is None:
        return f"{overlap_in_words(found)}: {worth}"
    if others.is_too_small:
        rest = f"The other {others.n:,} are too few for a figure."
    else:
        between = percent_range(others.accuracy_interval)
        rest = f"On the other {others.n:,} it was right on {percent(others.accuracy)}"
        rest += f" ({between})." if between else "."
    return f"{overlap_in_words(found)}: {worth} {rest}"
