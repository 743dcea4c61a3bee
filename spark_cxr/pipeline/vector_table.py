"""A table of vectors that were made elsewhere: where it lies, and which of its columns say what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from pyarrow import dataset, fs

from spark_cxr.errors import InputError, few, nearest, without_password
from spark_cxr.output import RECORD, absolute, locate
from spark_cxr.pipeline.vector_arrays import is_vector_type
from spark_cxr.settings import Score, Train

KEYS = (
    *("path", "image_path", "file", "filename", "file_name", "image", "image index", "name", "id"),
    *("stem", "sha256", "digest"),
)
"""Usual names of the column that names a film, the first of these that is there."""
VECTORS = ("features", "embedding", "embeddings", "vector")
TABLE_NAME = re.compile(r"\w+(\.\w+){1,2}")
"""With a schema at least: one word is a folder that is not there."""
NETWORK, KEY, LENGTH = "spark_cxr.network", "spark_cxr.key", "spark_cxr.length"
CAVEAT = "spark_cxr.caveat"
"""Of the schema of Parquet that `featurize --export` has written: what made the vectors."""
MOST_COLUMNS = 12
LONGEST_NAME = 80
SUFFIX = ".parquet"
DELTA_LOG = "_delta_log"


@dataclass(frozen=True)
class VectorSource:
    """What --features, --features-key and --features-column say."""

    address: str
    key: str
    column: str

    @classmethod
    def of(cls, settings: Train | Score) -> VectorSource:
        """Take it from a section."""
        return cls(settings.features, settings.features_key, settings.features_column)

    @property
    def shown(self) -> str:
        """Give the flag as an error shows it."""
        return f"--features={without_password(self.address)}"

    @property
    def is_name(self) -> bool:
        """Tell the name of a table from a path."""
        if not TABLE_NAME.fullmatch(self.address) or self.address.endswith(SUFFIX):
            return False
        return _kind_at(self.address) == fs.FileType.NotFound


@dataclass(frozen=True)
class VectorTable:
    """The table as far as its schema says."""

    source: VectorSource
    key: str
    """Its column that names films."""
    column: str
    """Its column of vectors."""
    columns: tuple[str, ...]
    """All of them."""
    network: str = ""
    """What made the vectors, where the file says so."""
    network_key: str = ""
    caveat: str = ""
    """What must be said loudly of that network, where there is something."""

    @property
    def name(self) -> str:
        """Name the vectors: by their network, else as their file or table is called."""
        plain = self.source.address.rstrip("/")
        stem = plain if self.source.is_name else PurePosixPath(plain).name.removesuffix(SUFFIX)
        # It becomes part of the names of tables and models.
        return re.sub(r"[^\w+-]+", "-", self.network or stem)[:LONGEST_NAME]

    def find(self, names: Sequence[str]) -> str:
        """Give the column that has one of these names, in either case; empty where none has."""
        by_lower = {column.lower(): column for column in self.columns}
        found = next((by_lower[name] for name in names if name in by_lower), "")
        return "" if found in (self.key, self.column) else found


@dataclass(frozen=True)
class VectorFacts:
    """What is known of vectors made elsewhere, for run.json, the model and the report."""

    table: str
    name: str
    length: int
    digest: str
    """Of all usable rows of the table, in any order."""
    key: str
    """Of the network that made them, where `featurize --export` wrote the table."""
    rows: int
    unusable: int = 0
    """Rows without a vector of finite numbers, or without a key."""
    unmatched: int = 0
    """Rows whose film is not there, or was set aside."""
    without: int = 0
    """Films for which there is no vector."""
    caveat: str = ""
    """Of the network, where the table says it."""
    has_films: bool = True
    """Films lay beside the vectors, and were read."""

    @property
    def not_checked(self) -> tuple[str, ...]:
        """Name what nobody could check."""
        unknown = ("what made the vectors", "whether it was trained on films of the test")
        return unknown if self.has_films else (*unknown, *WITHOUT_FILMS)

    def to_json(self) -> dict[str, Any]:
        """Give all of it for run.json and metrics.json."""
        return {**asdict(self), "not_checked": list(self.not_checked)}

    def for_model(self) -> dict[str, Any]:
        """Give what the model keeps, by which it knows vectors of the same kind."""
        known = {"name": self.name, "length": self.length, "digest": self.digest}
        return {**known, **({"key": self.key} if self.key else {})}

    @property
    def line(self) -> str:
        """Say what came, for the console."""
        made = f" of {self.key}" if self.key else ""
        films = "films read beside them" if self.has_films else "no films"
        return f"vectors {self.name}{made}, made elsewhere: {self.length:,} numbers each; {films}"

    def caveats(self) -> Iterator[str]:
        """Say what a reader must know of them."""
        if self.caveat:
            yield f"{self.caveat}."
        unknown = "; ".join(self.not_checked)
        yield f"The vectors ({self.name}) were made elsewhere. Not checked: {unknown}."
        left = (
            (self.unusable, "rows without a usable vector"),
            (self.unmatched, "rows without a film"),
            (self.without, "films without a vector"),
        )
        if counted := ", ".join(f"{count:,} {what}" for count, what in left if count):
            yield f"Left out: {counted}."


WITHOUT_FILMS = (
    "near-duplicates (only equal vectors are kept on one side of a split)",
    "whether each row is a film that decodes",
    "where on a film decisions come from",
)
"""What needs films to be checked or shown."""


def is_vector_table(address: str) -> bool:
    """Tell a table of vectors from the directory of an earlier run, which has a run.json."""
    if not address:
        return False
    plain = absolute(address).rstrip("/")
    with suppress(ValueError):  # a scheme of Spark alone
        kind = _kind_at(address)
        if kind == fs.FileType.Directory:
            store, path = locate(plain)
            is_run = store.get_file_info(f"{path}/{RECORD}").is_file
            return not is_run and (plain.endswith(SUFFIX) or bool(parquet_files(address)))
        if kind == fs.FileType.File:
            return True
    return plain.endswith(SUFFIX) or VectorSource(address, "", "").is_name


def parquet_files(address: str) -> list[str]:
    """List the Parquet files of a folder as Spark sees them, or the file itself, by name."""
    store, path = locate(absolute(address).rstrip("/"))
    if store.get_file_info(path).is_file:
        return [path]
    entries = store.get_file_info(fs.FileSelector(path, recursive=True))
    found = (entry.path for entry in entries if entry.is_file and entry.path.endswith(SUFFIX))
    inside = ((place, PurePosixPath(place[len(path) :]).parts) for place in found)
    return sorted(
        place for place, parts in inside if not any(part.startswith(("_", ".")) for part in parts)
    )


def open_dataset(source: VectorSource) -> dataset.Dataset:
    """Open the Parquet of a file or folder without Spark, or say why it is none."""
    way_out = "Name the --out of an earlier run, a Parquet file, a folder of these, or a table"
    try:
        store, path = locate(absolute(source.address).rstrip("/"))
        if store.get_file_info(f"{path}/{DELTA_LOG}").type != fs.FileType.NotFound:
            received = f"{source.shown}, a folder of Delta"
            raise InputError("vectors as Parquet or a table", received, "Say delta's table name")
        files = parquet_files(source.address)
        if not files:
            raise InputError("vectors as Parquet", f"{source.shown} without a file", way_out)
        return dataset.dataset(
            files, filesystem=store, format="parquet", partitioning="hive", partition_base_dir=path
        )
    except InputError:
        raise
    except (OSError, ValueError) as error:
        received = f"{source.shown} ({str(error).splitlines()[0][:120]})"
        raise InputError("vectors that can be read", received, way_out) from None


def table_of_files(source: VectorSource) -> VectorTable:
    """Find the columns of a file or folder of Parquet, before any Spark is there."""
    schema = open_dataset(source).schema
    key, column = find_columns({field.name: field.type for field in schema}, source)
    said = {k.decode(): v.decode("utf-8", "replace") for k, v in (schema.metadata or {}).items()}
    about = (said.get(name, "") for name in (NETWORK, KEY, CAVEAT))
    return VectorTable(source, key, column, tuple(schema.names), *about)


def check_vector_table(source: VectorSource) -> None:
    """Refuse a file or folder that has no such columns; of a table by name Spark knows."""
    if not source.is_name:
        table_of_files(source)


def find_columns(
    kinds: Mapping[str, Any],
    source: VectorSource,
    is_vector: Callable[[Any], bool] = is_vector_type,
) -> tuple[str, str]:
    """Find which column names the film and which has the vector, or say what there is."""
    names = list(kinds)
    vectors = [name for name in names if is_vector(kinds[name])]
    column = _vectors_in(kinds, vectors, source)
    rest = [name for name in names if name not in vectors]
    if source.key:
        if source.key not in rest:
            received = f"{source.shown} with {few(rest, MOST_COLUMNS) or 'no such'}"
            way_out = nearest(source.key, rest, MOST_COLUMNS) if rest else "Add one"
            raise InputError(f"a column {source.key} (--features-key)", received, way_out)
        return source.key, column
    by_lower = {name.lower(): name for name in rest}
    if key := next((by_lower[name] for name in KEYS if name in by_lower), ""):
        return key, column
    expected = f"a column that names the film, such as {', '.join((*KEYS[:3], 'sha256'))}"
    received = f"{source.shown} with columns {few(names, MOST_COLUMNS)}"
    raise InputError(expected, received, "Name it with --features-key")


def _vectors_in(kinds: Mapping[str, Any], vectors: Sequence[str], source: VectorSource) -> str:
    usual = {name.lower(): name for name in vectors}
    if wanted := source.column:
        if wanted in vectors:
            return wanted
        what = f"{wanted} of {kinds[wanted]}" if wanted in kinds else few(list(kinds), MOST_COLUMNS)
        expected = f"a column {wanted} of vectors (array<float>, array<double> or Spark ML's)"
        way_out = f"Name one of {few(vectors)}" if vectors else "Write the vectors as an array"
        raise InputError(expected, f"{source.shown} with {what}", way_out)
    if found := next((usual[name] for name in VECTORS if name in usual), ""):
        return found
    if len(vectors) == 1:
        return vectors[0]
    shown = few([f"{name} ({kind})" for name, kind in kinds.items()], MOST_COLUMNS)
    expected = "one column of vectors (array<float>, array<double> or Spark ML's)"
    way_out = "Name it with --features-column" if vectors else "Write the vectors as an array"
    raise InputError(expected, f"{source.shown} with columns {shown}", way_out)


def batches_of(source: VectorSource, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Read some columns without Spark, so many rows at a time and no more."""
    scanned = open_dataset(source).scanner(
        columns=list(columns), batch_size=rows, batch_readahead=1, fragment_readahead=1
    )
    yield from scanned.to_batches()


def _kind_at(address: str) -> fs.FileType:
    store, path = locate(absolute(address).rstrip("/"))
    return store.get_file_info(path).type
