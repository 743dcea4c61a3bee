"""The local cache of weights and networks: files appear whole, and one process makes each."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from spark_cxr.errors import SetupError

VARIABLE = "SPARK_CXR_CACHE"


def cache_dir(kind: str) -> Path:
    """Give the folder for one kind of file, made if it is not there."""
    root = os.environ.get(VARIABLE) or Path.home() / ".cache" / "spark_cxr"
    folder = Path(root) / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        received = f"{folder} ({error.strerror})"
        way_out = f"Set {VARIABLE} to another folder"
        raise SetupError("a cache folder that can be written", received, way_out) from None
    return folder


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep other processes of this host from making the same file at the same time.

    The lock is the kernel's: it falls with the process that holds it, so none is ever stale.
    """
    with FileLock(f"{target}.lock"):
        yield


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a path to write to; it becomes `target` when the block ends well, else it is gone."""
    half = target.with_name(f"{secrets.token_hex(4)}.half.{target.name}")
    try:
        yield half
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Compute a file's digest."""
    with path.open("rb") as stream:
        started = hashlib.new(algorithm, usedforsecurity=False)
        return hashlib.file_digest(stream, lambda: started).hexdigest()
