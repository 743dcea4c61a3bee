"""Findings that a drawn patient has independently of each other: their tissue, and where it lies.

Nothing that one finding draws depends on another: with it and without it, a film is the same
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spark_cxr.phantoms.anatomy import (
    Anatomy,
    Dice,
    Field,
    Plane,
    Pose,
    ball,
    bump,
    clouds,
    ramp,
)
from spark_cxr.phantoms.findings import (
    LEAST_SEVERITY,
    LOBES,
    Finding,
    consolidation,
    sample_illness,
)
from spark_cxr.phantoms.thorax import Lungs, chambers

Area = NDArray[np.bool_]

SHARES = {
    "Effusion": 0.35,
    "Consolidation": 0.30,
    "Cardiomegaly": 0.25,
    "Nodule": 0.20,
    "Pneumothorax": 0.15,
    "Hernia": 0.04,
}
"""Finding → share of the patients who have it, where no other is given: common ones, a rare one."""
_BOTH_SIDES = 0.35
"""Effusions whose sides are no further out of balance are on both: about one in three."""


@dataclass(frozen=True)
class Scene:
    """What a finding is drawn into: a band of a film, before anyone is ill."""

    anatomy: Anatomy
    pose: Pose
    plane: Plane
    lungs: Lungs
    vessels: Field

    @property
    def in_lung(self) -> Field:
        """0 outside the lungs, 1 inside but for their rim."""
        inside: Field = np.minimum(self.lungs.air * np.float32(3), np.float32(1))
        return inside

    def side(self, on_right: bool) -> Area:
        """Mark the half of the body that lies on the patient's right, or the other."""
        return self.plane.is_right if on_right else ~self.plane.is_right


@dataclass(frozen=True)
class Trace:
    """What a finding leaves on a band of a film."""

    tissue: Field
    """What it adds to what rays meet; below 0 where it takes tissue away."""
    areas: tuple[Area, ...]
    """Where it can be recognised: one for each place that a reader would box."""


def sample_findings(
    names: Sequence[str], seed: int, patient: int, film: int, least: float = LEAST_SEVERITY
) -> tuple[Finding, ...]:
    """Draw how a patient has these findings, and how severe each is on this film."""
    found = []
    for name in names:
        illness = sample_illness(name, Dice(seed, name, patient), least)
        change = Dice(seed, name, patient, film).uniform(0.75, 1.15)
        found.append(replace(illness, severity=illness.severity * change))
    return tuple(found)


def with_heart(anatomy: Anatomy, findings: Sequence[Finding]) -> Anatomy:
    """Enlarge the heart of a patient who has Cardiomegaly."""
    severity = next((each.severity for each in findings if each.label == "Cardiomegaly"), None)
    if severity is None:
        return anatomy
    return replace(anatomy, heart_size=anatomy.heart_size * (1.15 + 0.3 * severity))


def trace(finding: Finding, scene: Scene) -> Trace:
    """Draw a finding into a band of a film."""
    return _WAYS[finding.label](finding, scene)


def is_positive(name: str, share: float, seed: int, patient: int) -> bool:
    """Tell whether a patient has a finding that this share of all patients have."""
    return Dice(seed, "has", name, patient).uniform(0, 1) < share


def is_unknown(name: str, rate: float, seed: int, patient: int, film: int) -> bool:
    """Tell whether nobody said of a film if it has a finding: at random, whatever it has."""
    return Dice(seed, "unknown", name, patient, film).uniform(0, 1) < rate


def _on_right(finding: Finding) -> bool:
    return LOBES[finding.lobe][0]


def _consolidation(finding: Finding, scene: Scene) -> Trace:
    dice = Dice(finding.texture, "opacity")
    patches = 0.6 * clouds(dice, scene.plane, 6) + 0.4 * clouds(dice, scene.plane, 15)
    filled = consolidation(finding, scene.plane, scene.lungs, patches)
    dense = np.float32(0.12 + 0.75 * finding.severity)
    return Trace(filled * scene.lungs.air, (filled * scene.in_lung > 0.35 * dense,))


