"""Three identities of a film: its bytes, its pixels, and its looks."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Film, Pixels
from spark_cxr.images.looks import SIDE, thumbnail_of
from spark_cxr.images.prepare import Sums, sums_across, sums_down

_SIDE = 8
"""Rows of the grid, which has one column more."""
_LUMA = (299, 587, 114)
"""ITU-R BT.601, in thousandths."""
_ALL = 2**64 - 1


@dataclass(frozen=True)
class Fingerprint:
    """What makes a film recognisable."""

    sha256: str
    """Of the file's bytes."""
    pixels_sha256: str
    """Of shape and decoded pixels: the same for the same film in another lossless format."""
    dhash: int
    """Difference hash, as a signed 64-bit number: films that look alike differ in few bits."""
    looks: bytes
    """A thumbnail (`looks.thumbnail`), to tell twins from films that are merely alike."""


def fingerprint(data: bytes, film: Film) -> Fingerprint:
    """Work out all three identities of a film and the file it came from."""
    pixels = _without_idle_channels(film.pixels)
    shape = "x".join(str(side) for side in pixels.shape)
    digest = hashlib.sha256(f"{shape}:".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    tall = sums_down(pixels, SIDE)
    return Fingerprint(
        sha256=hashlib.sha256(data).hexdigest(),
        pixels_sha256=digest.hexdigest(),
        dhash=_hash(_grid(pixels, tall)),
        looks=thumbnail_of(tall),
    )


def _without_idle_channels(pixels: Pixels) -> Pixels:
    """Take grey that was stored as colour for the grey that it is."""
    if pixels.ndim == 2:
        return pixels
    first = pixels[..., 0]
    is_grey = np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])
    return first if is_grey else pixels


def dhash(pixels: Pixels) -> int:
    """Hash the looks: bit (row, column) says that a cell is lighter than its right neighbour.

    The cells are the exact averages of a grid of 8 rows and 9 columns. Bit 63 is the top left.
    Black borders make equal neighbours common, and a fixed answer for these would part the
    hash of a film from that of its mirror image or negative. So ties are broken by the whole
    column pair, then by the cells further and further out on both sides: each of these turns
    its sign with the picture. Only a picture that is its own mirror image there has a tie left,
    answered with no.
    """
    return _hash(_grid(pixels, sums_down(pixels, SIDE)))


def _grid(pixels: Pixels, tall: Sums) -> NDArray[np.int64]:
    """Give the cells, in whole numbers and some common unit.

    `tall` is the film in 64 rows, which the thumbnail has use for too. Eight of them make a row
    of the grid, but where 64 are more than the film has: there they were made up.
    """
    rows = tall.merged(_SIDE) if len(pixels) >= SIDE else sums_down(pixels, _SIDE)
    cells: NDArray[np.int64] = np.rint(sums_across(rows, _SIDE + 1).numbers).astype(np.int64)
    if cells.ndim == 3:
        cells = cells @ np.array(_LUMA, dtype=np.int64)
    return cells


def _hash(cells: NDArray[np.int64]) -> int:
    difference = cells[:, :-1] - cells[:, 1:]
    for breaker in _tie_breakers(cells):
        if difference.all():
            break
        difference = np.where(difference == 0, breaker, difference)
    bits = np.packbits(difference > 0)
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def _tie_breakers(cells: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Give differences across ever wider gaps around each pair: of its row, then of all rows."""
    for grid in (cells, np.broadcast_to(cells.sum(axis=0), cells.shape)):
        for reach in range(_SIDE):
            columns = np.arange(_SIDE)
            left = grid[:, np.clip(columns - reach, 0, _SIDE)]
            yield left - grid[:, np.clip(columns + 1 + reach, 0, _SIDE)]


def mirrored(value: int) -> int:
    """Give the hash of the mirror image from the hash: columns in reverse order, answers turned."""
    bits = np.unpackbits(np.frombuffer(value.to_bytes(8, "big", signed=True), np.uint8))
    turned = 1 - bits.reshape(_SIDE, _SIDE)[:, ::-1]
    return int.from_bytes(np.packbits(turned).tobytes(), "big", signed=True)


def inverted(value: int) -> int:
    """Give the hash of the negative from the hash: every answer turned."""
    return ~value


def distance(one: int, other: int) -> int:
    """Count the bits in which two hashes differ."""
    return ((one ^ other) & _ALL).bit_count()
