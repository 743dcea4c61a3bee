"""Where files that travel inside the package lie: in a folder, also when the package is a zip."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = Path(__file__).parent


def folder_of(part: str) -> Path:
    """Give a folder of the package, like `conf` or `backbones/embedded`, as one on this disk."""
    if PACKAGE.parent.is_file():  # the wheel itself, that --py-files has sent
        return Path(_unpacked(PACKAGE.parent, part).name) / PACKAGE.name / part
    return PACKAGE / part


@cache
def _unpacked(archive: Path, part: str) -> TemporaryDirectory[str]:
    """Unpack a folder of an archive once; the copy goes when the process ends."""
    folder = TemporaryDirectory(prefix="spark_cxr-")
    inside = f"{PACKAGE.name}/{part}/"
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder.name, [n for n in files.namelist() if n.startswith(inside)])
    return folder
