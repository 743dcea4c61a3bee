"""Lists of paths in place of folders: a nightly run need not list ten million files to find ten.

A list is a text file with a path a line, a CSV or Parquet file with a column of paths, a table of
the session with such a column, or what comes in at stdin. Paths that are not absolute begin where
the list lies.
"""

from __future__ import annotations

import csv
import io
import posixpath
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from pyarrow import fs, parquet
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_cxr.errors import InputError
from spark_cxr.film_places import PATHS, is_list
from spark_cxr.output import absolute, is_here, locate
from spark_cxr.pipeline.csv_text import read_csv_text
from spark_cxr.pipeline.folders import FoundFile, PassedOver, film_at, films_in, kind_by_name

STDIN = "-"
COLUMNS = ("path", "file", "file_path", "filename", "image_path", "uri")
"""Names of a column of paths; the first that is there is taken."""
GONE = "in the list, and not there"


def is_list_here(root: str) -> bool:
    """Tell a list that can be read without Spark."""
    name = root.removeprefix(PATHS)
    return is_list(root) and (name == STDIN or (is_here(name) and Path(name).is_file()))


def listed_in(spark: SparkSession | None, root: str) -> Sequence[str]:
    """Read a list: addresses, each once, in their order.

    Raises:
        InputError: There is no such list, or it has no column of paths.
    """
    name = root.removeprefix(PATHS)
    if name == STDIN:
        return _from_stdin()
    address = absolute(name)
    try:
        store, inside = locate(address)
        if store.get_file_info(inside).type == fs.FileType.File:
            with store.open_input_file(inside) as file:
                return _below(posixpath.dirname(address), _written(name, file))
    except (OSError, ValueError) as error:
        received = f"{name} ({error})"[:300]
        raise InputError("--paths that can be read", received, "Check the file") from None
    return _of_table(spark, name)


@cache
def _from_stdin() -> Sequence[str]:
    """Read stdin, which gives what it has once."""
    return _below(str(Path.cwd()), sys.stdin.read().splitlines())


def _written(name: str, file: fs.FileSystem) -> Sequence[str]:
    if name.endswith(".parquet"):
        table = parquet.ParquetFile(file)
        column = _column(table.schema_arrow.names, name)
        return [str(path) for path in table.read([column]).column(0).to_pylist() if path]
    text = read_csv_text(file.read(), name).text
    if not name.endswith(".csv"):
        return text.splitlines()
    rows = csv.DictReader(io.StringIO(text, newline=""))
    column = _column(rows.fieldnames or (), name)
    return [row[column] or "" for row in rows]


def _of_table(spark: SparkSession | None, name: str) -> Sequence[str]:
    expected = "--paths as a file, a table of the session, or - for stdin"
    if spark is None:
        raise InputError(expected, name, "Check the name")
    try:
        table = spark.table(name)
    except AnalysisException as error:
        received = f"{name} ({str(error).splitlines()[0]})"[:300]
        raise InputError(expected, received, "Check the name") from None
    column = _column(table.columns, name)
    return _below("", [row[0] or "" for row in table.select(column).collect()])


def _column(names: Sequence[str], where: str) -> str:
    found = next((name for name in COLUMNS if name in names), None)
    if found is None:
        received = f"{', '.join(names)[:200]} in {where}"
        raise InputError(f"a column of paths ({', '.join(COLUMNS)})", received, "Rename it")
    return found


def _below(folder: str, paths: Sequence[str]) -> Sequence[str]:
    """Make paths absolute, and drop empty ones and doubles."""
    written = (path.strip() for path in paths)
    whole = (
        path if not is_here(path) or path.startswith(("/", "file:")) else f"{folder}/{path}"
        for path in written
        if path
    )
    return tuple(dict.fromkeys(whole))


def files_of(
    addresses: Sequence[str], leave_out: str, passed_over: PassedOver
) -> Iterator[FoundFile]:
    """Look up files; one that is not there is a row as well, which says so."""
    elsewhere = defaultdict[str, list[str]](list)
    for address in addresses:
        if kind := kind_by_name(address, leave_out):
            passed_over.add(kind, address)
        elif is_here(address):
            yield from films_in(film_at(locate(address)[1], GONE), leave_out, passed_over)
        else:
            elsewhere[address.split("/")[2] if "//" in address else ""].append(address)
    for some in elsewhere.values():
        for file in _stored(some):
            yield from films_in(file, leave_out, passed_over)


def _stored(addresses: Sequence[str]) -> Iterator[FoundFile]:
    """Ask a store about many files at once."""
    store = locate(addresses[0])[0]
    infos = store.get_file_info([locate(address)[1] for address in addresses])
    for address, info in zip(addresses, infos, strict=True):
        if info.type == fs.FileType.File:
            modified = (info.mtime_ns or 0) // 1_000_000 * 1000 if info.size else None
            yield FoundFile(address, modified, info.size or 0)
        else:
            yield FoundFile(address, None, 0, GONE)
