"""Soft tissue, air and bones: how much of each a ray meets on its way through a drawn chest."""

from dataclasses import dataclass

import numpy as np

from spark_cxr.phantoms.anatomy import Anatomy, Dice, Field, Plane, Pose, ball, bump, clouds, ramp


@dataclass(frozen=True)
class Lungs:
    """The two lung fields: air along the ray, and where in the lung each pixel lies."""

    air: Field
    """0 outside, up to 1 where a lung is thickest."""
    across: Field
    """0 at the mediastinum, 1 at the chest wall; goes on beyond both."""
    down: Field
    """0 at the apex, 1 at the diaphragm."""
    below: Field
    """0 above the diaphragm, 1 under it."""


def shape_lungs(anatomy: Anatomy, pose: Pose, plane: Plane) -> Lungs:
    """Lay out both lungs: domed apex, curved chest wall, diaphragm with its lateral angle."""
    top = anatomy.lung_top
    waist = 0.25
    rise = np.maximum((waist - plane.y) * (1 / (waist - top)), np.float32(0))
    square = np.minimum(rise * rise, np.float32(1))
    medial = 0.11 + 0.15 * square * square
    breadth = anatomy.lung_width * np.sqrt(1 - square) + np.float32(0.02) * (1 - square)
    wall = 0.26 + breadth + 0.06 * (plane.y - waist) * (1 - square)
    across = (plane.off - medial) / np.maximum(wall - medial, np.float32(0.02))
    dome = _dome(anatomy, pose, plane)
    below = ramp((plane.y - dome) * (1 / 0.045) + 0.5)
    middle = 2 * across - 1
    flat = middle * middle
    air = np.maximum(1 - flat * flat, np.float32(0)) * (1 - below)
    air *= ramp((plane.y - top) * 4)
    down = (plane.y - top) / (dome - top)
    return Lungs(air=np.sqrt(air) * air * 0.4 + air * 0.6, across=across, down=down, below=below)


def _dome(anatomy: Anatomy, pose: Pose, plane: Plane) -> Field:
    """Return the height of the diaphragm at every pixel."""
    raised = 0.06 if pose.view == "AP" else 0.0
    right = np.float32(anatomy.dome_right + pose.breath - raised)
    left = np.float32(anatomy.dome_left + pose.breath - raised)
    away = plane.off - 0.36
    bow = away * away * anatomy.dome_bow
    angle = np.maximum(plane.off - 0.60, np.float32(0))
    level: Field = right + (left - right) * ramp(plane.x * 4 + 0.5)
    level += bow + angle * angle * 1.6
    return level


def body(anatomy: Anatomy, plane: Plane) -> Field:
    """Return the tissue of trunk, neck and shoulders, as if they held no air."""
    shoulders = ramp((plane.y + 1.12) * 1.7)
    arms = ramp((plane.y + 0.45) * 1.6)
    half_width = 0.30 + 0.92 * shoulders - 0.28 * arms
    edge = plane.off / half_width
    trunk = np.sqrt(np.maximum(1 - edge * edge, np.float32(0)))
    return trunk * (1.15 * anatomy.depth)


def heart(anatomy: Anatomy, pose: Pose, plane: Plane) -> Field:
    """Return the heart, its apex towards the patient's left, and the great vessels above it."""
    knob = ball(plane, (0.10, -0.27), (anatomy.knob, 0.13))
    trunk = ball(plane, (0.06, -0.08), (0.17, 0.30), 0.1)
    whole = chambers(anatomy, pose, plane)
    whole += 0.5 * knob + 0.35 * trunk
    return whole


def chambers(anatomy: Anatomy, pose: Pose, plane: Plane) -> Field:
    """Return the heart without its vessels."""
    size = anatomy.heart_size * (1.15 if pose.view == "AP" else 1.0)
    base = anatomy.dome_left + pose.breath
    left = ball(plane, (0.14, base - 0.24), (0.27 * size, 0.30 * size), anatomy.heart_lean)
    right = ball(plane, (-0.06, base - 0.22), (0.17 * size, 0.26 * size))
    both: Field = np.maximum(left, right * 0.95)
    return both


def mediastinum(plane: Plane) -> Field:
    """Return the band between the lungs, with the dark windpipe in it."""
    half_width = 0.155 - 0.03 * ramp((plane.y + 0.7) * 2)
    band = ramp((half_width - plane.off) * 10)
    pipe = bump((plane.x + 0.01) * (1 / 0.07)) * ramp((-0.20 - plane.y) * 5)
    return band * 0.5 - 0.75 * pipe


