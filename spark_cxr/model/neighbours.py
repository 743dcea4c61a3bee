"""Films whose vectors have nearly the direction of another film's: exact, and without an index.

The vectors are those that an earlier run has left. They are read block by block, so that memory
does not grow with their number; of each block only the few nearest are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from pyarrow import fs

from spark_cxr.backbones import engines
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.errors import InputError
from spark_cxr.output import VECTORS, Output, absolute, locate
from spark_cxr.schemas import FEATURES, LABEL, PATH, SHA256, SOURCE

BLOCK_NUMBERS = 2**21
"""Numbers of the vectors that are looked at at once: 16 MB."""
READ_BYTES = 2**20
DIGITS = 7
"""Of a cosine: the last bits of a product depend on how many vectors are multiplied at once."""
SHOWN_DIGITS = 4
MOST_HELD = 2**27
"""Numbers that are held in memory at once: 512 MB."""
WAY_OUT = "Name the --out of a featurize, train or compare that ended well"


@dataclass(frozen=True)
class Neighbour:
    """A film beside another."""

    path: str
    sha256: str
    label: str | None
    source: str | None
    cosine: float


@dataclass(frozen=True)
class Nearest:
    """The films beside one film, the nearest first; of equals in the order of their paths."""

    neighbours: tuple[Neighbour, ...]
    itself: int
    """Films with the very same bytes, which are left out."""


@dataclass(frozen=True)
class QueryFilm:
    """A film whose neighbours are wanted."""

    sha256: str
    vector: NDArray[np.float32]


@dataclass(frozen=True)
class _Block:
    """Some rows of the table, with vectors of length 1, or 0 where they have none."""

    rows: pa.RecordBatch
    directions: NDArray[np.float64]


@dataclass(frozen=True)
class HeldVectors:
    """Vectors in memory with their labels, and nothing else of their films."""

    directions: NDArray[np.float32]
    """(films, numbers), of length 1"""
    labels: tuple[str | None, ...]

    def nearest(self, vector: ArrayLike, count: int) -> list[tuple[str | None, float]]:
        """Give label and cosine of the films nearest to one, the nearest first."""
        wanted = directions_of(np.asarray(vector)[None])[0].astype(np.float32)
        cosines = np.round(self.directions @ wanted, SHOWN_DIGITS)
        near = np.argsort(-cosines, kind="stable")[:count]
        return [(self.labels[at], float(cosines[at])) for at in near]


@dataclass(frozen=True)
class KeptVectors:
    """The vectors that an earlier run has left."""

    output: Output
    network: str
    """The key of what made them."""

    def nearest(self, films: Sequence[QueryFilm], count: int) -> list[Nearest]:
        """Find the `count` films nearest to each, in one pass over the table.

        Raises:
            InputError: The vectors of the table have another length.
        """
        wanted = directions_of(np.stack([film.vector for film in films]))
        own = {film.sha256 for film in films}
        kept: list[list[Neighbour]] = [[] for _ in films]
        itself = [0] * len(films)
        for block in self._blocks(wanted.shape[1]):
            cosines = np.round(block.directions @ wanted.T, DIGITS)
            digests = block.rows.column(SHA256).to_pylist()
            same = [row for row, digest in enumerate(digests) if digest in own]
            for number, film in enumerate(films):
                column = cosines[:, number]
                for row in same:
                    if digests[row] == film.sha256:
                        column[row], itself[number] = -np.inf, itself[number] + 1
                kept[number] = _merged(kept[number], block.rows, column, count)
        return [Nearest(tuple(k), n) for k, n in zip(kept, itself, strict=True)]

    def held(self, dim: int) -> HeldVectors:
        """Read all of them into memory, for whoever is asked again and again.

        Raises:
            InputError: They are too many, or of another length.
        """
        store, folder = locate(self.output.table(FEATURES))
        n = sum(_rows_in(store, path) for path in _parts(store, folder))
        if not 0 < n * dim <= MOST_HELD:
            received = f"{n:,} of {dim} in {self.output.address}"
            way_out = "Featurize a part of the films, and name that run"
            raise InputError(f"1 to {MOST_HELD // dim:,} vectors to hold", received, way_out)
        directions, labels = np.empty((n, dim), np.float32), list[str | None]()
        for block in self._blocks(dim):
            first = len(labels)
            labels += block.rows.column(LABEL).to_pylist()
            directions[first : len(labels)] = block.directions
        return HeldVectors(directions, tuple(labels))

    def _blocks(self, dim: int) -> Iterator[_Block]:
        store, folder = locate(self.output.table(FEATURES))
        size = max(1, min(8192, BLOCK_NUMBERS // dim))
        for path in _parts(store, folder):
            with store.open_input_file(path) as file:
                names = [PATH, SHA256, LABEL, SOURCE, FEATURES]
                for rows in _streamed(file).iter_batches(size, columns=names):
                    vectors = rows.column(FEATURES)
                    numbers = vectors.flatten().to_numpy(zero_copy_only=False)
                    if vectors.null_count or (np.diff(vectors.offsets) != dim).any():
                        received = f"others in {self.output.table(FEATURES)}"
                        raise InputError(f"vectors of {dim} numbers", received, WAY_OUT)
                    yield _Block(rows, directions_of(numbers.reshape(-1, dim)))


def directions_of(vectors: ArrayLike) -> NDArray[np.float64]:
    """Bring vectors to length 1; one without any length stays, and is like no other."""
    rows = np.array(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows


def open_vectors(address: str, flag: str) -> KeptVectors:
    """Find the vectors of an earlier run.

    Raises:
        InputError: There are none, or not all of them.
    """
    output = Output(absolute(address).rstrip("/"))
    network = network_of_vectors(output)
    if not network:
        received = f"{flag}={address}: no {VECTORS}"
        raise InputError(f"{flag} of a run that left vectors", received, WAY_OUT)
    return KeptVectors(output, network)


def network_of_vectors(output: Output) -> str:
    """Give the key of the network whose vectors are all there; empty where none are."""
    try:
        known: dict[str, Any] = json.loads(output.read_bytes(VECTORS) or b"{}")
        is_whole = output.read_bytes(f"{FEATURES}/_SUCCESS") is not None
        return str(known["network"]) if is_whole else ""
    except (ValueError, KeyError, TypeError, OSError):
        return ""


def check_network(table: KeptVectors, plan: Plan) -> str:
    """Refuse vectors of another network; give a note where only the precision is another.

    Raises:
        InputError: Another network has made them.
    """
    key = plan.key(engines.load(plan).used)
    (mine, precision), (theirs, other) = (k.rsplit("-", 1) for k in (key, table.network))
    if mine != theirs:
        way_out = "Name the run whose vectors this network has made"
        raise InputError(f"vectors of {key}", f"those of {table.network}", way_out)
    return "" if precision == other else f"vectors in {other}, films looked at in {precision}"


def _parts(store: fs.FileSystem, folder: str) -> list[str]:
    found = store.get_file_info(fs.FileSelector(folder))
    return sorted(entry.path for entry in found if _is_part(entry))


def _streamed(file: pa.NativeFile) -> pq.ParquetFile:
    """Open a file so that it is read on and on: its groups of rows may have 128 MB."""
    return pq.ParquetFile(file, buffer_size=READ_BYTES, pre_buffer=False)


def _rows_in(store: fs.FileSystem, path: str) -> int:
    with store.open_input_file(path) as file:
        return int(pq.ParquetFile(file).metadata.num_rows)


def _is_part(entry: fs.FileInfo) -> bool:
    name = entry.base_name
    return bool(entry.is_file and name.endswith(".parquet") and name[0] not in "._")


def _merged(
    kept: list[Neighbour], rows: pa.RecordBatch, cosines: NDArray[np.float64], count: int
) -> list[Neighbour]:
    """Hold the rows of a block against the nearest so far."""
    least = kept[-1].cosine if len(kept) == count else -2.0
    if len(cosines) > count:
        least = max(least, float(np.partition(cosines, -count)[-count]))
    near = np.flatnonzero(cosines >= least)  # with all that are as near as the last one
    if not len(near):
        return kept
    rows = rows.select([PATH, SHA256, LABEL, SOURCE]).take(pa.array(near))
    found = [
        Neighbour(**row, cosine=float(cosines[at]))
        for at, row in zip(near, rows.to_pylist(), strict=True)
    ]
    return sorted([*kept, *found], key=lambda each: (-each.cosine, each.path))[:count]
