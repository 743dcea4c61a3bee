"""Vectors as a table that others read: Parquet with a plain schema, NumPy, or Lance.

Rows come to the driver some at a time, in the order of paths, and go on into files: no more memory
for many films than for few. Files have hidden names until all of them are whole.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import count, islice
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.sql import DataFrame

from spark_cxr import __version__
from spark_cxr.backbones.user_network import without_folder
from spark_cxr.errors import ConfigError, OutputError, SetupError, without_password
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.vector_table import CAVEAT, KEY, LENGTH, NETWORK, SUFFIX
from spark_cxr.schemas import FEATURES, PATH
from spark_cxr.settings import Config, Export

COLUMNS = ("path", "sha256", "label", "source", "patient_id", "group_id", "view")
"""Of the export, before the vector; patients and groups are pseudonyms, as in `images`."""
ROWS_AT_ONCE = 1024
NUMBERS_A_FILE = 1 << 26
"""256 MB of vectors in one file of a folder."""
VECTORS, KEYS, ABOUT = "vectors.npy", "keys.csv", "vectors.json"
OURS = re.compile(rf"part-\d{{5}}\{SUFFIX}|{VECTORS}|{KEYS}|{ABOUT}")
LANCE, LANCE_VERSIONS = "lance", "_versions"
Batches = Iterator[pa.RecordBatch]


def check_export(settings: Export, overwrite: bool) -> None:
    """Refuse an export that could not be written, before any film is read.

    Raises:
        ConfigError: Place and format do not fit.
        OutputError: The place is taken.
        SetupError: A package is missing.
    """
    address, kind = settings.export, settings.export_format
    if not address:
        return
    if kind == "npy" and address.rstrip("/").endswith((".npy", SUFFIX)):
        way_out = f"Name a directory: it receives {VECTORS} and {KEYS}"
        raise ConfigError("a directory as --export of --export-format npy", address, way_out)
    if kind == LANCE and find_spec(LANCE) is None:
        way_out = "pip install pylance, or say --export-format parquet"
        raise SetupError("the package pylance for --export-format lance", "none", way_out)
    received = f"--export={without_password(address)}"
    try:
        store, path = locate(absolute(address).rstrip("/"))
        names = _taken(store, path)
    except (OSError, ValueError) as error:
        received = f"{received} ({error})"
        raise OutputError("an --export that can be written", received, "Choose another") from None
    if names and not overwrite:
        way_out = "Add --overwrite or choose another"
        raise OutputError("an --export that is not taken", f"{received} with {names[0]}", way_out)
    if names and not _is_ours(store, path, names, kind):
        way_out = "Choose another: only what an export has written is replaced"
        received = f"{received} with {names[0]}"
        raise OutputError("an --export that is new, empty or of spark_cxr", received, way_out)


def _taken(store: fs.FileSystem, path: str) -> list[str]:
    """Name what lies there: the file itself, or what is in the folder."""
    info = store.get_file_info(path)
    if info.is_file:
        return [info.base_name]
    found = store.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(entry.base_name for entry in found)


def _is_ours(store: fs.FileSystem, path: str, names: Sequence[str], kind: str) -> bool:
    """Tell an earlier export, which may be replaced, from what others have put there."""
    if store.get_file_info(path).is_file:
        with suppress(OSError, ValueError):
            return KEY.encode() in (pq.read_schema(path, filesystem=store).metadata or {})
        return False
    if kind == LANCE:
        return LANCE_VERSIONS in names
    return all(OURS.fullmatch(name) for name in names)


def _remove_ours(store: fs.FileSystem, path: str) -> None:
    """Remove an earlier export; a larger one has files that this one does not replace."""
    if not store.get_file_info(path).is_file:
        for name in _taken(store, path):
            store.delete_file(f"{path}/{name}")


@dataclass(frozen=True)
class VectorExport:
    """Rows on their way to others, and what they are told of them."""

    schema: pa.Schema
    batches: Batches
    n: int
    length: int
    about: dict[str, str]


def export_entry(made: FeatureResult, images: DataFrame, cfg: Config) -> tuple[dict[str, Any], str]:
    """Export where the settings say so; give the entries of run.json and a line for the console."""
    settings, place = cfg.export, without_password(cfg.export.export)
    if not place:
        return {}, ""
    n, kind = export_vectors(made, images, settings, cfg.run.overwrite), settings.export_format
    said = {"exported": n, "export": place, "export_format": kind}
    return said, f"{n:,} vectors exported to {place} ({kind})"


def export_vectors(
    made: FeatureResult, images: DataFrame, settings: Export, overwrite: bool = False
) -> int:
    """Write the vectors of a run, with what is known of their films; count them."""
    network, length = made.plan.network, made.plan.network.dim
    about = {
        NETWORK: network.backbone,
        KEY: made.cache.key,
        LENGTH: str(length),
        "spark_cxr.weights": without_folder(network.weights.origin),
        "spark_cxr.version": __version__,
    }
    if network.weights.caveat:
        about[CAVEAT] = network.weights.caveat
    texts = [(name, pa.string()) for name in COLUMNS]
    schema = pa.schema([*texts, (FEATURES, pa.list_(pa.float32(), length))], metadata=about)
    people = images.select(PATH, "patient_id")
    rows = made.rows.join(people, on=PATH, how="left").select(*COLUMNS, FEATURES).orderBy(PATH)
    export = VectorExport(schema, _batches(rows, schema), made.n, length, about)
    store, path = locate(absolute(settings.export).rstrip("/"))
    if settings.export_format == LANCE:
        return _write_lance(export, absolute(settings.export))
    if overwrite:
        _remove_ours(store, path)
    write = _write_npy if settings.export_format == "npy" else _write_parquet
    return write(export, store, path)


def _batches(rows: DataFrame, schema: pa.Schema) -> Batches:
    """Bring rows to the driver, partition by partition; vectors as the bytes that they are."""

    def packed(batches: Batches) -> Batches:
        for batch in batches:
            values = batch.column(FEATURES)
            vectors = [np.asarray(v.values, np.float32).tobytes() for v in values]
            rest = [batch.column(name) for name in COLUMNS]
            rows = [*rest, pa.array(vectors, pa.binary())]
            yield pa.RecordBatch.from_arrays(rows, [*COLUMNS, FEATURES])

    ddl = ", ".join((*(f"{name} string" for name in COLUMNS), f"{FEATURES} binary"))
    left = rows.mapInArrow(packed, ddl).toLocalIterator()
    while some := list(islice(left, ROWS_AT_ONCE)):
        columns = [pa.array([row[name] for row in some], pa.string()) for name in COLUMNS]
        numbers = np.frombuffer(b"".join(row[FEATURES] for row in some), np.float32)
        length = schema.field(FEATURES).type.list_size
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers), length)
        yield pa.RecordBatch.from_arrays([*columns, vectors], schema=schema)


@contextmanager
def _opened(store: fs.FileSystem, folder: str) -> Iterator[Callable[[str], pa.NativeFile]]:
    """Open files under hidden names, which get their own when the block has ended well."""
    halves: dict[str, str] = {}
    store.create_dir(folder, recursive=True)

    def open_(name: str) -> pa.NativeFile:
        halves[f"{folder}/.{name}.{secrets.token_hex(4)}.half"] = f"{folder}/{name}"
        return store.open_output_stream(list(halves)[-1])

    try:
        yield open_
        for half, target in halves.items():
            store.move(half, target)
    except BaseException:
        for half in halves:
            with suppress(OSError):
                store.delete_file(half)
        raise


def _write_parquet(export: VectorExport, store: fs.FileSystem, path: str) -> int:
    """Write one file, or a folder of files that are as large as one can well be read."""
    is_file = path.endswith(SUFFIX)
    place = PurePosixPath(path)
    most = sys.maxsize if is_file else max(1, NUMBERS_A_FILE // export.length)
    written, batch = 0, next(export.batches, None)
    with _opened(store, str(place.parent) if is_file else path) as open_:
        for number in count():
            name = place.name if is_file else f"part-{number:05d}{SUFFIX}"
            held = 0
            with open_(name) as stream, pq.ParquetWriter(stream, export.schema) as writer:
                while batch is not None and held < most:
                    writer.write_batch(batch)
                    held += batch.num_rows
                    batch = next(export.batches, None)
            written += held
            if batch is None:
                return written
    return written


def _write_npy(export: VectorExport, store: fs.FileSystem, path: str) -> int:
    """Write the vectors as one array, and beside it a line for each of its rows."""
    keys = pa.schema([field for field in export.schema if field.name != FEATURES])
    shape = {"descr": "<f4", "fortran_order": False, "shape": (export.n, export.length)}
    written = 0
    with _opened(store, path) as open_:
        with (
            open_(VECTORS) as numbers,
            open_(KEYS) as lines,
            pacsv.CSVWriter(lines, keys) as table,
        ):
            np.lib.format.write_array_header_1_0(numbers, shape)
            for batch in export.batches:
                numbers.write(batch.column(FEATURES).flatten().to_numpy().astype("<f4").tobytes())
                table.write_batch(batch.select(keys.names))
                written += batch.num_rows
        with open_(ABOUT) as about:
            about.write(json.dumps(export.about, indent=2).encode())
    return written


def _write_lance(export: VectorExport, address: str) -> int:
    reader = pa.RecordBatchReader.from_batches(export.schema, export.batches)
    import_module(LANCE).write_dataset(reader, address, mode="overwrite")
    return export.n
