"""The settings of every job as frozen records, with the limits their values must keep to.

Defaults and help texts stand in conf/base.toml and nowhere else; here are types and limits.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field
from typing import Any

from spark_cxr.errors import ConfigError

Paths = tuple[str, ...]
"""Several words on the command line: --images A B."""
Names = tuple[str, ...]
"""One word with commas on the command line: --formats png,jpeg."""


def setting(**limits: Any) -> Any:
    """Declare a field whose value must keep to `choices`, `least` or `most`."""
    return field(metadata=limits)


@dataclass(frozen=True)
class Run:
    """Section [run]: what every job takes."""

    out: str
    overwrite: bool
    seed: int = setting(least=0)


@dataclass(frozen=True)
class Phantoms:
    """Section [phantoms]: what to draw."""

    count: int = setting(least=1)
    size: int = setting(least=64, most=4096)
    formats: Names = setting(choices=("png", "jpeg", "dicom"))
    bad: int = setting(least=0)
    masks: bool = setting()
    marker: str = setting(choices=("side", "class", "none"))


@dataclass(frozen=True)
class Ingest:
    """Section [ingest]: which files, and what is known about them."""

    images: Paths
    labels: str
    dataset: str
    key_column: str
    label_column: str
    patient_column: str
    patient_regex: str
    unmatched: str = setting(choices=("error", "keep"))
    max_bad: float = setting(least=0, most=1)
    max_bytes: int = setting(least=1, most=2_000_000_000)
    max_pixels: int = setting(least=1)
    min_side: int = setting(least=1)


@dataclass(frozen=True)
class Features:
    """Section [features]: how a film becomes a vector."""

    backbone: str
    engine: str
    batch_size: int = setting(least=1)


@dataclass(frozen=True)
class Train:
    """Section [train]: which classes, which split."""

    classes: Names
    split: str = setting(choices=("patient", "image"))
    test_fraction: float = setting(least=0.01, most=0.99)
    resamples: int = setting(least=100)


@dataclass(frozen=True)
class Config:
    """All settings of one run."""

    run: Run
    phantoms: Phantoms
    ingest: Ingest
    features: Features
    train: Train


SECTIONS: dict[str, Any] = {
    "run": Run,
    "phantoms": Phantoms,
    "ingest": Ingest,
    "features": Features,
    "train": Train,
}


def nearest(word: str, known: Sequence[str]) -> str:
    """Say which known word was probably meant, or list them all."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}"


def checked(section: str, item: Field[Any], raw: Any) -> Any:
    """Read one value as its field wants it, or say what was expected."""
    key = f"{section}.{item.name}"
    try:
        value = _READERS[str(item.type)](raw)
    except (TypeError, ValueError):
        raise ConfigError(f"{key} as {_KINDS[str(item.type)]}", repr(raw), "Mend it") from None
    _keep_limits(key, item.metadata, value)
    return value


def _keep_limits(key: str, limits: Mapping[str, Any], value: Any) -> None:
    choices = limits.get("choices")
    if choices:
        for word in value if isinstance(value, tuple) else (value,):
            if word not in choices:
                expected = f"{key} from {', '.join(choices)}"
                raise ConfigError(expected, str(word), nearest(str(word), choices))
    least, most = limits.get("least"), limits.get("most")
    if (least is not None and value < least) or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise ConfigError(f"{key} at least {least}{upper}", str(value), "Choose a value in range")


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
    return float(raw)


def _read_str(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(raw)
    return raw


def _read_names(raw: Any) -> tuple[str, ...]:
    words = raw.split(",") if isinstance(raw, str) else raw
    return tuple(_read_str(word).strip() for word in words if word)


def _read_paths(raw: Any) -> tuple[str, ...]:
    return (raw,) if isinstance(raw, str) else tuple(_read_str(word) for word in raw)


_READERS = {
    "bool": _read_bool,
    "int": _read_int,
    "float": _read_float,
    "str": _read_str,
    "Names": _read_names,
    "Paths": _read_paths,
}
_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "Names": "names with commas between",
    "Paths": "paths",
}
