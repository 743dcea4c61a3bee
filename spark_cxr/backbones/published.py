"""Official files of weights: the local cache, then a mirror, then the origin; digests checked."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.error import HTTPError

from spark_cxr.backbones.cache import VARIABLE, cache_dir, digest, locked
from spark_cxr.backbones.catalog import PublishedWeights
from spark_cxr.backbones.download import Say, download
from spark_cxr.errors import WeightsError


def obtain(file: PublishedWeights, mirror: str, say: Say) -> tuple[Path, str]:
    """Get an official file and say where it came from; ten processes download it once."""
    target = cache_dir("weights") / file.name
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
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    kerass = home / "models" / file.name
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
            failures.append(f"{url}: {_reason(error)}")
        else:
            return url
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
        _check(file, part, url, way_out)
    except WeightsError:
        part.unlink()
        raise
    part.replace(target)


def _reason(error: OSError) -> str:
    return f"HTTP {error.code}" if isinstance(error, HTTPError) else str(error)
