"""How far a classifier gets without seeing what a doctor would look at."""

from __future__ import annotations

from dataclasses import dataclass

from spark_cxr.metrics import Interval, Metrics
from spark_cxr.metrics.checks import FAIL, NOT_APPLICABLE, PASS, WARN, Check, Number
from spark_cxr.metrics.wording import percent, percent_range
from spark_cxr.settings import Audit
from spark_cxr.verbs.audit.questions import METADATA, way
from spark_cxr.verbs.audit.views import HISTOGRAM, SMALL


@dataclass(frozen=True)
class Shortcut:
    """One thing that a classifier may be shown instead of the film."""

    title: str
    sees: str
    """Follows "A classifier that sees"."""
    follows: str
    """What it means if that is enough."""
    worst: str = FAIL


SHORTCUTS = {
    "border": Shortcut(
        "Border only",
        "only the border (the outer tenth of the film on each side)",
        "Markers, frames, burnt-in text and the way films were cut tell these labels apart",
    ),
    "lungs": Shortcut(
        "Lungs hidden",
        "the film with its lungs blacked out",
        "What tells these labels apart lies outside the lungs",
    ),
    HISTOGRAM: Shortcut(
        "Shades of grey only",
        "only how often each shade of grey occurs (64 steps)",
        "Exposure, detector and processing tell these labels apart, wherever on the film",
    ),
    SMALL: Shortcut(
        "Thumbnail only",
        "only a thumbnail of 32 x 32 pixels",
        "Posture, framing and exposure, or changes as coarse as a whole lung, are enough: nothing "
        "shows that the network reads detail",
        worst=WARN,  # a thumbnail still shows lungs, and some diseases are that coarse
    ),
    METADATA: Shortcut(
        "File properties only",
        "only the file's size, shape, format and colour mode, and no picture",
        "The way files were made tells these labels apart",
    ),
}
"""View or column → what it is."""
_ENDING = "A good figure on these films may say little of disease: expect less at another hospital."


def judge_shortcut(
    name: str, reached: Metrics, real: Metrics, settings: Audit, remark: str = ""
) -> Check:
    """Set what a shortcut reaches beside the real result.

    Warn beyond `warn_way` of the way from chance to the real result; fail from `fail_way` on, or
    within the real result's interval. What does not clearly beat chance is no shortcut.
    """
    shortcut, title = SHORTCUTS[name], SHORTCUTS[name].title
    numbers = _numbers(reached, real)
    if not beats_chance(real):
        return Check(_named(name), title, NOT_APPLICABLE, _no_result(real), numbers)
    status = _status(reached, real, settings)
    if status == FAIL:
        status = shortcut.worst
    said = (
        f"A classifier that sees {shortcut.sees} reaches {percent(reached.accuracy)}, yours "
        f"{percent(real.accuracy)}{_between(real.intervals.accuracy)}; naming the commonest label "
        f"reaches {percent(real.majority)}.{remark}"
    )
    if status != PASS:
        said += f" {shortcut.follows}. {_ENDING}"
    return Check(_named(name), title, status, said, numbers, brief=_brief(reached, real))


def judge_centre(reached: Metrics, real: Metrics, settings: Audit) -> Check:
    """Check the opposite: without its border a film should be read as well as with it."""
    name, title, numbers = "centre_only", "Centre only", _numbers(reached, real)
    if not beats_chance(real):
        return Check(name, title, NOT_APPLICABLE, _no_result(real), numbers)
    interval = real.intervals.accuracy
    said = (
        f"Without their border (the outer tenth on each side) {percent(reached.accuracy)} of films "
        f"are classified correctly, with it {percent(real.accuracy)}{_between(interval)}."
    )
    lost = interval is not None and reached.accuracy < interval.low
    if not lost:
        said += " The figure does not need the border."
        return Check(name, title, PASS, said, numbers, brief=_brief(reached, real))
    share = way(reached.accuracy, real.majority, real.accuracy)
    status = FAIL if share < settings.warn_way else WARN
    said += " What is lost came from the border, where there is no lung."
    return Check(name, title, status, said, numbers, brief=_brief(reached, real))


def beats_chance(found: Metrics) -> bool:
    """Tell whether a result is clearly better than naming the commonest label."""
    interval = found.intervals.accuracy
    return found.accuracy > found.majority and (interval is None or interval.low > found.majority)


def _status(reached: Metrics, real: Metrics, settings: Audit) -> str:
    interval = real.intervals.accuracy
    share = way(reached.accuracy, real.majority, real.accuracy)
    if not beats_chance(reached):
        return PASS
    if share >= settings.fail_way or (interval and reached.accuracy >= interval.low):
        return FAIL
    return WARN if share > settings.warn_way else PASS


def _named(name: str) -> str:
    return {"border": "border_only", "lungs": "lungs_hidden"}.get(name, f"{name}_only")


def _numbers(reached: Metrics, real: Metrics) -> tuple[Number, ...]:
    share = way(reached.accuracy, real.majority, real.accuracy)
    interval = real.intervals.accuracy
    return (
        ("accuracy", reached.accuracy),
        ("real_accuracy", real.accuracy),
        ("real_low", interval.low if interval else None),
        ("real_high", interval.high if interval else None),
        ("majority", real.majority),
        ("way", share if real.accuracy > real.majority else None),
    )


def _brief(reached: Metrics, real: Metrics) -> str:
    return f"{percent(reached.accuracy)}, yours {percent(real.accuracy)}"


def _between(interval: Interval | None) -> str:
    return f" ({percent_range(interval)})" if interval else ""


def _no_result(real: Metrics) -> str:
    return (
        f"The real result ({percent(real.accuracy)}) is not clearly better than naming the "
        f"commonest label ({percent(real.majority)}): there is nothing that a shortcut could "
        "explain. Use more films, or a better network."
    )
