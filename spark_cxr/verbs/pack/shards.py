"""Writing a shard: films one behind the other, each with its label, as others read them too.

A film keeps its bytes and its name, so that what is read out of a shard is what lay in the folder.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from spark_cxr.choices import WEBDATASET

ROWS_A_GROUP = 64
"""Of a Parquet shard: what a reader takes at least."""
SUFFIX = {WEBDATASET: ".tar", "parquet": ".parquet"}
_SCHEMA = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.large_binary()), ("path", pa.string())])),
        ("label", pa.string()),
    ]
)


@dataclass(frozen=True)
class PackedFilm:
    """A film on its way into a shard."""

    name: str
    data: bytes
    label: str | None


def write_shard(stream: IO[bytes], films: Iterable[PackedFilm], kind: str) -> None:
    """Write films in their order; equal films give equal bytes."""
    (_write_tar if kind == WEBDATASET else _write_parquet)(stream, films)


def _write_tar(stream: Any, films: Iterable[PackedFilm]) -> None:
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for film in films:
            _add(archive, film.name, film.data)
            if film.label is not None:
                _add(archive, f"{posixpath.splitext(film.name)[0]}.cls", film.label.encode())


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _write_parquet(stream: Any, films: Iterable[PackedFilm]) -> None:
    with parquet.ParquetWriter(stream, _SCHEMA, compression="none") as file:
        rest = iter(films)
        while some := list(islice(rest, ROWS_A_GROUP)):
            rows = [
                {"image": {"bytes": film.data, "path": film.name}, "label": film.label}
                for film in some
            ]
            file.write_table(pa.Table.from_pylist(rows, _SCHEMA))
