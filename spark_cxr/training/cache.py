"""Images in a Parquet cache, read back a few rows at a time: in their order, or mixed by a seed.

A row has `shape` (array<int>), `pixels` (their bytes in this order: uint8, or float32 where there
are four times as many) and, where there is one, `target` (a number, or an array of them). Rows are
numbered in the order of the files' names.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs, parquet

from spark_cxr.errors import InputError
from spark_cxr.output import locate

TARGET = "target"
Arrays = tuple[NDArray[Any], ...]
"""Images, and their targets where there are any: one row of each array for each row read."""

SPREAD = 4
"""Runs of a batch's length that are mixed: what is held in memory, in batches."""
Read = Callable[[int, int], Arrays]


@dataclass(frozen=True)
class Group:
    """A row group of the cache, and the numbers that its rows have among all rows."""

    path: str
    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class CachedFilms:
    """A cache that is ready to be read; it can be sent to another process."""

    store: fs.FileSystem
    groups: tuple[Group, ...]

    @property
    def count(self) -> int:
        """Count the images."""
        return self.groups[-1].stop if self.groups else 0

    def read(self, start: int, stop: int) -> Arrays:
        """Read the rows with these numbers; no more is held than the row groups they lie in."""
        starts = [group.start for group in self.groups]
        parts = []
        for group in self.groups[bisect_right(starts, start) - 1 :]:
            if group.start >= stop:
                break
            rows = self._rows(group)
            first = max(start - group.start, 0)
            parts.append(_arrays(rows.slice(first, stop - group.start - first)))
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def targets(self) -> NDArray[Any]:
        """Read the targets of all rows, and nothing of their pixels."""
        return np.concatenate([_targets(self._rows(group, [TARGET])) for group in self.groups])

    def _rows(self, group: Group, columns: list[str] | None = None) -> pa.Table:
        with parquet.ParquetFile(group.path, filesystem=self.store) as file:
            # Who reads has threads of its own.
            return file.read_row_group(group.number, columns, use_threads=False)


def open_cache(address: str) -> CachedFilms:
    """Open a cache; it may hold nothing.

    Raises:
        FileNotFoundError: it is not where this process could see it.
    """
    store, root = locate(address)
    found = store.get_file_info(fs.FileSelector(root))
    groups, start = list[Group](), 0
    for path in sorted(file.path for file in found if file.path.endswith(".parquet")):
        with parquet.ParquetFile(path, filesystem=store) as file:
            for number in range(file.num_row_groups):
                stop = start + file.metadata.row_group(number).num_rows
                groups.append(Group(path, number, start, stop))
                start = stop
    return CachedFilms(store, tuple(groups))


def _arrays(rows: pa.Table) -> Arrays:
    images = _images(rows)
    return (images, _targets(rows)) if TARGET in rows.column_names else (images,)


def _images(rows: pa.Table) -> NDArray[Any]:
    """Look at the bytes of all rows as one array, without a copy: all have the same shape."""
    shape = rows["shape"][0].as_py()
    pixels = rows["pixels"].combine_chunks()
    wide = pa.types.is_large_binary(pixels.type)
    offsets = np.frombuffer(pixels.buffers()[1], np.int64 if wide else np.int32)
    first, last = offsets[pixels.offset], offsets[pixels.offset + len(pixels)]
    samples = len(pixels) * prod(shape)
    if last - first not in (samples, 4 * samples):
        received, way_out = f"{tuple(shape)} and others", "Let imageLoader resize them"
        raise InputError("images of one shape", received, way_out)
    dtype = np.uint8 if last - first == samples else np.float32
    data = np.frombuffer(pixels.buffers()[2], np.uint8)[first:last]
    return data.view(dtype).reshape(len(pixels), *shape)


def _targets(rows: pa.Table) -> NDArray[Any]:
    column = rows[TARGET]
    if pa.types.is_list(column.type):
        return np.asarray(column.to_pylist(), np.float32)
    return np.asarray(column.to_numpy())


@dataclass(frozen=True)
class Draw:
    """The rows from `start` to `stop`, and how they are to be cut into batches."""

    start: int
    stop: int
    batch_size: int
    shuffle: bool
    seed: int

    @property
    def steps(self) -> int:
        """Count the batches of an epoch."""
        return -(-(self.stop - self.start) // self.batch_size)

    def window(self, read: Read, epoch: int, number: int) -> list[Arrays]:
        """Read the batches of one window of an epoch, `SPREAD` of them.

        Runs of neighbouring rows are drawn from all rows, and the rows of a window are mixed. The
        same seed gives the same batches, epoch by epoch.
        """
        runs = self._order(self.steps, epoch)[number * SPREAD : (number + 1) * SPREAD]
        parts = [read(*self._rows(int(run))) for run in runs]
        arrays = tuple(np.concatenate(each) for each in zip(*parts, strict=True))
        order = self._order(len(arrays[0]), epoch, number)
        cuts = range(0, len(order), self.batch_size)
        picks = [order[cut : cut + self.batch_size] for cut in cuts]
        return [tuple(array[pick] for array in arrays) for pick in picks]

    def _rows(self, run: int) -> tuple[int, int]:
        start = self.start + run * self.batch_size
        return start, min(start + self.batch_size, self.stop)

    def _order(self, count: int, *where: int) -> NDArray[np.int64]:
        if not self.shuffle:
            return np.arange(count)
        return np.random.default_rng([self.seed, *where]).permutation(count)
