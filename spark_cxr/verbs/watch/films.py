"""What else is known of the films of a score table: rows of other files, found by digest or path.

Of each row of those files a number of 8 bytes stands for its key, so that a million films take some
dozen megabytes.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from spark_cxr.datasets import FILE_LABEL_NAMES, KEYS
from spark_cxr.errors import InputError, few, nearest
from spark_cxr.images.demographics import age_band
from spark_cxr.output import Output, absolute, locate
from spark_cxr.pipeline.csv_text import read_csv_text, uncompressed
from spark_cxr.verbs.watch.table import ROWS, parquet_files

Codes = NDArray[np.int32]
ATTRIBUTES = ("view", "maker", "sex", "age")
KEY_NAMES = (*KEYS, "sha256", "key")
"""Columns of a label file that name a film, as `ingest` knows them, and a digest."""
MOST_COLUMNS = 12
MOST_LABELS = 1000


@dataclass(frozen=True)
class KnownRows:
    """Rows by key; `codes` (rows, columns) are places in `names`, which has a list a column."""

    keys: NDArray[np.uint64]
    codes: Codes
    names: tuple[tuple[str, ...], ...]
    depths: tuple[int, ...] = (0,)
    """Folders that keys have, where these are ends of paths."""

    def of(self, texts: Iterable[str | None]) -> Codes:
        """Find the row of each key; -1 where there is none."""
        wanted = numbers_of(texts)
        if not len(self.keys):
            return np.full(len(wanted), -1, dtype=np.int32)
        place = np.searchsorted(self.keys, wanted).clip(max=len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, place, -1).astype(np.int32)

    def of_films(self, batch: pa.RecordBatch) -> Codes:
        """Find the row of each film of a table: by digest, then by the longest end of path."""
        found = self.of(batch.column("sha256").to_pylist())
        paths = [unicodedata.normalize("NFC", p or "") for p in batch.column("path").to_pylist()]
        ends = [[_end(path, depth) for path in paths] for depth in self.depths]
        names = [path.rpartition("/")[2] for path in paths]
        for texts in (paths, *ends, [name.rpartition(".")[0] or name for name in names]):
            left = found < 0
            if not left.any():
                break
            found[left] = self.of(
                [text for text, is_left in zip(texts, left, strict=True) if is_left]
            )
        return found


def numbers_of(texts: Iterable[str | None]) -> NDArray[np.uint64]:
    """Make a number of 8 bytes of each text."""
    digests = (blake2b((t or "").encode("utf-8", "replace"), digest_size=8) for t in texts)
    return np.frombuffer(b"".join(each.digest() for each in digests), dtype=np.uint64)


def _end(path: str, depth: int) -> str:
    return "/".join(path.rsplit("/", depth + 1)[-depth - 1 :])


def known_rows(
    keys: NDArray[np.uint64], codes: Codes, names: Sequence[Sequence[str]], **more: Any
) -> KnownRows:
    """Sort rows by key; of rows with one key the first counts."""
    unique, first = np.unique(keys, return_index=True)
    return KnownRows(unique, codes[first], tuple(map(tuple, names)), **more)


# The table of films that `ingest` has left


def read_films(address: str) -> tuple[KnownRows, tuple[str, ...]]:
    """Read view, maker, sex and age of films, as far as the table has them, and name these.

    Raises:
        InputError: It is no table of films.
    """
    output = Output(absolute(address).rstrip("/"))
    if not (files := parquet_files(output)) or _is_run(files, output):
        output = Output(output.table("images"))
        files = parquet_files(output)
    way_out = "Name the --out of ingest, or its images/"
    if not files:
        raise InputError("a table of films as --films", f"--films={address}: none", way_out)
    try:
        return _read_films(output, files)
    except (pa.ArrowException, OSError, KeyError) as error:
        received = f"--films={address} ({str(error).splitlines()[0][:120]})"
        raise InputError("a table of films with path and sha256", received, way_out) from None


def _is_run(files: Sequence[str], output: Output) -> bool:
    root = locate(output.address)[1]
    return any(path[len(root) :].lstrip("/").startswith("images/") for path in files)


def _read_films(output: Output, files: Sequence[str]) -> tuple[KnownRows, tuple[str, ...]]:
    store, _ = locate(output.address)
    found = set(pq.read_schema(files[0], filesystem=store).names)
    columns = tuple(name for name in ATTRIBUTES if name in found)
    names: list[dict[str, int]] = [{} for _ in columns]
    keys, codes = list[NDArray[np.uint64]](), list[Codes]()
    for batch in _film_batches(store, files, columns):
        texts = [_texts(batch, name) for name in columns]
        coded = [[n.setdefault(t, len(n)) for t in t_] for n, t_ in zip(names, texts, strict=True)]
        rows = np.array(coded, dtype=np.int32).reshape(len(columns), -1).T
        for key in ("sha256", "path"):
            keys.append(numbers_of(batch.column(key).to_pylist()))
            codes.append(rows)
    listed = [list(each) for each in names]
    return known_rows(np.concatenate(keys), np.concatenate(codes), listed), columns


def _film_batches(
    store: fs.FileSystem, files: Sequence[str], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    for path in files:
        with store.open_input_file(path) as file:
            rows = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
            yield from rows.iter_batches(ROWS, columns=["path", "sha256", *columns])


def _texts(batch: pa.RecordBatch, name: str) -> list[str]:
    values = batch.column(name).to_pylist()
    if name == "age":
        return [age_band(value) or "unknown" for value in values]
    return [str(value) if value not in (None, "") else "unknown" for value in values]


# The file of labels that arrived later


def read_late_labels(address: str, key_column: str = "", label_column: str = "") -> KnownRows:
    """Read a CSV of keys and labels: paths or ends of paths, file names, stems, or digests.

    Raises:
        InputError: It has no such columns, no rows, or two labels for one key.
    """
    store, path = locate(absolute(address))
    try:
        with store.open_input_stream(path, compression=None) as stream:
            data = stream.read()
    except OSError as error:
        received = f"--labels={address} ({str(error).splitlines()[0][:120]})"
        raise InputError("a label file that can be read", received, "Check --labels") from None
    rows = csv.reader(io.StringIO(read_csv_text(uncompressed(data, address), address).text))
    header = next(rows, [])
    key = _column(header, address, key_column, KEY_NAMES, "that names the film")
    label = _column(header, address, label_column, FILE_LABEL_NAMES, "with the label")
    pairs = [
        (unicodedata.normalize("NFC", row[key].strip()), row[label].strip())
        for row in rows
        if len(row) > max(key, label) and row[key].strip() and row[label].strip()
    ]
    return _of_pairs(pairs, address)


def _of_pairs(pairs: Sequence[tuple[str, str]], address: str) -> KnownRows:
    if not pairs:
        received = f"--labels={address}: no row that counts"
        raise InputError("a label file with rows", received, "Check the file")
    names: dict[str, int] = {}
    codes = np.array([[names.setdefault(label, len(names))] for _, label in pairs], dtype=np.int32)
    if len(names) > MOST_LABELS:
        received = f"--labels={address} with {len(names):,}"
        raise InputError(f"at most {MOST_LABELS:,} labels", received, "Name its --label-column")
    keys = numbers_of(key for key, _ in pairs)
    different = len(np.unique(np.column_stack([keys, codes[:, 0].astype(np.uint64)]), axis=0))
    if several := different - len(np.unique(keys)):
        received = f"--labels={address}: {several:,} with another label"
        raise InputError("one label for each key", received, "Correct the file")
    depths = sorted({key.count("/") for key, _ in pairs}, reverse=True)
    return known_rows(keys, codes, [list(names)], depths=tuple(depths))


def _column(
    header: Sequence[str], address: str, wanted: str, usual: Sequence[str], what: str
) -> int:
    plain = [column.strip().lower() for column in header]
    for name in (wanted.strip().lower(),) if wanted else usual:
        if name in plain:
            return plain.index(name)
    expected = f"a column {wanted or f'{what}, such as {few(usual, 3)}'}"
    received = f"--labels={address} with columns {few(header, MOST_COLUMNS)}"
    way_out = (
        nearest(wanted, header, MOST_COLUMNS) if wanted else "Name --key-column, --label-column"
    )
    raise InputError(expected, received, way_out)


def labels_among(found: Mapping[str, int], labels: Sequence[str]) -> str:
    """Word which labels of the file the model does not have."""
    others = {name: n for name, n in found.items() if name not in labels}
    if not others:
        return ""
    named = few([f"{name} ({n:,})" for name, n in others.items()])
    return f"Labels that the model has not, and that do not count: {named}"
