"""JSON from outside → frozen records: each value of the kind that its field names, or one line why.

Whoever reads a record then has no `KeyError` or `TypeError` to expect from what is in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def read_json(data: bytes) -> Any:
    """Read JSON in UTF-8 without NaN, infinities, or a key that stands twice.

    Raises:
        ValueError: It is none.
    """
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_constant=_refused,
            parse_float=_finite,
            object_pairs_hook=_once,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_record(kind: type[T], value: Any, place: str = "the record") -> T:
    """Make a record of what JSON holds: all its fields, no others, each of its kind.

    Raises:
        ValueError: Something is missing, too much, or of another kind.
    """
    return cast(T, _read(kind, value, place))


def _read(kind: Any, value: Any, place: str) -> Any:
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _record(kind, value, place)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return _either(parts, value, place)
    if origin is tuple and isinstance(value, list):
        kinds = parts[:1] * len(value) if parts[1:] == (...,) else parts
        if len(kinds) == len(value):
            return tuple(_read(k, v, place) for k, v in zip(kinds, value, strict=True))
    elif origin is not None and origin is not tuple and isinstance(value, dict):
        return {name: _read(parts[1], each, f"{place}.{name}") for name, each in value.items()}
    elif origin is None and _is_of(kind, value):
        return value
    name = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    raise ValueError(f"{place[:60]} is no {name.rpartition('.')[2]}")


def _record(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{place} is no record")
    hints, known = get_type_hints(kind), {item.name: item for item in fields(kind)}
    if others := sorted(set(value) - set(known)):
        raise ValueError(f"{place} has the unknown entry {others[0][:40]!r}")
    needed = {
        name
        for name, item in known.items()
        if item.default is MISSING and item.default_factory is MISSING
    }
    if missing := sorted(needed - set(value)):
        raise ValueError(f"{place} has no {missing[0]}")
    return kind(**{name: _read(hints[name], each, name) for name, each in value.items()})


def _either(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    for kind in kinds:
        try:
            return _read(kind, value, place)
        except ValueError:
            continue
    raise ValueError(f"{place} is none of {', '.join(k.__name__ for k in kinds)}")


def _is_of(kind: Any, value: Any) -> bool:
    if kind not in (int, float):
        return isinstance(value, kind)
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
    return is_whole or (kind is float and isinstance(value, float))


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a key that stands twice")
    return entries


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _refused(word: str) -> None:
    raise ValueError(f"{word} is no number")
