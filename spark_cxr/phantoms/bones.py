"""Ribs, clavicles, spine and shoulder blades of a drawn chest."""

import numpy as np

from spark_cxr.phantoms.anatomy import Anatomy, Field, Plane, ball, bump, ramp
from spark_cxr.phantoms.thorax import Lungs


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
