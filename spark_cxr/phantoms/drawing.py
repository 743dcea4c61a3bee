"""One film from anatomy to grey levels: tissue adds up, the tone curve exposes, noise falls in."""

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
    lay_out,
    sample_anatomy,
    sample_pose,
)
from spark_cxr.phantoms.findings import (
    HEALTHY,
    LEAST_SEVERITY,
    Finding,
    opacity,
    sample_finding,
)
from spark_cxr.phantoms.several import Area, Scene, sample_findings, trace, with_heart
from spark_cxr.phantoms.thorax import (
    Lungs,
    belly,
    body,
    heart,
    hila_and_vessels,
    mediastinum,
    shape_lungs,
    skeleton,
)

Grey = NDArray[np.uint16]
Illness = Callable[[Plane, Lungs, Field], Field]
"""Gives what a patient's disease adds to a band of a film, whose lungs and vessels are known."""

_GLYPHS = {
    "A": (".###.", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "C": (".####", "#....", "#....", "#....", "#....", "#....", ".####"),
    "E": ("#####", "#....", "#....", "####.", "#....", "#....", "#####"),
    "H": ("#...#", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "L": ("#....", "#....", "#....", "#....", "#....", "#....", "#####"),
    "M": ("#...#", "##.##", "#.#.#", "#.#.#", "#...#", "#...#", "#...#"),
    "N": ("#...#", "##..#", "##..#", "#.#.#", "#..##", "#..##", "#...#"),
    "O": (".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."),
    "P": ("####.", "#...#", "#...#", "####.", "#....", "#....", "#...."),
    "R": ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"),
    "T": ("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."),
}
MARKERS = ("side", "none", "class")
_SHAPES = ((5, 5), (5, 5), (6, 5), (5, 6))
"""Height and width in fifths of the short side: square, upright, lying."""


def stamp(film: Grey, text: str, scale: int, *, bottom: bool, right: bool) -> None:
    """Write `text` into a corner of the film, white with a dark rim, readable on any ground."""
    letters = _bitmap(text, scale)
    rim = _grown(letters, max(1, scale // 2))
    height, width = letters.shape
    margin = max(2, min(film.shape) // 40)
    top = film.shape[0] - margin - height if bottom else margin
    left = film.shape[1] - margin - width if right else margin
    ground = film[top : top + height, left : left + width]
    ground[rim] >>= 2
    ground[letters] = 4000


def _bitmap(text: str, scale: int) -> NDArray[np.bool_]:
    """Set `text` one pixel apart with one empty pixel around, each pixel `scale` wide."""
    rows = [".".join(_GLYPHS[letter][row] for letter in text) for row in range(7)]
    dots = np.array([[dot == "#" for dot in row] for row in rows])
    return np.pad(dots, 1).repeat(scale, axis=0).repeat(scale, axis=1)


def _grown(letters: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return the letters thickened by `steps` pixels on every side."""
    grown = letters.copy()
    for axis in (0, 1):
        thin = grown.copy()
        for step in range(1, steps + 1):
            grown |= np.roll(thin, step, axis) | np.roll(thin, -step, axis)
    return grown


@dataclass(frozen=True)
class Drawing:
    """A drawn film: 12 bits of grey a pixel, bright where tissue is dense, and its lungs."""

    grey12: Grey
    lungs: NDArray[np.bool_]
    view: str
    marker: str
    boxes: tuple["FindingBox", ...] = ()


@dataclass(frozen=True)
class FindingBox:
    """Where a finding can be recognised on a film, in its pixels."""

    finding: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Lettering:
    """What is written on a film."""

    marker: str
    initial: str
    """What the marker "class" writes."""
    is_on: bool = True


def draw(
    label: str | Sequence[str],
    seed: int = 0,
    *,
    patient: int = 0,
    film: int = 1,
    size: int = 256,
    marker: str = "side",
    lettered: bool = True,
    least_severity: float = LEAST_SEVERITY,
) -> Drawing:
    """Draw one film of one patient; `size` is its shorter side, other arguments pick the film.

    Args:
        label: One of `CLASSES`; or the findings of the film, each of which gets a box, or none:
            names from `SHARES`.
        seed: Seed of the whole set.
        patient: Number of the patient; the films of a patient share anatomy and disease.
        film: Number of the film of this patient: position, exposure, severity and noise.
        size: Shorter side in pixels; the longer is at most a fifth longer.
        marker: "side" for L or R, "none", or "class": a letter that gives the class away, or the
            first finding.
        lettered: Write marker and PHANTOM. Off only for tests that look at the chest alone.
        least_severity: How ill a patient with a disease is at least, up to 1.
    """
    person, taken = Dice(seed, "patient", patient), Dice(seed, "film", patient, film)
    anatomy, pose = sample_anatomy(person), sample_pose(taken)
    if isinstance(label, str):
        illness = _disease(label, person, taken, least_severity)
        return _film(anatomy, pose, illness, taken, size, Lettering(marker, label[:1], lettered))
    found = sample_findings(label, seed, patient, film, least_severity)
    anatomy = with_heart(anatomy, found)
    bands: dict[tuple[str, int], list[Area]] = {}
    illness = _with_bands(bands, found, anatomy, pose, sample_finding(HEALTHY, person))
    lettering = Lettering(marker, label[0][0] if label else "N", lettered)
    drawing = _film(anatomy, pose, illness, taken, size, lettering)
    areas = ((name, np.concatenate(parts)) for (name, _), parts in bands.items())
    return replace(drawing, boxes=tuple(_boxed(name, area) for name, area in areas if area.any()))


def _disease(label: str, person: Dice, taken: Dice, least: float) -> Illness:
    """Draw what a patient of a class has, as severe as it is on this film."""
    finding = sample_finding(label, person, least)
    finding = replace(finding, severity=finding.severity * taken.uniform(0.75, 1.15))
    return lambda plane, lungs, _: opacity(finding, plane, lungs)


def _with_bands(
    bands: dict[tuple[str, int], list[Area]],
    found: Sequence[Finding],
    anatomy: Anatomy,
    pose: Pose,
    healthy: Finding,
) -> Illness:
    """Draw several findings, and keep in `bands` where on the film they can be recognised."""

    def illness(plane: Plane, lungs: Lungs, vessels: Field) -> Field:
        total = opacity(healthy, plane, lungs)
        for finding in found:
            left = trace(finding, Scene(anatomy, pose, plane, lungs, vessels))
            total = total + left.tissue
            for place, area in enumerate(left.areas):
                bands.setdefault((finding.label, place), []).append(area)
        return total

    return illness


def _boxed(finding: str, area: Area) -> FindingBox:
    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    x, y = int(columns[0]), int(rows[0])
    return FindingBox(finding, x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)


def _film(
    anatomy: Anatomy, pose: Pose, illness: Illness, taken: Dice, size: int, lettering: Lettering
) -> Drawing:
    """Take the film: its shape, every band of it, and what is written on it."""
    fifths = taken.pick(_SHAPES)
    size_hw = (size * fifths[0] // 5, size * fifths[1] // 5)
    # Drawn in every mode, so that all else stays equal.
    side = taken.pick("LR")
    letter = {"side": side, "none": "", "class": lettering.initial}[lettering.marker]
    grain = taken.noise(size_hw)
    grey = np.empty(size_hw, dtype=np.uint16)
    mask = np.empty(size_hw, dtype=np.bool_)
    for plane in lay_out(size_hw, pose):
        density, mask[plane.rows] = _density(anatomy, illness, pose, plane)
        grey[plane.rows] = _expose(density, pose, grain[plane.rows])
    if lettering.is_on:
        scale = max(1, size // 128)
        stamp(grey, "PHANTOM", scale, bottom=True, right=False)
        if letter:  # on the side that it names
            stamp(grey, letter, scale * 2, bottom=False, right=letter == "L")
    return Drawing(grey12=grey, lungs=mask, view=pose.view, marker=letter)


def _density(
    anatomy: Anatomy, illness: Illness, pose: Pose, plane: Plane
) -> tuple[Field, NDArray[np.bool_]]:
    """Add up what rays meet; the lung mask leaves out what heart and mediastinum cover."""
    lungs = shape_lungs(anatomy, pose, plane)
    shadow = heart(anatomy, pose, plane) * (1 - 0.7 * lungs.below)
    middle = mediastinum(plane)
    trunk = body(anatomy, plane)
    soft = trunk - lungs.air * (0.93 * anatomy.depth) + shadow * 0.62 + middle
    vessels = hila_and_vessels(anatomy, plane, lungs)
    soft += belly(anatomy, plane, lungs) + vessels
    soft += illness(plane, lungs, vessels)
    total = (soft + skeleton(anatomy, plane, lungs)) * np.minimum(trunk * 5, np.float32(1))
    mask = (lungs.air > 0.3) & (shadow < 0.35) & (middle < 0.3)
    return np.maximum(total, np.float32(0)), mask


def _expose(density: Field, pose: Pose, grain: NDArray[np.int32]) -> Grey:
    """Turn density into 12-bit grey: gain, a film's saturating tone, fog and noise."""
    toned = density / (density + (1.15 - 0.25 * pose.contrast) / pose.gain)
    levels = ((pose.fog + toned * (1 - pose.fog)) * 4600).astype(np.int32)
    return np.clip(levels + ((grain * pose.noise) >> 8), 0, 4095).astype(np.uint16)
