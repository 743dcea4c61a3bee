"""`--sensitivity` and `--specificity`: which operating points are wanted, of which labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spark_cxr.errors import ConfigError, nearest
from spark_cxr.metrics.operating_points import SENSITIVITY, SPECIFICITY
from spark_cxr.settings import Train

Target = tuple[str, float]
"""What a point has to reach: `sensitivity` or `specificity`, and how much of it."""


@dataclass(frozen=True)
class PointSettings:
    """What operating points have to reach."""

    of_all: Target | None
    """For every label that is not named."""
    of_some: Mapping[str, Target]

    def of(self, labels: Sequence[str]) -> dict[str, Target]:
        """Say what is wanted of each of these labels; of some, nothing may be.

        Raises:
            ConfigError: A label is named that is none of these.
        """
        for name in self.of_some:
            if name not in labels:
                raise ConfigError("a label for an operating point", name, nearest(name, labels))
        every = {label: self.of_some.get(label, self.of_all) for label in labels}
        return {label: target for label, target in every.items() if target is not None}

    def __bool__(self) -> bool:
        """Tell whether any point is wanted."""
        return self.of_all is not None or bool(self.of_some)


def point_settings(train: Train) -> PointSettings:
    """Read the two flags.

    Raises:
        ConfigError: A word is none of 0.95 and COVID=0.95, or two speak of one label.
    """
    found = dict[str, Target]()
    for kind, words in ((SENSITIVITY, train.sensitivity), (SPECIFICITY, train.specificity)):
        for word in words:
            name, share = _read(kind, word)
            if name in found:
                received = f"--{found[name][0]} and --{kind} {word}"
                what = f"of {name}" if name else "of all labels"
                raise ConfigError(f"one operating point {what}", received, "Leave one out")
            if share:
                found[name] = kind, share
    of_all = found.pop("", None)
    return PointSettings(of_all, found)


def _read(kind: str, word: str) -> tuple[str, float]:
    name, _, number = word.rpartition("=")
    try:
        share = float(number)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        expected = f"train.{kind} as shares up to 1, like 0.95 or COVID=0.95"
        raise ConfigError(expected, word, "Write them like 0.95 or A=0.95,B=0.9")
    return name.strip(), share
