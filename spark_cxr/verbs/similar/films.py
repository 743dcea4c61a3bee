"""The films of `similar`: those that are asked for, and small pictures of these and their like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from spark_cxr.archives import catalog as archives
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import featurize
from spark_cxr.errors import BadImage, InputError
from spark_cxr.images.film import Film, Limits
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, opener
from spark_cxr.images.prepare import scaled
from spark_cxr.images.raster import encode_jpeg
from spark_cxr.model.neighbours import QueryFilm
from spark_cxr.output import absolute, is_here, locate
from spark_cxr.pipeline.folders import Walk
from spark_cxr.pipeline.globs import expanded
from spark_cxr.pipeline.worker_files import FileLost, read_whole

MOST_FILMS = 100
"""That are asked for in one run: the page shows each with its neighbours."""
MOST_BYTES = 2**28
AT_ONCE = 8
"""Films of which the bytes are held."""
THUMBNAIL, QUALITY = 192, 80


@dataclass(frozen=True)
class AskedFilm:
    """A film that became a vector, or why it did not."""

    path: str
    sha256: str | None
    film: QueryFilm | BadImage


@dataclass(frozen=True)
class StoredFilm:
    """A file that is read when its turn comes; one that cannot be read has no bytes."""

    path: str
    weight: int = 1

    def read(self) -> bytes:
        """Give the bytes."""
        try:
            return read_film_file(self.path)
        except BadImage:
            return b""


def read_film_file(path: str) -> bytes:
    """Read a film from any file system.

    Raises:
        BadImage: It is too large, or cannot be read.
    """
    try:
        if archives.split(path):
            return read_whole(path)
        store, inside = locate(path)
        size = store.get_file_info(inside).size or 0
        if size > MOST_BYTES:
            raise BadImage("too_large", f"{size} bytes, limit {MOST_BYTES}")
        with store.open_input_stream(inside) as stream:
            return bytes(stream.read())
    except (FileLost, OSError, ValueError) as error:
        if isinstance(error, BadImage):
            raise
        raise BadImage("unreadable", str(error)[:200]) from None


def listed(images: Sequence[str]) -> list[str]:
    """List the films below folders, globs and files of this machine; in a store each by its name.

    Raises:
        InputError: There is none, or there are too many.
    """
    walk, stored = Walk(), list[str]()
    for address in map(absolute, images):
        if is_here(address):
            for path in expanded(locate(address)[1]):
                walk.below(path)
        else:
            stored.append(address)
    paths = list(dict.fromkeys([*(file.path for file in walk.files), *stored]))
    if not 0 < len(paths) <= MOST_FILMS:
        received = f"{len(paths):,} in {', '.join(images)}"
        way_out = "Name fewer" if paths else "Check the files and folders"
        raise InputError(f"1 to {MOST_FILMS} films in --images", received, way_out)
    return sorted(paths)


def vectors_of(paths: Sequence[str], plan: Plan, limits: Limits) -> Iterator[AskedFilm]:
    """Show films to the network, a few at a time; in order, bad ones with their reason."""
    for first in range(0, len(paths), AT_ONCE):
        some = paths[first : first + AT_ONCE]
        contents = [_content(path) for path in some]
        good = [each for each in contents if isinstance(each, Content)]
        made = iter(featurize([each.data for each in good], plan, limits))
        for path, content in zip(some, contents, strict=True):
            if isinstance(content, BadImage):
                yield AskedFilm(path, None, content)
                continue
            found, digest = next(made), content.sha256
            film = found if isinstance(found, BadImage) else QueryFilm(digest, found)
            yield AskedFilm(path, digest, film)


def _content(path: str) -> Content | BadImage:
    try:
        return Content(read_film_file(path))
    except BadImage as bad:
        return bad


def thumbnails(paths: Iterable[str], limits: Limits, threads: int) -> dict[str, bytes]:
    """Draw films small, each once; without those whose files are gone or no films any more."""
    wanted = list(dict.fromkeys(paths))
    small: FilmPass[StoredFilm, bytes, bytes] = FilmPass(
        opener(_small, lambda _, __, ___: b"", replace(limits, min_side=1)),
        lambda drawn, _: drawn,
        threads=threads,
    )
    drawn = (row for rows in small.rows([[StoredFilm(path) for path in wanted]]) for row in rows)
    return {path: image for path, image in zip(wanted, drawn, strict=True) if image}


def _small(_: StoredFilm, __: Content, film: Film) -> FilmViews[bytes]:
    return FilmViews(encode_jpeg(scaled(film.pixels, THUMBNAIL), QUALITY))
