"""What probes reached → checks: shortcuts, source, small changes of the film, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_cxr.metrics import Interval, Metrics
from spark_cxr.metrics.calibration import honest_ece
from spark_cxr.metrics.checks import FAIL, NOT_APPLICABLE, PASS, WARN, Check, Number, status_of
from spark_cxr.metrics.wording import decimal, percent, percent_range
from spark_cxr.settings import Audit
from spark_cxr.verbs.audit.films import HISTOGRAM, SMALL
from spark_cxr.verbs.audit.probes import METADATA, ProbeResult, Steadiness, way

CHANGES = {
    "corners": ("Corners hidden", "black corners, where markers stand", FAIL),
    "cropped": ("Cropped by 8 %", "8 % cut off height and width", FAIL),
    "mirrored": ("Mirrored", "left and right swapped", FAIL),
    # No reader takes a negative for a film, and a right decoder hands none over.
    "inverted": ("Inverted", "black and white swapped", WARN),
}
"""View → its title, what was done in words, and the worst that it can be."""


@dataclass(frozen=True)
class Shortcut:
    """Something that a classifier is shown instead of the film."""

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
ENDING = "A good figure on these films may say little of disease: expect less at another hospital."


def check_shortcut(
    name: str, reached: Metrics, real: Metrics, settings: Audit, remark: str = ""
) -> Check:
    """Compare what a shortcut reaches with the real result.

    Warn beyond `warn_way` of the way from chance to the real result; fail from `fail_way` on, or
    within the real result's interval. What does not clearly beat chance is no shortcut.
    """
    shortcut, title = SHORTCUTS[name], SHORTCUTS[name].title
    numbers = _numbers(reached, real)
    if not beats_chance(real):
        return Check(check_name(name), title, NOT_APPLICABLE, _no_result(real), numbers)
    status = _status(reached, real, settings)
    if status == FAIL:
        status = shortcut.worst
    text = (
        f"A classifier that sees {shortcut.sees} reaches {percent(reached.accuracy)}, yours "
        f"{percent(real.accuracy)}{_between(real.intervals.accuracy)}; naming the commonest label "
        f"reaches {percent(real.majority)}.{remark}"
    )
    if status != PASS:
        text += f" {shortcut.follows}. {ENDING}"
    return Check(check_name(name), title, status, text, numbers, brief=_brief(reached, real))


def check_centre(reached: Metrics, real: Metrics, settings: Audit) -> Check:
    """Check the opposite: without its border a film should be read as well as with it."""
    name, title, numbers = "centre_only", "Centre only", _numbers(reached, real)
    if not beats_chance(real):
        return Check(name, title, NOT_APPLICABLE, _no_result(real), numbers)
    interval = real.intervals.accuracy
    text = (
        f"Without their border (the outer tenth on each side) {percent(reached.accuracy)} of films "
        f"are classified correctly, with it {percent(real.accuracy)}{_between(interval)}."
    )
    lost = interval is not None and reached.accuracy < interval.low
    if not lost:
        text += " The figure does not need the border."
        return Check(name, title, PASS, text, numbers, brief=_brief(reached, real))
    share = way(reached.accuracy, real.majority, real.accuracy)
    status = FAIL if share < settings.warn_way else WARN
    text += " What is lost came from the border, where there is no lung."
    return Check(name, title, status, text, numbers, brief=_brief(reached, real))


def beats_chance(found: Metrics) -> bool:
    """Say whether a result is clearly better than naming the commonest label."""
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


def check_name(name: str) -> str:
    """Name the check of a shortcut."""
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


def check_source(found: Metrics, settings: Audit) -> Check:
    """Check whether the vectors of the network reveal where a film comes from."""
    share = way(found.accuracy, found.majority, 1.0) if found.majority < 1 else 0.0
    known = beats_chance(found)
    status = status_of(share, settings.warn_way, settings.fail_way) if known else PASS
    text = (
        f"From the network's vectors a classifier names the source of {percent(found.accuracy)}"
        f"{_between(found.intervals.accuracy)} of new patients' films correctly; naming the "
        f"commonest source is right for {percent(found.majority)}."
    )
    if status != PASS:
        text += (
            " Training on these vectors can learn the hospital instead of the disease, wherever "
            "sources differ in their labels. Test on a source that is not in training."
        )
    numbers = (("accuracy", found.accuracy), ("majority", found.majority), ("way", share))
    brief = percent(found.accuracy)
    title = "Whether films betray their source"
    return Check("source_told", title, status, text, numbers, brief=brief)


def check_change(view: str, found: Steadiness, real: Metrics, settings: Audit) -> Check:
    """Check how many predictions a small change of the film reverses."""
    title, done, worst = CHANGES[view]
    changed, right = dict(found.changed)[view], dict(found.right)[view]
    status = status_of(changed, settings.warn_changed, settings.fail_changed)
    status = worst if status == FAIL else status
    text = (
        f"With {done}, {percent(changed)} of the predictions change, and "
        f"{percent(right)} are right, compared with {percent(real.accuracy)} before."
    )
    if status != PASS:
        text += (
            " The disease is still on the film, so something else changes the answer, and films "
            "that were taken or stored in another way will be read differently."
        )
    numbers = (("changed", changed), ("accuracy", right), ("films", found.films))
    brief = f"{percent(changed)} change"
    steady = f"Steady when {title.lower()}"
    return Check(f"stable_{view}", steady, status, text, numbers, brief=brief)


def check_calibration(real: ProbeResult, settings: Audit, seed: int) -> Check:
    """Check whether stated probabilities come true as often as they say."""
    found = real.metrics
    by_chance = honest_ece(np.asarray(real.confidence), seed)
    status = status_of(found.ece, settings.warn_ece, settings.fail_ece)
    status = status if found.ece > by_chance else PASS
    stated = float(np.mean(real.confidence))
    text = (
        f"The classifier's mean confidence is {percent(stated)}, and it is right for "
        f"{percent(found.accuracy)}; stated and found differ by {percent(found.ece)} on average "
        f"(ECE; chance alone gives up to {percent(by_chance)}), Brier score "
        f"{decimal(found.brier)}."
    )
    if status != PASS:
        text += " Do not read its probabilities as chances until they are calibrated."
    numbers = (
        ("ece", found.ece),
        ("ece_by_chance", by_chance),
        ("brier", found.brier),
        ("mean_confidence", stated),
    )
    brief = f"ECE {percent(found.ece)}"
    return Check("calibration", "Calibration", status, text, numbers, brief=brief)
