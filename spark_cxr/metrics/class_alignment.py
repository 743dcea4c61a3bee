"""Classes of a model and labels of films elsewhere, which may go by other names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.sample import Floats

MOST = 12
"""Labels that an error names."""
Part = tuple[str, tuple[str, ...]]
"""A class, and the names that mean it."""


@dataclass(frozen=True)
class ClassAlignment:
    """The classes that are measured, and what becomes one of them."""

    names: tuple[str, ...]
    """In the order in which the model has them."""
    places: tuple[int, ...]
    """For each class of the model, which of `names` it belongs to."""
    of_labels: Mapping[str, str]
    """Labels of the films, and the class that each means."""
    unknown: Mapping[str, int]
    """Labels of films that the model has no class for, and how many films have them."""

    @property
    def untested(self) -> tuple[str, ...]:
        """Name the classes that no film has."""
        return tuple(name for name in self.names if name not in self.of_labels.values())

    @property
    def renamed(self) -> dict[str, str]:
        """Give the labels whose class goes by another name."""
        return {label: name for label, name in self.of_labels.items() if label != name}

    def merged(self, probabilities: ArrayLike) -> Floats:
        """Add up the probabilities of what is one class here."""
        shares = np.asarray(probabilities, dtype=np.float64)
        if self.places == tuple(range(len(self.names))):
            return shares  # to the last bit
        whole = np.zeros((len(shares), len(self.names)))
        for place, column in zip(self.places, shares.T, strict=True):
            whole[:, place] += column
        return whole


def align_classes(
    of_model: Sequence[str], labels: Sequence[str], parts: Sequence[Part] = ()
) -> ClassAlignment:
    """Find for each class of a model and each label of the films which class it means.

    Args:
        of_model: The classes of the model.
        labels: The label of each film.
        parts: Classes that go by other names on either side, or are one.

    Raises:
        ConfigError: A name in `parts` means nothing, or two things.
        InputError: No label means a class of the model, or all of them mean one.
    """
    counts = Counter(labels)
    given = _given(parts, (*of_model, *counts))
    classes = [given.get(_plain(name), name) for name in of_model]
    names = tuple(dict.fromkeys(classes))
    _check_parts(parts, names)
    if len(names) < 2:
        way_out = "Leave one of them a class of its own"
        raise ConfigError("two or more classes after --classes", f"only {names[0]}", way_out)
    exact = dict(zip(of_model, classes, strict=True))
    alike = {_plain(name): exact[name] for name in of_model} | given
    found = {label: exact.get(label) or alike.get(_plain(label)) for label in counts}
    of_labels = {label: name for label, name in found.items() if name is not None}
    unknown = {label: n for label, n in counts.most_common() if label not in of_labels}
    if not of_labels:
        listed = ", ".join(list(unknown)[:MOST])
        way_out = "Say which mean which, as in --classes Pneumonia=PNEUMONIA+Viral"
        raise InputError(f"labels among {', '.join(of_model)}", listed or "none", way_out)
    places = tuple(names.index(name) for name in classes)
    return ClassAlignment(names, places, of_labels, unknown)


def _plain(name: str) -> str:
    """Leave of a name what two files would both write."""
    return "".join(sign for sign in name.casefold() if sign.isalnum()) or name


def _given(parts: Sequence[Part], known: Sequence[str]) -> dict[str, str]:
    """Give the class of each name that --classes mentions."""
    given, there = dict[str, str](), {_plain(name) for name in known}
    for name, words in parts:
        for word in dict.fromkeys((name, *words)):
            if word != name and _plain(word) not in there:
                listed = ", ".join(list(dict.fromkeys(known))[:MOST])
                raise ConfigError("a class or label in --classes", word, f"Known are: {listed}")
            if given.setdefault(_plain(word), name) != name:
                received = f"{word} in {given[_plain(word)]} and {name}"
                raise ConfigError("each name in one class of --classes", received, "Choose one")
    return given


def _check_parts(parts: Sequence[Part], names: Sequence[str]) -> None:
    for name, words in parts:
        if name not in names:
            received = f"{name}={'+'.join(words)}"
            way_out = f"Known are: {', '.join(names)}"
            raise ConfigError("classes of --classes with one of the model's", received, way_out)
