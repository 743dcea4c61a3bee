"""Other X-rays and slices, drawn from the phantoms' own parts: what a chest film is not.

Every picture is of tissue that adds up along a ray, as in `spark_cxr.phantoms`, and so has the look
of a film. Places are in half sides, x and y from -1 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate.films import Grey
from spark_cxr.phantoms.anatomy import (
    Dice,
    Field,
    Plane,
    Pose,
    ball,
    clouds,
    lay_out,
    ramp,
    sample_pose,
)

Place = tuple[float, float]
Tissue = Callable[[Plane, Dice], Field]
SIZE = 160


def drawn_bones(kind: str, number: int, seed: int = 24) -> Grey:
    """Draw one picture of a kind of `BONES`."""
    dice = Dice(seed, kind, number)
    pose = replace(sample_pose(dice), zoom=dice.uniform(0.8, 1.3), tilt=dice.uniform(-0.2, 0.2))
    size_hw = (SIZE * dice.pick((4, 5, 5, 6)) // 5, SIZE)
    return np.concatenate([_exposed(BONES[kind], plane, pose, seed + number, kind)
                           for plane in lay_out(size_hw, pose)])  # fmt: skip


def _exposed(tissue: Tissue, plane: Plane, pose: Pose, number: int, kind: str) -> Grey:
    """Turn tissue into grey; the dice begin again for each band of rows."""
    dice = Dice(number, kind, "tissue")
    density = tissue(plane, dice) * (0.8 + 0.4 * clouds(dice, plane, 7))
    toned = np.clip(density, 0, None) / (np.clip(density, 0, None) + 1 / pose.gain)
    grain = Dice(number, kind, plane.rows.start).noise((len(plane.y), plane.size_hw[1]))
    levels = 255 * (pose.fog + toned * (1 - pose.fog)) + grain * (pose.noise / 4096)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _bar(plane: Plane, ends: tuple[Place, Place], widths: tuple[float, float]) -> Field:
    """Give the thickness of a round bone between two places, its ends of these half widths."""
    (x0, y0), (x1, y1) = ends
    length = float(np.hypot(x1 - x0, y1 - y0)) or 1e-3
    ax, ay = (x1 - x0) / length, (y1 - y0) / length
    along = (plane.x - x0) * ax + (plane.y - y0) * ay
    beside = (plane.x - x0) * ay - (plane.y - y0) * ax
    share = np.clip(along / length, 0, 1)
    # Thin in the middle, as bones are.
    width = widths[0] + (widths[1] - widths[0]) * share - 1.2 * min(widths) * share * (1 - share)
    beyond = np.maximum(np.maximum(-along, along - length), 0)
    rest = np.maximum(1 - (beside / width) ** 2 - (beyond / width) ** 2, 0)
    found: Field = np.sqrt(rest)
    return found


def _ring(plane: Plane, centre: Place, radii: Place, thin: float) -> Field:
    """Give an ellipsoid that is hollow."""
    inner = (radii[0] * (1 - thin), radii[1] * (1 - thin))
    return ball(plane, centre, radii) - (1 - thin) * ball(plane, centre, inner)


def _hand(plane: Plane, dice: Dice) -> Field:
    total = 0.5 * ball(plane, (0, 0.35), (0.5, 0.5))
    side = dice.pick((-1, 1))
    for finger in range(5):
        turn = (finger - 2) * dice.uniform(0.2, 0.3) * side
        x, y = (finger - 2) * 0.17 * side, 0.45 + (0.25 if finger == 0 else 0)
        for part in range(4):
            length = (0.42, 0.28, 0.2, 0.15)[part] * (0.75 if finger == 0 else 1)
            to = (x + length * np.sin(turn), y - length * np.cos(turn))
            width = 0.055 - 0.008 * part
            total = total + 0.35 * _bar(plane, ((x, y), to), (2.1 * width, 1.9 * width))
            total += 0.9 * _bar(plane, ((x, y), to), (width, width))
            x, y = to[0] + 0.02 * np.sin(turn), to[1] - 0.02
    for _ in range(8):
        centre = (dice.uniform(-0.3, 0.3), dice.uniform(0.5, 0.75))
        total += 0.6 * ball(plane, centre, (0.11, 0.09))
    for sign, width in ((-1, 0.1), (1, 0.13)):
        total += _bar(plane, ((sign * 0.14, 0.82), (sign * 0.12, 1.4)), (width, width))
    return total


def _knee(plane: Plane, dice: Dice) -> Field:
    gap, width = dice.uniform(0.02, 0.06), dice.uniform(0.3, 0.42)
    flesh = 0.6 * _bar(plane, ((0, -1.6), (0, 1.6)), (0.85, 0.75))
    femur = _bar(plane, ((0, -1.6), (0, -width - gap)), (width * 0.8, width * 1.25))
    tibia = _bar(plane, ((0, width * 0.8 + gap), (0.02, 1.6)), (width * 1.2, width * 0.8))
    fibula = _bar(plane, ((0.45, 0.4), (0.38, 1.6)), (0.1, 0.09))
    condyles = sum(ball(plane, (s * width * 0.7, -width * 0.6 - gap), (0.3, 0.28)) for s in (-1, 1))
    return flesh + 1.2 * (femur + tibia) + 0.7 * fibula + 0.5 * condyles


def _skull(plane: Plane, dice: Dice) -> Field:
    high = dice.uniform(0.75, 0.95)
    total = 0.7 * ball(plane, (0, -0.1), (0.72, high)) + _ring(plane, (0, -0.1), (0.7, high), 0.07)
    for sign in (-1, 1):
        total -= 0.35 * ball(plane, (sign * 0.27, 0.12), (0.2, 0.15))
        total += 0.5 * _bar(plane, ((sign * 0.5, 0.3), (sign * 0.25, 0.85)), (0.09, 0.12))
    total -= 0.35 * ball(plane, (0, 0.35), (0.1, 0.2))
    for tooth in range(-4, 5):
        total += 0.4 * ball(plane, (tooth * 0.07, 0.6), (0.035, 0.13))
    return total


def _pelvis(plane: Plane, dice: Dice) -> Field:
    total = 0.8 * ball(plane, (0, 0), (1.25, 1.2))
    for sign in (-1, 1):
        wing = ball(plane, (sign * 0.5, -0.35), (0.42, 0.5), sign * dice.uniform(-0.5, -0.1))
        hole = ball(plane, (sign * 0.25, 0.5), (0.14, 0.12))
        total += 0.8 * wing - 0.2 * hole
        total += 0.9 * ball(plane, (sign * 0.62, 0.28), (0.17, 0.17))
        total += 0.9 * _bar(plane, ((sign * 0.68, 0.3), (sign * 0.9, 1.3)), (0.16, 0.15))
        total += 0.6 * _bar(plane, ((sign * 0.1, 0.35), (sign * 0.5, 0.45)), (0.07, 0.08))
    return total + _column(plane, -1.4, 0.0, 0.16, 0.0)


def _column(plane: Plane, top: float, bottom: float, width: float, lean: float) -> Field:
    """Give a row of vertebrae."""
    total = np.zeros_like(plane.x)
    for place in np.arange(top, bottom, 1.5 * width):
        centre = (lean * place, float(place))
        total += 0.8 * ball(plane, centre, (width, width * 0.66))
        total += 0.4 * ball(plane, centre, (width * 1.7, width * 0.25))
    return total


def _spine(plane: Plane, dice: Dice) -> Field:
    bend, width = dice.uniform(-0.3, 0.3), dice.uniform(0.14, 0.3)
    return 0.7 * ball(plane, (0, 0), (0.9, 2.5)) + 1.2 * _column(plane, -1.6, 1.6, width, bend)


def _abdomen(plane: Plane, dice: Dice) -> Field:
    total = 1.1 * ball(plane, (0, 0), (1.1, 1.6)) + 0.7 * _column(plane, -1.6, 0.8, 0.15, 0.0)
    for _ in range(dice.whole(4, 14)):
        centre = (dice.uniform(-0.8, 0.8), dice.uniform(-0.8, 0.8))
        radii = (dice.uniform(0.06, 0.3), dice.uniform(0.06, 0.2))
        total -= dice.uniform(0.1, 0.45) * ball(plane, centre, radii)
    for sign in (-1, 1):
        total += 0.3 * ball(plane, (sign * 0.75, 1.0), (0.5, 0.4))
    return total


def _teeth(plane: Plane, dice: Dice) -> Field:
    """Draw a panorama: the jaw as an arc, two rows of teeth."""
    bow, total = dice.uniform(0.2, 0.6), np.full_like(plane.x, 0.25)
    jaw = plane.y - 0.45 + bow * plane.x * plane.x
    total += 0.8 * ramp(1 - np.abs(jaw) / 0.28)
    for tooth in range(-8, 9):
        x = tooth * 0.105
        middle = 0.1 - bow * x * x
        for sign in (-1, 1):
            size = (0.05 + 0.004 * abs(tooth), dice.uniform(0.16, 0.22))
            total += ball(plane, (x, middle + sign * 0.2), size)
    return total


def _bitewing(plane: Plane, dice: Dice) -> Field:
    total = np.full_like(plane.x, 0.2) + 0.4 * ramp(np.abs(plane.y) * 2 - 0.8)
    for tooth in range(-2, 3):
        for sign in (-1, 1):
            x = tooth * 0.42 + dice.uniform(-0.04, 0.04)
            total += 1.3 * ball(plane, (x, sign * 0.33), (0.19, 0.3))
            total -= 0.4 * ball(plane, (x, sign * 0.42), (0.06, 0.2))
            total += 0.6 * _bar(plane, ((x, sign * 0.5), (x, sign * 1.1)), (0.17, 0.07))
    return total


def _lateral(plane: Plane, dice: Dice) -> Field:
    """Draw a chest from the side: one field of lung, spine behind, breastbone in front."""
    side = dice.pick((-1, 1))
    x = plane.x * side
    seen = replace(plane, x=x)
    total = 1.1 * ball(seen, (0, 0.1), (0.85, 1.5))
    lung = ball(seen, (0.05, -0.15), (0.55, 0.75), dice.uniform(-0.3, 0.1))
    total -= dice.uniform(0.55, 0.8) * lung * ramp((0.45 + 0.5 * x - plane.y) * 6)
    total += 0.6 * ball(seen, (-0.25, 0.2), (0.33, 0.28), 0.4)
    total += 0.8 * _column(seen, -1.4, 1.4, 0.11, 0.08) * ramp((x - 0.2) * 5 + 1)
    spine = replace(seen, x=x - 0.55)
    total += 0.8 * _column(spine, -1.4, 1.4, 0.12, 0.05)
    total += 0.4 * _bar(seen, ((-0.62, -0.6), (-0.7, 0.3)), (0.05, 0.05))
    for rib in range(8):
        y = -0.7 + rib * 0.17
        total += 0.1 * _bar(seen, ((0.55, y), (-0.5, y + 0.35)), (0.03, 0.03))
    return total


def _breast(plane: Plane, dice: Dice) -> Field:
    side = dice.pick((-1, 1))
    seen = replace(plane, x=plane.x * side + 1)
    whole = ball(seen, (0, 0), (dice.uniform(0.8, 1.5), dice.uniform(0.7, 1)))
    gland = whole * clouds(dice, plane, dice.whole(5, 14))
    muscle = ramp((0.6 - seen.x - (plane.y + 1) * dice.uniform(0.3, 0.7)) * 4)
    return 0.6 * whole + dice.uniform(0.3, 1.4) * gland + 0.6 * muscle * ramp(whole * 3)


def _foot(plane: Plane, dice: Dice) -> Field:
    total = 0.5 * _bar(plane, ((0, -0.5), (0.1, 0.9)), (0.55, 0.3))
    for toe in range(5):
        x, y = (toe - 2) * 0.16, 0.1
        for part, length in enumerate((0.5, 0.22, 0.13)):
            to = (x + (toe - 2) * 0.03, y - length)
            width = (0.08 if toe == 0 else 0.055) - 0.008 * part
            total += 0.9 * _bar(plane, ((x, y), to), (width, width))
            x, y = to[0], to[1] - 0.02
    for _ in range(6):
        centre = (dice.uniform(-0.3, 0.3), dice.uniform(0.15, 0.5))
        total += 0.7 * ball(plane, centre, (0.16, 0.14))
    return total + 0.9 * ball(plane, (0, 0.8), (0.22, 0.3))


def _limb(plane: Plane, dice: Dice) -> Field:
    """Draw one or two long bones in flesh: upper arm, forearm, thigh, shin."""
    total = 0.6 * _bar(plane, ((0, -2), (0, 2)), (dice.uniform(0.35, 0.8),) * 2)
    for bone in range(dice.whole(1, 2)):
        x, width = dice.uniform(-0.2, 0.2) + 0.3 * bone, dice.uniform(0.07, 0.2)
        total += 1.3 * _bar(plane, ((x, -1.8), (x + dice.uniform(-0.1, 0.1), 1.8)), (width, width))
        total -= 0.5 * _bar(plane, ((x, -1.8), (x, 1.8)), (width * 0.5, width * 0.5))
    return total


def _shoulder(plane: Plane, dice: Dice) -> Field:
    side = dice.pick((-1, 1))
    seen = replace(plane, x=plane.x * side)
    total = 0.9 * ball(seen, (0.2, 0.4), (0.9, 1.1)) + 0.4 * ball(seen, (-0.7, 0.6), (0.5, 1))
    total += ball(seen, (0.05, -0.1), (0.26, 0.26))
    total += _bar(seen, ((0.1, 0), (0.25, 1.6)), (0.19, 0.17))
    total += 0.6 * _bar(seen, ((-0.9, -0.45), (0.1, -0.4)), (0.07, 0.08))
    return total + 0.5 * ball(seen, (-0.45, 0.3), (0.28, 0.5), dice.uniform(0.2, 0.6))


def _head_slice(plane: Plane, dice: Dice) -> Field:
    """Draw a slice of a head as CT or MR show it."""
    radii = (dice.uniform(0.55, 0.75), dice.uniform(0.7, 0.9))
    inside = ramp(8 * ball(plane, (0, 0), radii))
    bone = dice.uniform(0.0, 3) * (
        inside - ramp(8 * ball(plane, (0, 0), (radii[0] * 0.9, radii[1] * 0.9)))
    )
    folds = clouds(dice, plane, dice.whole(8, 20)) * dice.uniform(0.2, 0.9)
    total = inside * (0.5 + folds) + bone
    for sign in (-1, 1):
        total -= 0.6 * ball(plane, (sign * 0.12, -0.05), (0.09, 0.28), sign * 0.3)
    return total


def _chest_slice(plane: Plane, dice: Dice) -> Field:
    """Draw a slice across the chest: what CT shows, and no film."""
    body = ramp(8 * ball(plane, (0, 0), (dice.uniform(0.8, 0.95), dice.uniform(0.55, 0.7))))
    total = body * dice.uniform(0.6, 0.9)
    for sign in (-1, 1):
        radii = (dice.uniform(0.26, 0.36), dice.uniform(0.36, 0.48))
        total -= 0.6 * ramp(6 * ball(plane, (sign * 0.42, -0.02), radii))
    total += 0.4 * ramp(6 * ball(plane, (-0.12, -0.1), (0.27, 0.24)))
    total += 1.2 * ramp(6 * ball(plane, (0, 0.38), (0.12, 0.1)))
    return total + 0.2 * clouds(dice, plane, 16) * body


def _belly_slice(plane: Plane, dice: Dice) -> Field:
    body = ramp(8 * ball(plane, (0, 0), (dice.uniform(0.75, 0.95), dice.uniform(0.5, 0.7))))
    total = body * 0.4
    for _ in range(dice.whole(5, 12)):
        centre = (dice.uniform(-0.6, 0.6), dice.uniform(-0.4, 0.4))
        radii = (dice.uniform(0.08, 0.35), dice.uniform(0.08, 0.25))
        total += dice.uniform(-0.3, 0.4) * ramp(6 * ball(plane, centre, radii)) * body
    return total + 1.2 * ramp(6 * ball(plane, (0, 0.35), (0.13, 0.11)))


def _sector(plane: Plane, dice: Dice) -> Field:
    """Draw an ultrasound: speckle in a sector."""
    far, turn = np.hypot(plane.x, plane.y + 1.05), np.abs(plane.x) / (plane.y + 1.06)
    inside: NDArray[np.bool_] = (far > 0.2) & (far < 1.8) & (turn < dice.uniform(0.5, 1.0))
    speckle = clouds(dice, plane, 40) * clouds(dice, plane, 60) * 3
    total = inside * speckle * (0.3 + clouds(dice, plane, 5))
    for _ in range(dice.whole(1, 4)):
        centre = (dice.uniform(-0.4, 0.4), dice.uniform(-0.3, 0.4))
        dark = ramp(4 * ball(plane, centre, (dice.uniform(0.1, 0.3), dice.uniform(0.1, 0.3))))
        total = total * (1 - 0.9 * dark)
    return total


BONES: dict[str, Tissue] = {
    "drawn hand": _hand,
    "drawn knee": _knee,
    "drawn skull": _skull,
    "drawn pelvis": _pelvis,
    "drawn spine": _spine,
    "drawn abdomen": _abdomen,
    "drawn jaw": _teeth,
    "drawn teeth": _bitewing,
    "drawn lateral chest": _lateral,
    "drawn breast": _breast,
    "drawn foot": _foot,
    "drawn limb": _limb,
    "drawn shoulder": _shoulder,
    "drawn slice of a head": _head_slice,
    "drawn slice of a chest": _chest_slice,
    "drawn slice of a belly": _belly_slice,
    "drawn ultrasound": _sector,
}
