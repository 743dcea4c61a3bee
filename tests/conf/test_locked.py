"""What `make setup` installs is pinned twice: by version, and by the digests of its files."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"torch"}
"""Pinned, but with digests of the index that the user's build comes from."""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "conf" / name).read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.M)
    return {plain(package): version for package, version in found}


def test_versions_are_those_of_the_constraints() -> None:
    versions = pins("constraints.txt")
    assert pins("locked.txt") == {n: v for n, v in versions.items() if n not in ELSEWHERE}


def test_every_package_has_digests() -> None:
    text = (ROOT / "conf/locked.txt").read_text(encoding="utf-8")
    stanzas = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
    assert len(stanzas) == len(pins("locked.txt"))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", stanza) for stanza in stanzas)
    assert "://" not in text


def test_what_installs_the_others_is_locked_too() -> None:
    assert {"pip", "setuptools", "wheel"} <= set(pins("locked.txt"))
