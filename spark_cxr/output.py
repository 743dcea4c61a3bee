"""The directory that a run leaves: refused when taken, recognised as ours, never half a result.

A run writes `run.json` with status "running" first and with status "ok" last, so whoever finds
another status, or a table without `_SUCCESS`, has no result before them. What is half written
has a name that begins with a dot: neither people nor Spark take it for a result or for a film.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pyarrow import fs

from spark_cxr.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RECORD = "run.json"
RUNS = "_runs"
"""Folder of a table of scores in which each of its runs has its record."""
KEY = "_pseudonym.key"
KEY_VARIABLE = "SPARK_CXR_KEY"
SHORTEST_KEY = 16
VECTORS = "features/_network.json"
"""Says which network has made the vectors beside it; written when all of them are there."""
PARTS = "_parts"
"""Folder of what a run's pass over films has made so far, from which the same command goes on."""
UNTRIED = {"hdfs", "gs", "abfs", "abfss", "wasb", "wasbs"}
"""Stores that Spark and pyarrow know, and that none was at hand of."""
STEP = "_step_"
"""Begins the name of a table that is needed on the way only."""


@dataclass(frozen=True)
class Outcome:
    """What a job has to say at its end."""

    counts: Mapping[str, Any]
    """Numbers and names for run.json and the line of JSON."""
    text: str = ""
    """What a person wants to read: a few lines, a small table."""


