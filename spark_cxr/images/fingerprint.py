"""Three identities of a film: its bytes, its pixels, and its looks."""

import hashlib
from dataclasses import dataclass

import numpy as np

from spark_cxr.images.film import Film, Pixels
from spark_cxr.images.thumbnail import thumbnail


@dataclass(frozen=True)
class Fingerprint:
    """What makes a film recognisable."""

    sha256: str
    """Of the file's bytes."""
    pixels_sha256: str
    """Of shape and decoded pixels: the same for the same film in another lossless format."""
    looks: bytes
    """A thumbnail (`looks.thumbnail`), to tell twins from films that are merely alike."""


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
