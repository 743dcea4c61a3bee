"""Which paths of this machine a glob names, as Hadoop reads one: stars, sets, and {a,b} too."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise

GLOB = re.compile(r"[*?\[{\\]")


def expanded(address: str) -> list[str]:
    """Find the paths that a glob of Hadoop's names; without a sign of one, the path itself."""
    if not GLOB.search(address):
        return [address] if os.path.lexists(address) else []
    return sorted({path for each in _alternatives(address) for path in _matches(each)})


def _alternatives(pattern: str) -> Iterator[str]:
    """Write a{b,c} as ab and ac."""
    depth, start, cuts = 0, -1, list[int]()
    for at, sign in enumerate(pattern):
        if pattern[at - 1 : at] == "\\":
            continue
        if sign == "{":
            depth += 1
            if depth == 1:
                start, cuts = at, [at]
        elif sign == "," and depth == 1:
            cuts.append(at)
        elif sign == "}" and depth:
            depth -= 1
            if not depth:
                cuts.append(at)
                for one, other in pairwise(cuts):
                    middle = pattern[one + 1 : other]
                    yield from _alternatives(f"{pattern[:start]}{middle}{pattern[at + 1 :]}")
                return
    yield pattern


def _matches(pattern: str) -> list[str]:
    """Follow a pattern without braces through the folders."""
    found = ["/"]
    for part in filter(None, pattern.split("/")):
        if not GLOB.search(part):
            paths = (posixpath.join(folder, part) for folder in found)
            found = [path for path in paths if os.path.lexists(path)]
            continue
        sought = re.compile(_expression(part), re.DOTALL)
        found = [
            posixpath.join(folder, name)
            for folder in found
            for name in _names_in(folder)
            if sought.fullmatch(name)
        ]
    return found


def _names_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except OSError:  # no folder, or one that nobody may read
        return []


def _expression(part: str) -> str:
    """Write a part of a glob as a regular expression."""
    signs, in_set, at = list[str](), False, 0
    while at < len(part):
        sign = part[at]
        at += 1
        if sign == "\\" and at < len(part):
            signs.append(re.escape(part[at]))
            at += 1
        elif in_set:
            in_set = sign != "]"
            negates = sign == "!" and signs[-1] == "["
            signs.append("^" if negates else r"\[" if sign == "[" else sign)
        elif sign == "[":
            in_set = True
            signs.append(sign)
        else:
            signs.append({"*": ".*", "?": "."}.get(sign, re.escape(sign)))
    return "".join(signs)
