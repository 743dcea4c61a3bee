"""How one value of a setting is read: as its field wants it, within its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field
from fnmatch import fnmatch
from typing import Any

from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest


def checked(section: str, item: Field[Any], raw: Any) -> Any:
    """Read one value as its field wants it, or say what was expected."""
    key = f"{section}.{item.name}"
    try:
        value = _READERS[str(item.type)](raw)
    except (TypeError, ValueError):
        kind, way_out = _KINDS[str(item.type)]
        raise ConfigError(f"{key} as {kind}", f"{key}={raw!r}", way_out) from None
    _keep_limits(key, item.metadata, value)
    return value


def _keep_limits(key: str, limits: Mapping[str, Any], value: Any) -> None:
    choices = limits.get("choices", ())
    for word in value or ("",) if choices and isinstance(value, tuple) else (value,):
        others = limits.get("others", ())
        is_other = any(fnmatch(word.lower(), pattern) for pattern in others)
        if choices and word not in choices and not is_other:
            expected = f"{key} from {', '.join(filter(None, (*choices, *others)))}"
            raise ConfigError(expected, f"{key}={word}", nearest(word, choices))
    least, most = limits.get("least"), limits.get("most")
    if (least is not None and value < least) or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        expected = f"{key} at least {least}{upper}"
        raise ConfigError(expected, f"{key}={value}", "Choose a value in range")


def _read_bool(raw: Any) -> bool:
    word = str(raw).lower()
    if word not in ("true", "false"):
        raise ValueError(raw)
    return word == "true"


def _read_int(raw: Any) -> int:
    if isinstance(raw, bool | float):
        raise TypeError(raw)
    return int(raw)


def _read_float(raw: Any) -> float:
    if isinstance(raw, bool):
        raise TypeError(raw)
    if not math.isfinite(value := float(raw)):
        raise ValueError(raw)
    return value


def _read_str(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(raw)
    return raw


def _read_names(raw: Any) -> tuple[str, ...]:
    words = raw.split(",") if isinstance(raw, str) else _read_list(raw)
    return tuple(word.strip() for word in words if word.strip())


def _read_paths(raw: Any) -> tuple[str, ...]:
    paths = [raw] if isinstance(raw, str) else _read_list(raw)
    if not all(path.strip() for path in paths):
        raise ValueError(raw)  # an empty path would mean the current folder
    return tuple(paths)


def _read_list(raw: Any) -> list[str]:
    if not isinstance(raw, list | tuple):
        raise TypeError(raw)
    return [_read_str(word) for word in raw]


_READERS = {
    "bool": _read_bool,
    "int": _read_int,
    "float": _read_float,
    "str": _read_str,
    "Names": _read_names,
    "Paths": _read_paths,
}
_KINDS = {
    "bool": ("true or false", "Write true or false"),
    "int": ("a whole number", "Write it like 3"),
    "float": ("a number", "Write it like 0.5"),
    "str": ("text", "Put it in quotes"),
    "Names": ("names with commas between", "Write them like a,b"),
    "Paths": ("paths", "Name folders or files"),
}
