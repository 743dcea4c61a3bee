"""`head.npz`: the arrays of a portable head, with no code among them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.errors import InputError
from spark_cxr.heads.portable.arrays import read_arrays
from spark_cxr.heads.portable.findings import FindingHeads, PortableHead
from spark_cxr.heads.portable.layers import Dense, Perceptron
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.heads.portable.trees import Trees

KINDS: dict[str, type[Linear | Trees | Perceptron | Dense]] = {
    "linear": Linear,
    "trees": Trees,
    "perceptron": Perceptron,
    "dense": Dense,
}
KIND, FINDINGS = "kind", "findings"
"""A head of findings has the arrays of its heads by number: `0.kind`, `0.weights`, `1.kind` …"""


def pack(head: PortableHead) -> bytes:
    """Write a head as the bytes of an .npz file."""
    if isinstance(head, FindingHeads):
        arrays: dict[str, ArrayLike] = {KIND: np.array(FINDINGS)}
        for number, part in enumerate(head.heads):
            arrays |= {f"{number}.{name}": array for name, array in _arrays_of(part).items()}
    else:
        arrays = _arrays_of(head)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def _arrays_of(head: PortableHead) -> dict[str, ArrayLike]:
    kind = next(name for name, record in KINDS.items() if isinstance(head, record))
    arrays: dict[str, ArrayLike] = {KIND: np.array(kind)}
    for item in fields(head):
        value = getattr(head, item.name)
        if isinstance(value, tuple):
            arrays |= {f"{item.name}.{i}": part for i, part in enumerate(value)}
        else:
            arrays[item.name] = np.asarray(value)
    return arrays


def unpack(data: bytes) -> PortableHead:
    """Read a head from the bytes of an .npz file; pickled objects are refused."""
    try:
        arrays = read_arrays(data)
        if str(arrays[KIND]) == FINDINGS:
            return FindingHeads(tuple(map(_head_of, _by_number(arrays))))
        return _head_of(arrays)
    except (ValueError, KeyError) as error:
        received = f"{len(data)} bytes ({error})"
        raise InputError("the arrays of a portable head", received, "Train again") from None


def _by_number(arrays: Mapping[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """Give the arrays of each head of findings, which are numbered from 0 without a gap."""
    found: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        number, dot, rest = name.partition(".")
        if dot:
            found.setdefault(number, {})[rest] = array
    return [found[str(number)] for number in range(len(found))]


def _head_of(arrays: Mapping[str, NDArray[Any]]) -> PortableHead:
    record = KINDS[str(arrays[KIND])]
    return record(**{item.name: _value(item.name, arrays) for item in fields(record)})


def check_head(head: PortableHead, features: int, classes: int) -> None:
    """Refuse a head that does not take these features, or does not give finite shares of classes.

    Raises:
        InputError: It is one.
    """
    try:
        with np.errstate(all="ignore"):
            head.check(features, classes)
            shares = head.probabilities(np.zeros((1, features)))
        if shares.shape != (1, classes) or not np.isfinite(shares).all():
            raise ValueError("answers that are no shares")
    except ValueError as error:
        expected = f"a head of {features} features and {classes} classes"
        raise InputError(expected, str(error), "Train again") from None


def _value(name: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if name == "link":
        return str(arrays[name])
    if name in arrays:
        return arrays[name]
    numbers = range(sum(key.startswith(f"{name}.") for key in arrays))
    if not numbers:
        raise KeyError(name)
    return tuple(arrays[f"{name}.{number}"] for number in numbers)
