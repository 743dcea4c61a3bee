"""Three identities of a film: its bytes, its pixels, and its looks.

Its looks are a thumbnail of 4 KB to compare it by, and two hashes to find it by. All chest films
look alike: among 10,747 real ones 184,000 pairs differ in at most 4 of the 64 bits of a difference
hash, and some 200 are near-duplicates. So a hash only proposes; the thumbnails decide
(`likeness.likeness`).

The hashes are signs of cosine coefficients of the thumbnail after local contrast was evened out,
which a change of window or gamma hardly touches. The mirror image turns the sign of each
coefficient that is odd across the film and of no other; the negative turns all. With the even
ones in one hash and the odd ones in another, all four variants follow from the two numbers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Film, Pixels
from spark_cxr.images.prepare import grey, resize

SIDE = 64
"""Of the thumbnail: at 32 films of drawn patients are as much alike as cropped copies of one."""
BITS = 64
"""Of each of the two hashes."""
_COARSE = 32
_PIECE = 16
_BATCH = 256
"""Films that are hashed at once: their thumbnails fit into a processor's cache."""
_STEPS = (1, 13, 29)
"""Odd, so that each step visits all bits of a power of two once."""
_LOWEST = 2
"""Frequencies below this are the shape that all chests share."""
Stack = NDArray[np.float32]
"""Thumbnails (film, row, column)."""


@dataclass(frozen=True)
class Fingerprint:
    """What makes a film recognisable."""

    sha256: str
    """Of the file's bytes."""
    pixels_sha256: str
    """Of shape and decoded pixels: the same for the same film in another lossless format."""
    looks: bytes
    """A thumbnail, to tell near-duplicates from films that are merely alike."""


def fingerprint(data: bytes, film: Film) -> Fingerprint:
    """Work out all three identities of a film and the file it came from."""
    pixels = _without_idle_channels(film.pixels)
    shape = "x".join(str(side) for side in pixels.shape)
    digest = hashlib.sha256(f"{shape}:".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Fingerprint(hashlib.sha256(data).hexdigest(), digest.hexdigest(), thumbnail(pixels))


def _without_idle_channels(pixels: Pixels) -> Pixels:
    """Take grey that was stored as colour for the grey that it is."""
    if pixels.ndim == 2:
        return pixels
    first = pixels[..., 0]
    is_grey = np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])
    return first if is_grey else pixels


def thumbnail(pixels: Pixels) -> bytes:
    """Shrink a film to 64 x 64 grey levels, row by row."""
    small = resize(pixels, (SIDE, SIDE))
    return (small if small.ndim == 2 else grey(small)).tobytes()


def unpacked(looks: Sequence[bytes]) -> Stack:
    """Read thumbnails back into one array."""
    whole = np.frombuffer(b"".join(looks), np.uint8)
    return whole.reshape(len(looks), SIDE, SIDE).astype(np.float32)


def halved(films: Stack) -> Stack:
    """Average 2 x 2 cells."""
    count, height, width = films.shape
    cells = films.reshape(count, height // 2, 2, width // 2, 2)
    averages: Stack = cells.mean(axis=(2, 4), dtype=np.float32)
    return averages


def evened(films: Stack, reach: int, floor: float = 3.0) -> Stack:
    """Even out local contrast: what remains is how a cell differs from those around it.

    `reach` says how many cells around count on each side. Differences well below `floor` grey
    levels stay small, so that noise in the black border does not look like bones.
    """
    relief = films - _box(films, reach)
    spread = np.sqrt(_box(relief * relief, reach))
    return (relief / (spread + np.float32(floor))).astype(np.float32, copy=False)


def signs(films: Stack, count: int = BITS) -> NDArray[np.bool_]:
    """Give signs (film, 2, count) of the lowest coefficients that are even, and odd, across it."""
    waves = _waves()
    coefficients = waves @ evened(halved(films), 4) @ waves.T
    places = (np.array(_frequencies(parity, count)).T for parity in (0, 1))
    return np.stack([coefficients[:, rows, columns] > 0 for rows, columns in places], axis=1)


def hashes(films: Stack) -> NDArray[np.int64]:
    """Give the two hashes of each film: of coefficients that are even, and odd, across it."""
    parts = [films[i : i + _BATCH] for i in range(0, max(len(films), 1), _BATCH)]
    packed = np.concatenate([np.packbits(signs(part), axis=2) for part in parts])
    return packed.view(">i8")[:, :, 0].astype(np.int64)


def bands(pair: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut hashes (film, 2) into numbered pieces of 16 bits: near hashes have a piece in common.

    Each round cuts both hashes into four, so two films whose distance is at most 7 always share a
    piece, and the rounds mix the bits anew for the farther ones. A piece and its negative count
    as one: so the mirror image and the negative of a film have its pieces.
    """
    bits = np.unpackbits(pair.astype(">i8").view(np.uint8).reshape(len(pair), 2, 8), axis=2)
    return pieces(bits)


def pieces(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Cut signs (film, 2, count) into numbered pieces, three rounds of them, as `bands` says."""
    films, _, count = bits.shape
    found = []
    for step in _STEPS:
        mixed = bits[:, :, np.arange(count) * step % count].reshape(films, -1, _PIECE)
        value = (mixed @ (1 << np.arange(_PIECE))).astype(np.int64)
        found.append(np.minimum(value, (1 << _PIECE) - 1 - value))
    values = np.concatenate(found, axis=1)
    numbered: NDArray[np.int64] = values + (np.arange(values.shape[1]) << _PIECE)
    return numbered


def _box(films: Stack, reach: int) -> Stack:
    """Average each cell with those around it; beyond the border the film goes on as a mirror."""
    width = 2 * reach + 1
    for axis in (1, 2):
        margins = [(0, 0)] * 3
        margins[axis] = (reach, reach)
        padded = np.pad(films, margins, "reflect")
        # Shifted sums, not differences of running sums: those lose float32's digits.
        length = films.shape[axis]
        shifted = padded.swapaxes(0, axis)
        total = np.zeros_like(films)
        for start in range(width):
            total += shifted[start : start + length].swapaxes(0, axis)
        films = total / np.float32(width)
    return films


@cache
def _waves() -> NDArray[np.float32]:
    """Make the matrix of the cosine transform, a wave a row."""
    cells = np.arange(_COARSE)
    waves: NDArray[np.float64] = np.cos(np.pi * cells[:, None] * (2 * cells + 1) / (2 * _COARSE))
    return waves.astype(np.float32)


@cache
def _frequencies(parity: int, count: int) -> tuple[tuple[int, int], ...]:
    """List the lowest frequencies (down, across) whose waves across the film are even, or odd."""
    each = range(_COARSE)
    found = [(v, u) for v in each for u in each[parity::2] if v * v + u * u >= _LOWEST**2]
    return tuple(sorted(found, key=lambda f: (f[0] ** 2 + f[1] ** 2, f))[:count])