def _effusion(finding: Finding, scene: Scene) -> Trace:
    """Let fluid stand at the base, higher at the chest wall than at the mediastinum."""
    lungs = scene.lungs
    depth = 0.14 + 0.45 * finding.severity
    across = np.clip(lungs.across, np.float32(0), np.float32(1))
    surface = 1.02 - depth * (0.40 + 0.60 * across * across)
    fluid = ramp((lungs.down - surface) * 10) * scene.in_lung
    is_both = abs(finding.balance) < _BOTH_SIDES / 2
    sides = (True, False) if is_both else (_on_right(finding),)
    areas = tuple((fluid > 0.5) & scene.side(side) for side in sides)
    tissue = np.zeros_like(fluid)
    for side in sides:
        tissue += fluid * scene.side(side)
    return Trace(tissue * np.float32(0.75) * (lungs.air + 0.25 * scene.in_lung), areas)


def _cardiomegaly(finding: Finding, scene: Scene) -> Trace:
    """Say where the heart is; that it is large lies in the anatomy (`with_heart`)."""
    inside = chambers(scene.anatomy, scene.pose, scene.plane) > 0.35
    return Trace(np.zeros_like(scene.plane.x), (inside & (scene.lungs.below < 0.5),))


def _nodule(finding: Finding, scene: Scene) -> Trace:
    """Put a ball of tissue into one lung, away from its rims."""
    place = Dice(finding.texture, "place")
    across, down = place.uniform(0.35, 0.75), place.uniform(0.28, 0.72)
    radius = 0.05 + 0.05 * finding.severity
    # A lung is about half a unit wide and 1.35 high.
    out = (scene.lungs.across - np.float32(across)) * (0.5 / radius)
    drop = (scene.lungs.down - np.float32(down)) * (1.35 / radius)
    thick = np.sqrt(np.maximum(1 - out * out - drop * drop, np.float32(0)))
    thick *= scene.side(_on_right(finding)) * scene.in_lung
    return Trace(thick * np.float32(0.25 + 0.4 * finding.severity), (thick > 0.2,))


def _pneumothorax(finding: Finding, scene: Scene) -> Trace:
    """Free air along the chest wall and over the apex: darker, without vessels, behind a line."""
    lungs, side = scene.lungs, scene.side(_on_right(finding))
    gap = 0.14 + 0.36 * finding.severity
    edge = 1 - gap * (1.15 - 0.75 * lungs.down) - ramp((0.16 - lungs.down) * 6)
    beyond = (lungs.across - edge) * side
    free = ramp(beyond * 14) * scene.in_lung
    line = bump(beyond * 22) * scene.in_lung * side
    collapsed = (1 - ramp(beyond * 14)) * lungs.air * side
    tissue = line * np.float32(0.14) + collapsed * np.float32(0.10 * finding.severity)
    tissue -= free * (scene.vessels + np.float32(0.12) * lungs.air)
    return Trace(tissue, (free > 0.5,))


def _hernia(finding: Finding, scene: Scene) -> Trace:
    """Push the stomach up behind the heart: a round shadow with a level of air in it."""
    base = scene.anatomy.dome_left + scene.pose.breath
    size = 0.12 + 0.08 * finding.severity
    centre = (0.03 + 0.08 * finding.balance, base - 0.16)
    thick = ball(scene.plane, centre, (size * 1.15, size))
    is_air = ramp((centre[1] - 0.15 * size - scene.plane.y) * 40)
    tissue = thick * (0.35 - 0.75 * is_air)
    return Trace(tissue * (1 - scene.lungs.below), (thick * (1 - scene.lungs.below) > 0.3,))


_WAYS: dict[str, Callable[[Finding, Scene], Trace]] = {
    "Effusion": _effusion,
    "Consolidation": _consolidation,
    "Cardiomegaly": _cardiomegaly,
    "Nodule": _nodule,
    "Pneumothorax": _pneumothorax,
    "Hernia": _hernia,
}
