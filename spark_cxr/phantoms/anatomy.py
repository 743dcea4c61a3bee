"""Who is drawn and how they stand: the numbers behind a phantom, before any pixel.

Lengths are in half short sides of the film: x and y run from -1 to 1, y grows downwards, the
patient's right is on the left of the film, as on every frontal radiograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.demographics import CAPPED, Demographics

Field = NDArray[np.floating[Any]]
"""One float32 a pixel. Only + - * / sqrt and comparisons touch it: IEEE 754 fixes their last bit,
so that every machine draws the same film; exp, sin, powers and matrix products differ."""

DEVICES = (("Alder", "Alder 1"), ("Alder", "Alder 2"), ("Birch", "Birch D"), ("Cedar", "Cedar X"))
"""Makers and models that exist nowhere."""
_BAND_PIXELS = 24_000
T = TypeVar("T")


@dataclass(frozen=True)
class Anatomy:
    """What the films of one patient share."""

    lung_width: float
    lung_top: float
    dome_right: float
    dome_left: float
    dome_bow: float
    depth: float
    heart_size: float
    heart_lean: float
    knob: float
    rib_gap: float
    rib_phase: float
    rib_bow: float
    bone: float
    clavicle: float
    breast: float
    vessels: float
    gas: float
    texture: int


@dataclass(frozen=True)
class Pose:
    """How one film was taken: it changes from film to film of a patient."""

    view: str
    shift_x: float
    shift_y: float
    zoom: float
    tilt: float
    breath: float
    gain: float
    fog: float
    contrast: float
    noise: int


@dataclass(frozen=True)
class Plane:
    """Where each pixel of a band of a film lies in the body."""

    x: Field
    y: Field
    off: Field
    """Distance from the midline."""
    is_right: NDArray[np.bool_]
    size_hw: tuple[int, int]
    """Of the whole film."""
    rows: slice
    """Which rows of the film the band is."""


def sample_anatomy(dice: Dice) -> Anatomy:
    """Draw a patient."""
    dome = dice.uniform(0.48, 0.62)
    return Anatomy(
        lung_width=dice.uniform(0.51, 0.60),
        lung_top=dice.uniform(-0.86, -0.77),
        dome_right=dome,
        dome_left=dome + dice.uniform(0.02, 0.09),
        dome_bow=dice.uniform(0.7, 1.2),
        depth=dice.uniform(0.9, 1.15),
        heart_size=dice.uniform(0.85, 1.12),
        heart_lean=dice.uniform(0.35, 0.75),
        knob=dice.uniform(0.08, 0.13),
        rib_gap=dice.uniform(0.145, 0.175),
        rib_phase=dice.uniform(0.0, 1.0),
        rib_bow=dice.uniform(0.8, 1.15),
        bone=dice.uniform(0.75, 1.25),
        clavicle=dice.uniform(-0.05, 0.05),
        breast=max(0.0, dice.uniform(-0.3, 0.3)),
        vessels=dice.uniform(0.6, 1.4),
        gas=dice.uniform(0.0, 1.0),
        texture=dice.whole(0, 2**31 - 1),
    )


def sample_pose(dice: Dice) -> Pose:
    """Draw the circumstances of one film; nothing here knows the class."""
    return Pose(
        view=dice.pick(("PA", "PA", "AP")),
        shift_x=dice.uniform(-0.05, 0.05),
        shift_y=dice.uniform(-0.05, 0.05),
        zoom=dice.uniform(0.93, 1.07),
        tilt=dice.uniform(-0.05, 0.05),
        breath=dice.uniform(-0.05, 0.05),
        gain=dice.uniform(0.78, 1.25),
        fog=dice.uniform(0.0, 0.08),
        contrast=dice.uniform(0.0, 1.0),
        noise=dice.whole(60, 160),
    )


def sample_demographics(seed: int, patient: int, film: int) -> Demographics:
    """Draw who a patient is, and what took one film of theirs; nothing here knows the class."""
    person, place = Dice(seed, "person", patient), Dice(seed, "device", patient, film)
    maker, device = place.pick(DEVICES)
    return Demographics(person.whole(1, CAPPED), person.pick(("F", "M")), maker, device)


def lay_out(size_hw: tuple[int, int], pose: Pose) -> Iterator[Plane]:
    """Give every pixel of a film its place in the body, a band of rows at a time.

    Arrays above 128 KiB come fresh from the system at each step; bands below that stay in the
    cache and draw the same film twice as fast.
    """
    step = max(1, _BAND_PIXELS // size_hw[1])
    for first in range(0, size_hw[0], step):
        yield _band(size_hw, pose, slice(first, min(first + step, size_hw[0])))


def _band(size_hw: tuple[int, int], pose: Pose, rows: slice) -> Plane:
    """Lay out some rows of a film."""
    height, width = size_hw
    per_pixel = 1.0 / min(size_hw)
    across = (np.arange(width, dtype=np.float32) * 2 + (1 - width)) * per_pixel
    down = (np.arange(rows.start, rows.stop, dtype=np.float32) * 2 + (1 - height)) * per_pixel
    scale = 1.0 / pose.zoom
    x = (across - pose.shift_x) * scale + down[:, None] * (pose.tilt * scale)
    y = (down[:, None] - pose.shift_y) * scale - across * (pose.tilt * scale)
    return Plane(x=x, y=y, off=np.abs(x), is_right=x < 0, size_hw=size_hw, rows=rows)


def ramp(value: Field) -> Field:
    """Go smoothly from 0 (value <= 0) to 1 (value >= 1)."""
    t = np.clip(value, np.float32(0), np.float32(1))
    smooth = t * np.float32(-2)
    # In place: fresh arrays cost more than the arithmetic at these sizes.
    smooth += np.float32(3)
    smooth *= t
    smooth *= t
    return smooth


def bump(value: Field) -> Field:
    """Be 1 at 0 and fall smoothly to 0 at -1 and 1."""
    t = value * value
    np.subtract(np.float32(1), t, out=t)
    np.clip(t, np.float32(0), np.float32(1), out=t)
    t *= t
    return t


def ball(plane: Plane, centre_xy: tuple[float, float], radii_xy: tuple[float, float],
         lean: float = 0.0) -> Field:  # fmt: skip
    """Return the thickness that rays cross in an ellipsoid: 1 in the middle, 0 outside.

    `lean` shears it: its lower part moves towards larger x.
    """
    dy = (plane.y - centre_xy[1]) * (1 / radii_xy[1])
    dx = (plane.x - centre_xy[0]) * (1 / radii_xy[0])
    if lean:
        dx -= dy * lean
    dx *= dx
    dy *= dy
    dx += dy
    np.subtract(np.float32(1), dx, out=dx)
    np.clip(dx, np.float32(0), np.float32(1), out=dx)
    np.sqrt(dx, out=dx)
    return dx


def clouds(dice: Dice, plane: Plane, cells: int) -> Field:
    """Draw smooth patches between 0 and 1, about `cells` of them along a side."""
    knots = dice.octets((cells + 2) * (cells + 2)).reshape(cells + 2, cells + 2)
    grid = knots.astype(np.float32) * np.float32(1 / 255)
    left, right_share = _knots(plane.size_hw[1], cells)
    upper, lower_share = (part[plane.rows] for part in _knots(plane.size_hw[0], cells))
    rows = grid[:, left] + (grid[:, left + 1] - grid[:, left]) * right_share
    field: Field = rows[upper] + (rows[upper + 1] - rows[upper]) * lower_share[:, None]
    return field


def _knots(length: int, cells: int) -> tuple[NDArray[np.intp], Field]:
    """Return for each pixel of a side the knot before it and the share of the knot after it."""
    place = np.arange(length, dtype=np.float32) * np.float32(cells / length)
    before = np.floor(place)
    return before.astype(np.intp), ramp(place - before)


class Dice:
    """A stream of draws that belongs to one key, such as (seed, "film", 7).

    Only the raw words of the bit generator are used: numpy promises those for ever, while the
    methods of `Generator` may draw differently in a later version (NEP 19).
    """

    def __init__(self, seed: int, *key: int | str) -> None:
        """Open the stream of this key."""
        words = [int.from_bytes(k.encode(), "big") if isinstance(k, str) else k for k in key]
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, *words]))

    def uniform(self, low: float, high: float) -> float:
        """Draw a number of [low, high)."""
        word = int(self._bits.random_raw())
        return low + (high - low) * ((word >> 11) * 2.0**-53)

    def whole(self, low: int, high: int) -> int:
        """Draw an integer of low..high, both included."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of the choices."""
        return choices[self.whole(0, len(choices) - 1)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a drawn order."""
        rest = list(items)
        return [rest.pop(self.whole(0, len(rest) - 1)) for _ in items]

    def octets(self, count: int) -> NDArray[np.uint8]:
        """Draw `count` bytes."""
        words = np.asarray(self._bits.random_raw(-(-count // 8)), dtype="<u8")
        return words.view(np.uint8)[:count]

    def noise(self, size_hw: tuple[int, int]) -> NDArray[np.int32]:
        """Draw whole-numbered noise with mean 0 and standard deviation 148 (Irwin-Hall of 4)."""
        rolls = self.octets(4 * size_hw[0] * size_hw[1]).reshape(4, *size_hw)
        total: NDArray[np.int32] = rolls.sum(axis=0, dtype=np.int32)
        return total - np.int32(510)
