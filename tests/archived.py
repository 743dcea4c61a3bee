"""The package in a zip and nowhere else, as --py-files gives it to a driver."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path


def told_from_archive(folder: Path, files: Mapping[str, Path], code: str) -> str:
    """Pack files by their names in the archive, run code on it, and give what it prints.

    Nothing but the archive may be left in the folder.
    """
    archive = folder / "spark_cxr.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name, file in files.items():
            packed.write(file, name)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(archive), "PATH": os.environ["PATH"], "TMPDIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert list(folder.iterdir()) == [archive]
    return done.stdout.replace(str(archive), "ARCHIVE")
