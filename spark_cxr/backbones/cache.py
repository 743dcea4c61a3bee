"""The local cache of weights and networks, and how official weights come into it.

Files appear whole, and one process makes each. Official weights are sought in the cache, then on a
mirror, then at their origin, and their digests are checked.

Neither `keras.utils.get_file` nor pooch downloads them: both begin a file that was cut off from its
first byte again, and the former imports a framework on hosts that only run OpenVINO. A line each
tenth of the way is what a log of a job can hold; both draw bars for a terminal.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock

from spark_cxr.backbones.catalog import PublishedWeights
from spark_cxr.errors import SetupError, WeightsError, without_password

VARIABLE = "SPARK_CXR_CACHE"
WEIGHTS = "weights"
Say = Callable[[str], None]
"""Receives a line of progress."""
to_log: Say = logging.getLogger(__name__).info
TRIES = 4
TIMEOUT_SECONDS = 30
_CHUNK = 1 << 18
_RANGE_NOT_SATISFIABLE = 416


def places() -> tuple[Path, Path]:
    """Name our folder of weights and Keras' own, whether or not they are there."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return _root() / WEIGHTS, home / "models"


def _root() -> Path:
    return Path(os.environ.get(VARIABLE) or Path.home() / ".cache" / "spark_cxr")


def cache_dir(kind: str) -> Path:
    """Give the folder for one kind of file, made if it is not there."""
    folder = _root() / kind
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


def obtain(file: PublishedWeights, mirror: str, say: Say) -> tuple[Path, str]:
    """Get an official file and say where it came from; ten processes download it once."""
    target = cache_dir(WEIGHTS) / file.name
    with locked(target):
        if (found := _at_hand(file, target, mirror, say)) is not None:
            return found, file.url
        urls = [file.url]
        if mirror.startswith(("http://", "https://")):
            urls.insert(0, f"{mirror.rstrip('/')}/{file.name}")
        return target, _from_first(urls, file, target, say)


def _at_hand(file: PublishedWeights, target: Path, mirror: str, say: Say) -> Path | None:
    """Look in our cache, in a mirror that is a directory, and in Keras' own cache."""
    if target.is_file():
        if _is_right(file, target):
            return target
        say(f"weights: {target} is damaged and is fetched again")
        target.unlink()
    if mirror and "://" not in mirror and (Path(mirror) / file.name).is_file():
        mirrored = Path(mirror).absolute() / file.name
        _check(file, mirrored, str(mirrored), "Replace the file in the mirror")
        return mirrored
    kerass = places()[1] / file.name
    # Without a published digest nothing tells whether Keras' download was whole.
    return kerass if file.md5 and kerass.is_file() and _is_right(file, kerass) else None


def _is_right(file: PublishedWeights, path: Path) -> bool:
    return not file.md5 or digest(path, "md5") == file.md5


def _check(file: PublishedWeights, path: Path, origin: str, way_out: str) -> None:
    if not _is_right(file, path):
        received = f"{digest(path, 'md5')} from {origin}"
        raise WeightsError(f"{file.name} with MD5 {file.md5}", received, way_out)


def _from_first(urls: list[str], file: PublishedWeights, target: Path, say: Say) -> str:
    """Download from the first address that has the file."""
    failures = []
    for url in urls:
        try:
            _download_checked(url, file, target, say)
        except WeightsError:
            raise
        except OSError as error:
            reason = f"HTTP {error.code}" if isinstance(error, HTTPError) else str(error)
            failures.append(f"{without_password(url)}: {reason}")
        else:
            return without_password(url)
    way_out = (
        f"Without a way to the internet: put {file.name} into a directory and give it as "
        f"features.mirror, or into {target.parent} ({VARIABLE})"
    )
    raise WeightsError(f"{file.name} from one of its origins", "; ".join(failures), way_out)


def _download_checked(url: str, file: PublishedWeights, target: Path, say: Say) -> None:
    part = target.with_name(f"{target.name}.part")
    if not file.md5:
        # Nothing could tell two halves of different files apart.
        part.unlink(missing_ok=True)
    had_beginning = part.exists()
    download(url, part, say)
    if had_beginning and not _is_right(file, part):
        say(f"weights: {file.name}: the beginning kept from an earlier try was wrong; from the top")
        part.unlink()
        download(url, part, say)
    try:
        way_out = "Nothing was kept. Is a proxy in between? Give a directory as features.mirror"
        _check(file, part, without_password(url), way_out)
    except WeightsError:
        part.unlink()
        raise
    part.replace(target)


def download(url: str, part: Path, say: Say = to_log) -> None:
    """Fetch `url` into `part`, which may hold its beginning from an earlier try.

    Raises:
        OSError: after several tries; what came stays in `part` for the next attempt.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            _fetch(url, part, say)
            return
        except HTTPError as error:
            if (error.code != _RANGE_NOT_SATISFIABLE and error.code < 500) or not tries_left:
                raise
            if error.code == _RANGE_NOT_SATISFIABLE:
                part.unlink(missing_ok=True)
        except (OSError, HTTPException) as error:
            if not tries_left:
                raise OSError(str(error)) from None
            say(f"weights: {part.stem}: {error}; trying again")


def _login(url: str) -> str:
    """Give the header for who logs in by the URL, which urllib would take for part of the host."""
    name, at, _ = urlsplit(url).netloc.rpartition("@")
    return f"Basic {b64encode(unquote(name).encode()).decode()}" if at else ""


def _fetch(url: str, part: Path, say: Say) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "spark_cxr", **({"Range": f"bytes={have}-"} if have else {})}
    # Only http and https come here; a file is read where it lies.
    request = Request(without_password(url), headers=headers)
    if who := _login(url):
        request.add_unredirected_header("Authorization", who)
    with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        resumed = response.status == 206
        done = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else 0
        if resumed:
            say(f"weights: {part.stem}: going on after {have / 1e6:,.1f} MB")
        with part.open("ab" if resumed else "wb") as out:
            tenth = -1
            while chunk := response.read(_CHUNK):
                out.write(chunk)
                done += len(chunk)
                before, tenth = tenth, done * 10 // total if total else done // 10_000_000
                if tenth > before:
                    of = f" of {total / 1e6:,.1f}" if total else ""
                    say(f"weights: {part.stem}: {done / 1e6:,.1f}{of} MB")
    if done < total:
        raise ConnectionError(f"cut off after {done:,} of {total:,} bytes")


def bring(uri: str, target: Path, say: Say = to_log) -> Path:
    """Bring a file from a store or the web to its place in the cache, afresh.

    Raises:
        WeightsError: it cannot be had.
    """
    from spark_cxr.output import locate

    try:
        with locked(target), whole(target) as half:
            if uri.startswith(("http://", "https://")):
                download(uri, half, say)
            else:
                store, inside = locate(uri)
                with store.open_input_stream(inside) as stream, half.open("wb") as out:
                    shutil.copyfileobj(stream, out)
    except OSError as error:
        way_out = "Check the address, or copy the file and name the copy"
        received = without_password(f"{uri} ({error})")
        raise WeightsError("weights that can be read", received, way_out) from None
    return target