@dataclass(frozen=True)
class Output:
    """A directory on any file system, by the address that Spark understands."""

    address: str

    def table(self, name: str) -> str:
        """Give the address of a table below this directory."""
        return f"{self.address}/{name}"

    def write_table(self, rows: DataFrame, name: str) -> None:
        """Write rows as Parquet; Spark adds `_SUCCESS` when all of it is there.

        On a disk the table gets its name when it is whole. Until then, and if the run is killed,
        only its owner can read it.
        """
        if name.startswith(STEP) or not self.address.startswith(("/", "file:")):
            rows.write.mode("overwrite").parquet(self.table(name))
            return
        step = f"{STEP}{secrets.token_hex(6)}"
        self.make_private(step)
        try:
            # Below it, because Spark makes the folder of a table anew, with rights of its own.
            rows.write.parquet(self.table(f"{step}/rows"))
            if not self._rename(f"{step}/rows", name):
                rows.write.mode("overwrite").parquet(self.table(name))
        finally:
            self.remove(step)

    def _rename(self, before: str, name: str) -> bool:
        """Give a table of this disk another place below the directory, instead of what is there.

        False: it is not on this disk, because Spark's "/" is another file system, HDFS perhaps.
        """
        store, source = locate(self.table(before))
        if store.get_file_info(source).type == fs.FileType.NotFound:
            return False
        _, target = locate(self.table(name))
        self.remove(name)
        store.create_dir(str(PurePosixPath(target).parent), recursive=True)
        store.move(source, target)
        return True

    def make_private(self, name: str) -> None:
        """Make a folder that only its owner may enter; in a store the store's own rights hold."""
        store, path = locate(self.table(name))
        if isinstance(store, fs.LocalFileSystem):
            Path(path).mkdir(mode=0o700, parents=True)

    def write_bytes(
        self, name: str, data: bytes, is_durable: bool = False, is_private: bool = False
    ) -> None:
        """Write a small file under a name that appears only when the file is whole.

        With `is_durable` it is on the disk before it has its name: it outlives a power cut. With
        `is_private` nobody but its owner can ever read it, as far as it is on a disk.
        """
        store, root = locate(self.address)
        target = PurePosixPath(root) / name
        half = str(target.with_name(f".{target.name}.{secrets.token_hex(4)}.half"))
        store.create_dir(str(target.parent), recursive=True)
        try:
            is_on_disk = isinstance(store, fs.LocalFileSystem)
            if is_on_disk:
                Path(half).touch(mode=0o600, exist_ok=False)
            with store.open_output_stream(half) as stream:
                stream.write(data)
            settle = is_durable and is_on_disk
            if settle:
                _to_disk(half)
            if is_on_disk and not is_private:
                Path(half).chmod(0o666 & ~_umask())
            store.move(half, str(target))
            if settle:
                _to_disk(str(target.parent))
        except OSError:  # a full disk gets back what was taken of it
            with suppress(OSError):
                store.delete_file(half)
            raise

    def write_text(self, name: str, text: str) -> None:
        """Write a small text file, whole or not at all."""
        self.write_bytes(name, text.encode("utf-8"))

    def write_json(self, name: str, value: Any) -> None:
        """Write a record as JSON that people can read and that no NaN gets into."""
        self.write_text(name, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))

    def names(self) -> list[str]:
        """List what lies in this directory."""
        store, path = locate(self.address)
        found = store.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return sorted(entry.base_name for entry in found)

    def remove(self, name: str) -> None:
        """Remove a table that was only needed on the way."""
        store, path = locate(self.table(name))
        with suppress(FileNotFoundError):
            store.delete_dir(path)

    def withdraw(self) -> None:
        """Remove the record and the directory of a run that has left nothing else."""
        store, root = locate(self.address)
        for name in (RECORD, KEY):
            with suppress(FileNotFoundError):
                store.delete_file(f"{root}/{name}")
        with suppress(OSError):  # somebody holds it, as a container does what is mounted
            store.delete_dir(root)

    def read_bytes(self, name: str) -> bytes | None:
        """Read a small file of this directory; None where there is none."""
        store, root = locate(self.address)
        try:
            with store.open_input_stream(f"{root}/{name}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None


@cache
def _umask() -> int:
    """Read what this process takes from the rights of new files; only setting it tells."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _to_disk(path: str) -> None:
    """Wait until a file, or what a folder lists, is no longer only in memory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def locate(address: str) -> tuple[fs.FileSystem, str]:
    """Open the file system behind an address as Spark writes it, and the path in it."""
    scheme, colon, path = address.partition(":")
    if not colon or "/" in scheme:
        return fs.LocalFileSystem(), str(Path(address).absolute())
    if scheme == "file":
        return fs.LocalFileSystem(), "/" + path.lstrip("/")
    if scheme == "dbfs":
        inside = path.lstrip("/")
        mount = "/" if inside.startswith("Volumes/") else "/dbfs/"
        return fs.LocalFileSystem(), mount + inside
    store, inside = fs.FileSystem.from_uri(address.replace("s3a:", "s3:", 1))
    return store, inside


def is_here(address: str) -> bool:
    """Tell a folder, of this machine or that it sees as one, from what is in a store."""
    scheme, colon, _ = address.partition(":")
    return not colon or "/" in scheme or scheme in ("file", "dbfs")


def is_untried(address: str) -> bool:
    """Tell whether an address is of a store that spark_cxr has never been tried on."""
    return address.partition(":")[0].lower() in UNTRIED and ":/" in address


def absolute(address: str) -> str:
    """Make a relative local path absolute: Spark and Python may have other current folders.

    Without `..`: Spark takes it out of the paths that it lists, and they begin with this one.
    """
    scheme, colon, _ = address.partition(":")
    return address if colon and "/" not in scheme else os.path.normpath(Path(address).absolute())


def open_output(address: str, overwrite: bool, inputs: Sequence[str] = ()) -> Output:
    """Claim a directory: new, empty, or with `overwrite` one that an earlier run has left.

    Nothing is replaced that the run itself wants to read: its `inputs`.
    """
    output = Output(absolute(address).rstrip("/") or "/")
    received = f"--out={output.address}"
    try:
        store, root = locate(output.address)
        found = store.get_file_info(fs.FileSelector(root, allow_not_found=True))
        if found:
            _check_ours(output, overwrite, inputs)
            _clear(store, found, output)
        store.create_dir(root, recursive=True)
    except OutputError:
        raise
    except (NotADirectoryError, FileExistsError):
        raise OutputError("a directory as --out", f"{received}, a file", "Choose another") from None
    except (OSError, ValueError) as error:  # what pyarrow does not understand is a ValueError
        received = f"{received} ({error})"
        raise OutputError("an --out that can be written", received, "Choose another") from None
    return output


def sweep(output: Output) -> None:
    """Remove what a killed run has left half done: tables on the way, and files of half a table."""
    store, root = locate(output.address)
    found = store.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    for entry in found:
        name = entry.base_name
        if entry.is_file and name.startswith(".") and name.endswith(".half"):
            store.delete_file(entry.path)
        elif not entry.is_file and (name.startswith(STEP) or name == "_temporary"):
            with suppress(FileNotFoundError):  # gone with a folder around it
                store.delete_dir(entry.path)


@contextmanager
def only_writer(address: str) -> Iterator[None]:
    """Keep a second run of this machine out of the directory until the block ends.

    The kernel holds the lock and lets it fall with the process, however that ends. It lies with
    the temporary files, by the digest of the address, so that the directory keeps only results. It
    stays, empty: whoever has opened it to wait would else hold what nobody else finds.
    """
    name = hashlib.sha256(absolute(address).rstrip("/").encode("utf-8", "replace")).hexdigest()
    lock = FileLock(_locks() / f"{name[:24]}.lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        received, way_out = f"--out={address}", "Wait for that run, or choose another"
        raise OutputError("an --out that no other run writes", received, way_out) from None
    with held:
        yield


def _locks() -> Path:
    """Find the folder of locks, in which everybody may write, as in that of temporary files."""
    folder = Path(gettempdir()) / "spark_cxr-locks"
    folder.mkdir(exist_ok=True)
    with suppress(PermissionError):  # it is another user's, who has done so
        folder.chmod(0o1777)
    return folder


def pseudonym_key(output: Output, given: str | None) -> bytes:
    """Give the key for pseudonyms: the one that was given, or one made once beside the tables.

    Raises:
        ConfigError: It is so short that whoever has a list of ids could find it out.
    """
    if given is not None:
        way_out = "Take a longer one, as openssl rand -hex 32 gives, or do not set it"
        return _checked_key(given.encode("utf-8"), KEY_VARIABLE, way_out)
    kept = output.read_bytes(KEY)
    if kept is None:
        kept = secrets.token_hex(32).encode("ascii")
        output.write_bytes(KEY, kept, is_private=True)
    way_out = "Put the right key back, or remove the file: patients then get other pseudonyms"
    return _checked_key(kept, output.table(KEY), way_out)


def _checked_key(key: bytes, place: str, way_out: str) -> bytes:
    if len(key.strip()) < SHORTEST_KEY:
        received = f"{place} with {len(key.strip())}"
        expected = f"a key of at least {SHORTEST_KEY} characters for the pseudonyms of patients"
        raise ConfigError(expected, received, way_out)
    return key


def _check_ours(output: Output, overwrite: bool, inputs: Sequence[str]) -> None:
    received = f"--out={output.address}"
    if not record_of(output):
        way_out = "Choose another: only what spark_cxr made is replaced"
        raise OutputError("an --out that is new, empty or of spark_cxr", received, way_out)
    if not overwrite:
        way_out = "Add --overwrite or choose another"
        raise OutputError("an --out that is not taken", received, way_out)
    for path in inputs:
        if _place(path).is_relative_to(_place(output.address)):
            way_out = f"Choose another: --overwrite would delete {path}"
            raise OutputError("an --out that holds nothing to be read", received, way_out)


def _place(address: str) -> Path:
    remote = "://" in address and not address.startswith("file:")
    return Path(address) if remote else Path(locate(address)[1]).resolve()


def record_of(output: Output) -> dict[str, Any]:
    """Read the run.json of a directory; empty where it has none that spark_cxr has written."""
    try:
        record = json.loads(output.read_bytes(RECORD) or b"{}")
        return record if "spark_cxr" in record["versions"] else {}
    except (ValueError, TypeError, KeyError):
        return {}


def _clear(store: fs.FileSystem, found: Sequence[fs.FileInfo], output: Output) -> None:
    """Delete all but the key and the record, which says first that the rest is not to be used."""
    output.write_json(RECORD, {**record_of(output), "status": "replaced"})
    for entry in found:
        if entry.base_name not in (RECORD, KEY):
            is_folder = entry.type == fs.FileType.Directory
            (store.delete_dir if is_folder else store.delete_file)(entry.path)
