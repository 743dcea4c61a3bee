"""`head.npz`: the arrays of a portable head, with no code among them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.errors import InputError
from spark_cxr.heads.portable.layers import Dense, Perceptron
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.heads.portable.trees import Trees

PortableHead = Linear | Trees | Perceptron | Dense
KINDS: dict[str, type[PortableHead]] = {
    "linear": Linear,
    "trees": Trees,
    "perceptron": Perceptron,
    "dense": Dense,
}


def pack(head: PortableHead) -> bytes:
    """Write a head as the bytes of an .npz file."""
    kind = next(name for name, record in KINDS.items() if isinstance(head, record))
    arrays: dict[str, ArrayLike] = {"kind": np.array(kind)}
    for item in fields(head):
        value = getattr(head, item.name)
        if isinstance(value, tuple):
            arrays |= {f"{item.name}.{i}": part for i, part in enumerate(value)}
        else:
            arrays[item.name] = np.asarray(value)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def unpack(data: bytes) -> PortableHead:
    """Read a head from the bytes of an .npz file; pickled objects are refused."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record = KINDS[str(arrays["kind"])]
        return record(**{item.name: _value(item.name, arrays) for item in fields(record)})
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        received = f"{len(data)} bytes ({error})"
        raise InputError("the arrays of a portable head", received, "Train again") from None


def _value(name: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if name == "link":
        return str(arrays[name])
    if name in arrays:
        return arrays[name]
    parts = [arrays[key] for key in arrays if key.startswith(f"{name}.")]
    if not parts:
        raise KeyError(name)
    return tuple(parts)
