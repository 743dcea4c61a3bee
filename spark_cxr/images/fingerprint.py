"""Three identities of a film: its bytes, its pixels, and its looks."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Film, Pixels
from spark_cxr.images.looks import thumbnail
from spark_cxr.images.prepare import area_sums

_SIDE = 8
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
    return Fingerprint(
        sha256=hashlib.sha256(data).hexdigest(),
        pixels_sha256=digest.hexdigest(),
        dhash=dhash(pixels),
        looks=thumbnail(pixels),
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
    sums, _ = area_sums(pixels, (_SIDE, _SIDE + 1))
    cells = np.rint(sums).astype(np.int64)
    if cells.ndim == 3:
        cells = cells @ np.array(_LUMA, dtype=np.int64)
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
