"""Whether vectors reveal the source, predictions are stable, and probabilities are right."""

from __future__ import annotations

import numpy as np

from spark_cxr.metrics import Metrics
from spark_cxr.metrics.calibration import honest_ece
from spark_cxr.metrics.checks import FAIL, PASS, WARN, Check, status_of
from spark_cxr.metrics.wording import decimal, percent, percent_range
from spark_cxr.settings import Audit
from spark_cxr.verbs.audit.questions import ProbeResult, Steadiness, way
from spark_cxr.verbs.audit.shortcuts import beats_chance

CHANGES = {
    "corners": ("Corners hidden", "black corners, where markers stand", FAIL),
    "cropped": ("Cropped by 8 %", "8 % cut off height and width", FAIL),
    "mirrored": ("Mirrored", "left and right swapped", FAIL),
    # No reader takes a negative for a film, and a right decoder hands none over.
    "inverted": ("Inverted", "black and white swapped", WARN),
}
"""View → its title, what was done in words, and the worst that it can be."""


def judge_source(found: Metrics, settings: Audit) -> Check:
    """Check whether the vectors of the network reveal where a film comes from."""
    share = way(found.accuracy, found.majority, 1.0) if found.majority < 1 else 0.0
    known = beats_chance(found)
    status = status_of(share, settings.warn_way, settings.fail_way) if known else PASS
    interval = found.intervals.accuracy
    between = f" ({percent_range(interval)})" if interval else ""
    said = (
        f"From the network's vectors a classifier names the source of {percent(found.accuracy)}"
        f"{between} of new patients' films correctly; naming the commonest source is right for "
        f"{percent(found.majority)}."
    )
    if status != PASS:
        said += (
            " Training on these vectors can learn the hospital instead of the disease, wherever "
            "sources differ in their labels. Test on a source that is not in training."
        )
    numbers = (("accuracy", found.accuracy), ("majority", found.majority), ("way", share))
    brief = percent(found.accuracy)
    title = "Whether films betray their source"
    return Check("source_told", title, status, said, numbers, brief=brief)


def judge_change(view: str, found: Steadiness, real: Metrics, settings: Audit) -> Check:
    """Check how many predictions a small change of the film reverses."""
    title, done, worst = CHANGES[view]
    changed, right = dict(found.changed)[view], dict(found.right)[view]
    status = status_of(changed, settings.warn_changed, settings.fail_changed)
    status = worst if status == FAIL else status
    said = (
        f"With {done}, {percent(changed)} of the predictions change, and "
        f"{percent(right)} are right, compared with {percent(real.accuracy)} before."
    )
    if status != PASS:
        said += (
            " The disease is still on the film, so something else changes the answer, and films "
            "that were taken or stored in another way will be read differently."
        )
    numbers = (("changed", changed), ("accuracy", right), ("films", found.films))
    brief = f"{percent(changed)} change"
    steady = f"Steady when {title.lower()}"
    return Check(f"stable_{view}", steady, status, said, numbers, brief=brief)


def judge_calibration(real: ProbeResult, settings: Audit, seed: int) -> Check:
    """Check whether stated probabilities come true as often as they say."""
    found = real.metrics
    by_chance = honest_ece(np.asarray(real.confidence), seed)
    status = status_of(found.ece, settings.warn_ece, settings.fail_ece)
    status = status if found.ece > by_chance else PASS
    stated = float(np.mean(real.confidence))
    said = (
        f"The classifier's mean confidence is {percent(stated)}, and it is right for "
        f"{percent(found.accuracy)}; stated and found differ by {percent(found.ece)} on average "
        f"(ECE; chance alone gives up to {percent(by_chance)}), Brier score "
        f"{decimal(found.brier)}."
    )
    if status != PASS:
        said += " Do not read its probabilities as chances until they are calibrated."
    numbers = (
        ("ece", found.ece),
        ("ece_by_chance", by_chance),
        ("brier", found.brier),
        ("mean_confidence", stated),
    )
    brief = f"ECE {percent(found.ece)}"
    return Check("calibration", "Calibration", status, said, numbers, brief=brief)
