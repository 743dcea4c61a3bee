"""What findings are called: one name for what publishers call differently.

`conf/findings.toml` has the names; a data set's description may add to them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from spark_cxr.config import conf_dir, read_toml
from spark_cxr.errors import InputError, few, nearest
from spark_cxr.metrics.wording import printable
from spark_cxr.model.findings import NO_FINDING, SIGN

ALL = "all"
"""What `--findings` says where it names none."""
LONGEST_NAME = 200
"""Letters of a finding's name: what is longer is free text."""
MOST = 1000
"""Findings that a label file may have: free text has more, and is none."""


@dataclass(frozen=True)
class Vocabulary:
    """Which spelling stands for a name."""

    spelling: Mapping[str, str]
    """By what is compared: lower case, one space between words."""
    beside_none: frozenset[str]
    """Findings of which "No Finding" says nothing."""


@dataclass
class FindingNames:
    """The names of one run: the first spelling of a name that nobody knows stands for all."""

    own: Mapping[str, str] = field(default_factory=dict)
    """Names that the data set's description puts for others."""
    spellings: dict[str, str] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    """What the label files have."""

    def of(self, written: str) -> str:
        """Give the one name for what a publisher or a user has written."""
        name = " ".join(self.own_name(written).split())
        known = vocabulary().spelling.get(plain(name))
        return known or self.spellings.setdefault(plain(name), name)

    def with_own(self, own: Mapping[str, str]) -> FindingNames:
        """Give the same names for another label file of the run."""
        return FindingNames(own, self.spellings, self.found)

    def is_finding(self, written: str) -> bool:
        """Tell whether a name is a known one, of a finding or of none."""
        return plain(self.own_name(written)) in vocabulary().spelling

    def own_name(self, written: str) -> str:
        """Give the name by the data set's description, or the same."""
        by_plain = {plain(name): wanted for name, wanted in self.own.items()}
        return by_plain.get(plain(written), written)


def plain(name: str) -> str:
    """Write a name as it is compared."""
    return " ".join(name.replace("_", " ").casefold().split())


@cache
def vocabulary() -> Vocabulary:
    """Read the names that ship."""
    written = read_toml(conf_dir() / "findings.toml", "the names of findings")
    spelling = {plain(name): NO_FINDING for name in written["none"]}
    for name, others in written["names"].items():
        spelling |= {plain(other): name for other in (name, *others)}
    return Vocabulary(spelling, frozenset(written["beside_none"]))


def check_name(name: str) -> None:
    """Refuse a name that no label can hold: findings stand there with bars between them."""
    has_control = any(unicodedata.category(sign) == "Cc" for sign in name)
    if SIGN in name or has_control or len(name) > LONGEST_NAME:
        expected = f"names of findings of up to {LONGEST_NAME} letters, without {SIGN} in them"
        way_out = "Rename it, or name the column of labels with --label-column"
        raise InputError(expected, few([printable(name)]), way_out)


def chosen(
    wanted: Sequence[str], there: Iterable[str], names: FindingNames, may_lack: bool = False
) -> tuple[str, ...]:
    """Give the findings of a run, sorted: those that are wanted, or all that are there.

    Raises:
        InputError: A wanted one is not there, or nothing is.
    """
    known = sorted({*there} - {NO_FINDING})
    names.found.update(known)
    if not known or len(known) > MOST:
        received = "none" if not known else f"{len(known):,}: {few(known, 3)}"
        way_out = "Name the column with --label-column"
        raise InputError(f"1 to {MOST:,} findings in the label file", received, way_out)
    for name in known:
        check_name(name)
    if ALL in wanted:
        return tuple(known)
    found = sorted({names.of(word) for word in wanted})
    if may_lack:
        return tuple(name for name in found if name in known)
    for name in found:
        if name not in known:
            raise InputError("--findings of the label file", name, nearest(name, known, 12))
    return tuple(found)
