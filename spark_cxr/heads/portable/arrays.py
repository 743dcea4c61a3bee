"""Arrays from a file that may be anything: plain numbers and words, bounded, or no arrays."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 1 << 30
"""Of all arrays of a file together. A forest of 1,000 deep trees has a tenth of it."""
KINDS = "fiuU"
"""Floats, whole numbers and words, as numpy names them; no objects, which are code."""


def read_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Read the arrays of an .npz file; pickled objects are refused.

    Raises:
        ValueError: There are none, or not only such.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            size = sum(info.file_size for info in archive.infolist())
        if size > MOST_BYTES:
            raise ValueError(f"{size:,} bytes of arrays, at most {MOST_BYTES:,}")
        if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
            raise ValueError("members that are no arrays")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name]) for name in stored.files}
    except Exception as error:  # noqa: BLE001 - zlib, struct, lzma and numpy raise anything at all
        raise ValueError(f"{type(error).__name__}: {' '.join(str(error).split())[:120]}") from None
    for name, array in arrays.items():
        if array.dtype.kind not in KINDS:
            raise ValueError(f"{name[:40]} of {array.dtype}")
    return arrays


def check_array(
    name: str,
    array: NDArray[Any],
    shape: tuple[int, ...],
    kinds: str = "f",
    may_be_infinite: bool = False,
) -> None:
    """Refuse an array of another shape or kind, or with a number that is not finite.

    Raises:
        ValueError: It is one.
    """
    if array.dtype.kind not in kinds or array.shape != shape:
        raise ValueError(f"{name} of {array.dtype} {array.shape}, not {shape}")
    if np.isnan(array).any() or not (may_be_infinite or np.isfinite(array).all()):
        raise ValueError(f"{name} with a number that is not finite")


def check_range(name: str, array: NDArray[Any], least: float, below: float) -> None:
    """Refuse an array with a number outside of a range.

    Raises:
        ValueError: There is one.
    """
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} of {array.dtype}")
    if array.size and not (array.min() >= least and array.max() < below):
        raise ValueError(f"{name} outside of {least:g} to {below:g}")