def hila_and_vessels(anatomy: Anatomy, plane: Plane, lungs: Lungs) -> Field:
    """Return the lung roots and the vessels that fan out from them and thin out."""
    dice = Dice(anatomy.texture, "vessels")
    away = plane.off - 0.17
    drop = plane.y - np.where(plane.is_right, np.float32(0.02), np.float32(-0.03))
    square = away * away + drop * drop
    warp = clouds(dice, plane, 7)
    fan = drop / (np.abs(away) + np.abs(drop) + 0.1) + 0.3 * warp
    lines = np.zeros_like(square)
    for density in (4.0, 7.0):
        turn = fan * density + dice.uniform(0, 1) + square * dice.uniform(-3, 3)
        lines += bump((turn - np.floor(turn)) * 4 - 2)
    fade = warp / (1 + 16 * square)
    root = bump(away * (1 / 0.15)) * bump(drop * (1 / 0.26)) * (0.5 + warp)
    return (lines * fade * 0.22 * lungs.air + 0.3 * root) * anatomy.vessels


def belly(anatomy: Anatomy, plane: Plane, lungs: Lungs) -> Field:
    """Return the organs under the diaphragm, with some gas in the stomach, and the breasts."""
    gas = ball(plane, (0.36, anatomy.dome_left + 0.16), (0.15, 0.07)) * anatomy.gas
    folds = ball(plane, (-0.42, 0.28), (0.36, 0.30)) + ball(plane, (0.42, 0.28), (0.36, 0.30))
    flank = ramp((1.25 - lungs.across) * 3)
    return lungs.below * flank * (0.62 - 0.35 * gas) + folds * anatomy.breast


def skeleton(anatomy: Anatomy, plane: Plane, lungs: Lungs) -> Field:
    """Return all bone along the ray."""
    cage = ramp((1.06 - lungs.across) * 14) * ramp((plane.y - anatomy.lung_top + 0.03) * 9)
    cage *= 1 - 0.75 * lungs.below
    bones = _ribs_behind(anatomy, plane) * cage * 0.17
    bones += _ribs_before(anatomy, plane, lungs) * cage * 0.085
    bones += _clavicles(anatomy, plane) * 0.24
    bones += _spine(anatomy, plane) + _shoulders(plane)
    return bones * anatomy.bone


def _stripes(turn: Field, share: float) -> Field:
    """Turn a running count into bands of this share of a turn, brighter at their two rims."""
    place = (turn - np.floor(turn)) * 2 - 1
    inside = place * (1 / share)
    square = np.minimum(inside * inside, np.float32(1))
    rim = square * square
    return (0.55 + 0.9 * rim) * ramp((1 - np.abs(inside)) * 5)


def _ribs_behind(anatomy: Anatomy, plane: Plane) -> Field:
    """Return the back ribs: up from the spine, over, and down to the chest wall."""
    off = plane.off
    steep = anatomy.rib_bow * (1.15 - 0.35 * plane.y)
    arch = steep * (off * off * 0.85 - off * 0.36)
    turn = (plane.y - arch) / (anatomy.rib_gap * (1 + 0.25 * plane.y)) + anatomy.rib_phase
    return _stripes(turn, 0.42) * ramp((off - 0.05) * 12)


def _ribs_before(anatomy: Anatomy, plane: Plane, lungs: Lungs) -> Field:
    """Return the front ribs: down from the chest wall towards the breastbone, fading there."""
    off = plane.off
    slope = anatomy.rib_bow * (0.95 * off - 0.45 * off * off)
    turn = (plane.y + slope) / (anatomy.rib_gap * 1.18) + (anatomy.rib_phase * 0.5 + 0.3)
    fade = ramp((off - 0.26) * 4) * ramp((lungs.down - 0.12) * 6)
    return _stripes(turn, 0.36) * fade


def _clavicles(anatomy: Anatomy, plane: Plane) -> Field:
    """Return both collar bones, thick at the breastbone and bent like an S."""
    off = plane.off
    along = off - 0.45
    line = anatomy.lung_top + 0.20 - 0.24 * along + 0.9 * along * along * along
    line = line + plane.x * anatomy.clavicle
    half = 0.036 + 0.02 * bump((off - 0.08) * 6)
    place = (plane.y - line) / half
    square = np.minimum(place * place, np.float32(1))
    body: Field = (0.6 + 0.7 * square * square) * ramp((1 - np.abs(place)) * 4)
    return body * ramp((off - 0.07) * 25) * ramp((0.93 - off) * 12)


def _spine(anatomy: Anatomy, plane: Plane) -> Field:
    """Return the column of vertebrae with the gaps of its discs."""
    turn = plane.y / (0.115 + 0.02 * plane.y) + anatomy.rib_phase
    place = (turn - np.floor(turn)) * 2 - 1
    disc = bump((1 - np.abs(place)) * (1 / 0.3))
    column = ramp((0.085 - plane.off) * 30)
    processes = bump(place * (1 / 0.35)) * bump(plane.x * (1 / 0.022))
    return column * (0.24 - 0.13 * disc) + 0.1 * processes


def _shoulders(plane: Plane) -> Field:
    """Return the heads of the arm bones and the edges of the shoulder blades."""
    heads = ball(plane, (-1.02, -0.60), (0.15, 0.17)) + ball(plane, (1.02, -0.60), (0.15, 0.17))
    edge = (plane.off - 0.80 + 0.16 * plane.y) * (1 / 0.05)
    blades = bump(edge) * bump((plane.y + 0.25) * 2.2)
    return heads * 0.45 + blades * 0.08
