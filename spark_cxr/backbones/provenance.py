"""What a network that was fine-tuned here says of itself: `spark_cxr.json` in its Keras file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spark_cxr.errors import WeightsError

MEMBER = "spark_cxr.json"


@dataclass(frozen=True)
class Provenance:
    """Where a network comes from, and what its file would not tell."""

    backbone: str
    normalising: str
    licence: str
    """Of what it started from."""
    citation: str
    started_from: str
    started_from_sha256: str
    data: str
    """What it has learned on, in words, with the licence."""
    labels: tuple[str, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON knows it."""
        return asdict(self)


def without_folder(origin: str) -> str:
    """Leave out where on this machine a file lies: the network may go to others."""
    return origin if "://" in origin else Path(origin).name


def read(path: Path) -> Provenance | None:
    """Read what a Keras file says of itself; None of a file that was not made here.

    Raises:
        WeightsError: it says something else than this version wrote.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        if MEMBER not in archive.namelist():
            return None
        try:
            told = json.loads(archive.read(MEMBER))
            return Provenance(**told | {"labels": tuple(told["labels"])})
        except (ValueError, KeyError, TypeError) as error:
            received = f"{path} ({error})"
            raise WeightsError(f"a network with {MEMBER}", received, "Train it again") from None
