"""What lies in a model directory: plain files of its own, found and read without leaving it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from pyarrow import fs

from spark_cxr.errors import InputError
from spark_cxr.output import Output, locate

BLOCK = 1 << 20


def files_in(directory: Output) -> dict[str, str]:
    """Give the path of each file by its name in the directory; what is hidden is left out.

    Raises:
        InputError: A link leads out of the directory, or something is neither file nor folder.
    """
    store, root = locate(directory.address)
    if isinstance(store, fs.LocalFileSystem):
        return dict(_local_files(Path(root)))
    found = store.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    named = {entry.path[len(root) :].lstrip("/"): entry for entry in found if entry.is_file}
    return {name: each.path for name, each in named.items() if not _is_hidden(name)}


def _local_files(root: Path) -> Iterator[tuple[str, str]]:
    """Walk a folder; links to folders are not followed."""
    top = Path(os.path.realpath(root))
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(top):
                received, way_out = f"{path}, a link out of it", "Copy the file itself"
                raise InputError("a model directory with all its files", received, way_out)
            if name in folders or name.startswith("."):
                continue
            if not path.is_file():
                received, way_out = f"{path}, which is neither", "Remove it"
                raise InputError("files and folders in a model directory", received, way_out)
            yield path.relative_to(root).as_posix(), str(path)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))  # checksums of Hadoop


def digest_of(directory: Output, path: str) -> str:
    """Compute the SHA-256 of a file of the directory."""
    store, _ = locate(directory.address)
    state = hashlib.sha256(usedforsecurity=False)
    with store.open_input_stream(path) as stream:
        while block := stream.read(BLOCK):
            state.update(block)
    return state.hexdigest()


def read_file(directory: Output, name: str, most: int) -> bytes | None:
    """Read a file of the directory; None where there is none.

    Raises:
        InputError: It is none to read, such as a pipe, or has more than `most` bytes.
    """
    store, root = locate(directory.address)
    info = store.get_file_info(f"{root}/{name}")
    if info.type == fs.FileType.NotFound:
        return None
    if not info.is_file or info.size > most:
        size = f", {info.size:,} bytes" if info.is_file else ", which is none"
        expected = f"a file of at most {most:,} bytes"
        raise InputError(expected, f"{directory.table(name)}{size}", "Copy the model again")
    return directory.read_bytes(name)
