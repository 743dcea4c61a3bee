"""A NumPy file with one film → `Film`: grey levels by the nominal range of their kind.

Bytes are 0 to 255, 16 bits 0 to 65,535, and fractions 0 to 1, or up to 255 where one is above 1.
"""

from __future__ import annotations

import io
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import BadImage
from spark_cxr.images.film import Film, Limits, Pixels, to_bytes
from spark_cxr.images.raster import over_black

COLOURS = (1, 3, 4)
"""How many numbers the last axis has, where it is that of colours."""
_LONGEST_HEADER = 10_000
_READ = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def as_npy(pixels: NDArray[Any]) -> bytes:
    """Write an array as a NumPy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(pixels), allow_pickle=False)
    return file.getvalue()


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a NumPy file: shape, whether columns come first, kind of number.

    Raises:
        BadImage: It is none, or holds no numbers.
    """
    try:
        version = np.lib.format.read_magic(stream)
        shape, by_columns, kind = _READ[version](stream, max_header_size=_LONGEST_HEADER)
    except Exception as error:  # noqa: BLE001 - it parses hostile text as Python, and raises all
        raise BadImage("corrupt", f"npy: {type(error).__name__} in its header") from None
    if kind.kind not in "uf" or kind.itemsize > 8:
        detail = f"npy: {kind} has no nominal range; uint8, uint16 and floats from 0 to 1 have"
        raise BadImage("unsupported_photometric", detail[:200])
    return shape, by_columns, kind


def read_npy(data: bytes, limits: Limits) -> Film:
    """Decode an array of one film: (height, width), or with 1, 3 or 4 colours behind.

    Raises:
        BadImage: the bytes give no film.
    """
    stream = io.BytesIO(data)
    shape, by_columns, kind = read_header(stream)
    if len(shape) == 3 and shape[0] == 1 and shape[2] not in COLOURS:
        shape = shape[1:]
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in COLOURS):
        raise BadImage("multi_frame", f"npy: shape {shape}; a film is (height, width)")
    limits.check(shape[0], shape[1], kind.itemsize * prod(shape[2:]))
    start, size = stream.tell(), prod(shape) * kind.itemsize
    if len(data) - start < size:
        raise BadImage("truncated", f"npy: {len(data) - start} of {size} bytes")
    samples = np.frombuffer(data, kind, prod(shape), start)
    pixels = _levels(samples.reshape(shape, order="F" if by_columns else "C"))
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
        pixels = over_black(pixels) if pixels.shape[-1] == 4 and pixels.ndim == 3 else pixels
    return Film(np.ascontiguousarray(pixels), "npy", 8 * kind.itemsize)


def _levels(samples: NDArray[Any]) -> Pixels:
    """Scale by the nominal range, never by what the film uses of it."""
    if samples.dtype.kind == "f":
        least, most = float(samples.min()), float(samples.max())
        if not 0 <= least <= most <= 255:
            raise BadImage(
                "unsupported_photometric", f"npy: from {least:g} to {most:g}, not 0 to 1"
            )
        return to_bytes(samples / (1.0 if most <= 1 else 255.0))
    if samples.dtype.itemsize == 1:
        return samples
    if samples.dtype.itemsize == 2:
        return np.take(to_bytes(np.arange(2**16) / (2**16 - 1)), samples)
    raise BadImage("unsupported_photometric", f"npy: {samples.dtype} has no nominal range")
