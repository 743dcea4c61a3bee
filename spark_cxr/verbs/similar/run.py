"""One run of `similar`: films → vectors → the nearest of an earlier run, as tables and a page."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spark_cxr import __version__
from spark_cxr.errors import BadImage, ConfigError, InputError, without_password
from spark_cxr.images.apart import close_children
from spark_cxr.metrics.neighbours import FilmNeighbours, NeighbourPicture, NeighboursReport
from spark_cxr.metrics.wording import counted, duration
from spark_cxr.model.neighbours import Nearest, QueryFilm
from spark_cxr.output import Outcome, Output
from spark_cxr.report.neighbours import neighbours_page
from spark_cxr.settings import Config
from spark_cxr.verbs.similar.films import AskedFilm, listed, thumbnails, vectors_of
from spark_cxr.verbs.similar.network import Search, open_search

SHOWN = 5
"""Films whose neighbours stand on the console."""
TEXT = pa.string()
NEIGHBOURS = pa.schema(
    [
        *(("film", TEXT), ("place", pa.int32()), ("path", TEXT), ("sha256", TEXT)),
        *(("label", TEXT), ("source", TEXT), ("cosine", pa.float64())),
    ]
)
"""`schemas.NEIGHBOURS`; pyspark, which would translate that, need not be installed."""
QUARANTINE = pa.schema([(name, TEXT) for name in ("path", "sha256", "reason", "detail")])


@dataclass(frozen=True)
class _Found:
    """A film with its neighbours."""

    path: str
    nearest: Nearest


def similar_step(cfg: Config, output: Output) -> Outcome:
    """Find the films that are most like some films, and show them."""
    settings, started = cfg.similar, time.monotonic()
    if not settings.images:
        raise ConfigError("--images FILM …", "none", "Name films, or a folder of them")
    paths, search = listed(settings.images), open_search(settings)
    try:
        asked = list(vectors_of(paths, search.plan, search.limits))
        bad = [each for each in asked if isinstance(each.film, BadImage)]
        found = _found(asked, search, settings.count)
        _write(output, "quarantine", QUARANTINE, map(_quarantined, bad))
        if not found:
            why = f"{len(bad)} that are none, the first {bad[0].film}"
            raise InputError("at least one film in --images", why, "Check the files")
        _write(output, "neighbours", NEIGHBOURS, _rows(found))
        images = _images(found, search) if settings.pictures else {}
    finally:
        close_children()
    report = _report(found, bad, images, search, time.monotonic() - started)
    output.write_text("report.html", neighbours_page(report))
    counts = {"films": len(paths), "quarantined": len(bad), "network": search.table.network}
    return Outcome(counts, "\n".join(_lines(report, output.table("report.html"))))


def _found(asked: Sequence[AskedFilm], search: Search, count: int) -> list[_Found]:
    films = [(each.path, each.film) for each in asked if isinstance(each.film, QueryFilm)]
    if not films:
        return []
    nearest = search.table.nearest([film for _, film in films], count)
    return [_Found(path, each) for (path, _), each in zip(films, nearest, strict=True)]


def _quarantined(film: AskedFilm) -> dict[str, Any]:
    bad = film.film
    why = {"reason": bad.reason, "detail": bad.detail} if isinstance(bad, BadImage) else {}
    return {"path": film.path, "sha256": film.sha256, **why}


def _rows(found: Sequence[_Found]) -> Iterator[dict[str, Any]]:
    for film in found:
        for place, each in enumerate(film.nearest.neighbours, 1):
            yield {"film": film.path, "place": place, **vars(each)}


def _write(output: Output, name: str, schema: pa.Schema, rows: Iterator[Mapping[str, Any]]) -> None:
    """Write a small table as Spark would: a folder of Parquet, with `_SUCCESS` when it is whole."""
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema), written)
    output.write_bytes(f"{name}/part-00000.parquet", written.getvalue())
    output.write_bytes(f"{name}/_SUCCESS", b"")


def _images(found: Sequence[_Found], search: Search) -> dict[str, bytes]:
    paths = [
        path for film in found for path in (film.path, *(n.path for n in film.nearest.neighbours))
    ]
    return thumbnails(paths, search.limits, search.plan.threads)


def _report(
    found: Sequence[_Found],
    bad: Sequence[AskedFilm],
    images: Mapping[str, bytes],
    search: Search,
    seconds: float,
) -> NeighboursReport:
    network = search.plan.network
    missing = f"{counted(len(bad), 'file')} could not be read as films: see the table quarantine."
    note = f"The precision differs: {search.note}." if search.note else ""
    return NeighboursReport(
        films=tuple(_film(each, images) for each in found),
        setup=(
            ("Network", network.backbone),
            ("Weights", network.weights.origin),
            ("Vectors", without_password(search.table.output.address)),
            ("Their key", search.table.network),
            ("Time", duration(seconds)),
            ("spark_cxr", __version__),
        ),
        caveats=tuple(filter(None, (missing * bool(bad), note, network.weights.caveat))),
    )


def _film(found: _Found, images: Mapping[str, bytes]) -> FilmNeighbours:
    neighbours = tuple(
        NeighbourPicture(
            _name(each.path), each.label, each.source, each.cosine, images.get(each.path, b"")
        )
        for each in found.nearest.neighbours
    )
    image = images.get(found.path, b"")
    return FilmNeighbours(_name(found.path), neighbours, found.nearest.itself, image)


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _lines(report: NeighboursReport, page: str) -> Iterator[str]:
    for film in report.films[:SHOWN]:
        yield film.name
        for place, each in enumerate(film.neighbours, 1):
            yield f"{place:>4}  {each.cosine:.4f}  {each.label or '–':<20} {each.name}"
    if rest := report.films[SHOWN:]:
        yield f"and {counted(len(rest), 'film')} more"
    yield from (f"note: {caveat}" for caveat in report.caveats)
    yield f"report: {page}"
