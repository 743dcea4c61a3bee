"""What a class adds to a chest: a consolidated lobe, ground glass, or nothing."""

from dataclasses import dataclass

import numpy as np

from spark_cxr.errors import ConfigError
from spark_cxr.phantoms.anatomy import Dice, Field, Plane, bump, clouds, ramp
from spark_cxr.phantoms.thorax import Lungs

CLASSES = ("No_findings", "Pneumonia", "COVID-19")
HEALTHY = CLASSES[0]
LEAST_SEVERITY = 0.12
"""Of a disease that can hardly be told from none; 1 is as plain as it comes."""

LOBES = {
    "right upper": (True, 0.30, 0.20),
    "right middle": (True, 0.62, 0.17),
    "right lower": (True, 0.95, 0.28),
    "left upper": (False, 0.32, 0.24),
    "left lower": (False, 0.92, 0.30),
}
"""Lobe → on the right, how far down the lung its middle lies, half its height (lung = 1)."""


@dataclass(frozen=True)
class Finding:
    """The disease of one patient: from film to film only its severity (about 0..1) changes."""

    label: str
    lobe: str
    severity: float
    balance: float
    """Ground glass: how much more of it the right lung has (-1..1)."""
    reach: float
    texture: int


def sample_finding(label: str, dice: Dice, least: float = LEAST_SEVERITY) -> Finding:
    """Draw how a patient of this class is ill: some barely, some plainly, none less than `least`.

    What unevenness healthy lungs have does not grow with it.
    """
    if label not in CLASSES:
        classes = ", ".join(CLASSES)
        raise ConfigError(f"one of {classes}", f"label={label!r}", "Choose another label")
    return sample_illness(label, dice, LEAST_SEVERITY if label == HEALTHY else least)


def sample_illness(label: str, dice: Dice, least: float = LEAST_SEVERITY) -> Finding:
    """Draw all that any class or finding may need of a patient, whichever it is."""
    return Finding(
        label=label,
        lobe=dice.pick(tuple(LOBES)),
        severity=dice.uniform(least, 1.0),
        balance=dice.uniform(-0.5, 0.5),
        reach=dice.uniform(0.85, 1.25),
        texture=dice.whole(0, 2**31 - 1),
    )


def opacity(finding: Finding, plane: Plane, lungs: Lungs) -> Field:
    """Return the tissue that the finding puts in the place of air."""
    dice = Dice(finding.texture, "opacity")
    patches = 0.6 * clouds(dice, plane, 6) + 0.4 * clouds(dice, plane, 15)
    draw = {"Pneumonia": consolidation, "COVID-19": _ground_glass}.get(finding.label, _haze)
    return draw(finding, plane, lungs, patches) * lungs.air


def consolidation(finding: Finding, plane: Plane, lungs: Lungs, patches: Field) -> Field:
    """Fill one lobe: dense in its middle, fluffy rims, a sharp lower border at a fissure."""
    on_right, middle, half = LOBES[finding.lobe]
    half *= finding.reach
    drop = (lungs.down - middle) * (1 / half)
    out = (lungs.across - 0.52) * (1 / 0.52)
    square = drop * drop + 0.7 * out * out
    core = ramp((1.0 - square) * 1.3 + (patches - 0.5) * 1.6)
    fissure = ramp((1 - drop) * 9) if "upper" in finding.lobe else np.float32(1)
    side = plane.is_right if on_right else ~plane.is_right
    dense = 0.12 + 0.75 * finding.severity
    return core * fissure * side * dense * (0.7 + 0.5 * patches)


def _ground_glass(finding: Finding, plane: Plane, lungs: Lungs, patches: Field) -> Field:
    """Haze the outer and lower parts of both lungs in patches."""
    outer = ramp((lungs.across - 0.38) * 2.0) * ramp((lungs.down - 0.15) * 2.2)
    spots = ramp((patches - 0.38) * 3.2 * finding.reach)
    right = np.float32(1 + finding.balance)
    left = np.float32(1 - finding.balance)
    share = np.where(plane.is_right, right, left)
    return outer * (0.25 + 0.75 * spots) * share * (0.10 + 0.42 * finding.severity)


def _haze(finding: Finding, plane: Plane, lungs: Lungs, patches: Field) -> Field:
    """Give healthy lungs the little unevenness that others have too."""
    base = bump((lungs.down - 1.0) * 2.5) * bump(lungs.across - 0.3)
    return base * patches * (0.2 * finding.severity)
