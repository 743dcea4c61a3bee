"""Films in a table or a query of the session: a column of bytes, images or arrays, a film a row.

A film's path is `table:NAME!/` and its own name: that of a column of paths where there is one, else
the digest of its content. A query becomes a view of the session, named by its digest.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, DataType, StructType, TimestampType

from spark_cxr.archives.catalog import INSIDE
from spark_cxr.archives.parquet_rows import FILMS, LABELS, NAMES, as_file, name_of
from spark_cxr.errors import InputError
from spark_cxr.film_places import SQL, TABLE
from spark_cxr.pipeline.folders import FoundFile
from spark_cxr.schemas import CONTENT, FILES, LABEL, PATH, columns

TIMES = ("modified", "modificationTime", "modification_time", "updated_at")
"""Names of a column that says when a film was last changed."""
NAME = "name"


def films_in_table(spark: SparkSession | None, place: str) -> Iterator[FoundFile]:
    """List the films of a table: their names, times, sizes and labels, and nothing of the films.

    Raises:
        InputError: There is no such table, or nothing in it that may be a film.
    """
    if spark is None:
        raise InputError("a session of Spark for films in tables", place, "Name files")
    found = _films(spark, place)
    table, names = _table_of(place), Counter[str]()
    for row in found.drop(CONTENT).orderBy(NAME, "bytes").collect():
        name = row[NAME]
        names[name] += 1
        why = "a second row of this name" if names[name] > 1 else ""
        path = f"{table}{INSIDE}{name}{f'#{names[name]}' if why else ''}"
        time = row["modified"] if row["bytes"] else None
        yield FoundFile(path, time, row["bytes"], why, row[LABEL])


def contents(spark: SparkSession, files: Sequence[FoundFile]) -> DataFrame:
    """Give the films of tables with their bytes (`schemas.FILES`)."""
    places = dict.fromkeys(file.path.partition(INSIDE)[0] for file in files)
    found = reduce(DataFrame.unionByName, (_with_paths(spark, place, files) for place in places))
    paths = [(file.path,) for file in files if file.can_be_read]
    wanted = spark.createDataFrame(paths, "path string")
    return found.join(F.broadcast(wanted), on=PATH, how="left_semi").select(*columns(FILES))


def _with_paths(spark: SparkSession, place: str, files: Sequence[FoundFile]) -> DataFrame:
    path = F.concat(F.lit(f"{place}{INSIDE}"), F.col(NAME))
    time = F.timestamp_micros("modified")
    rows = _films(spark, place).withColumns({PATH: path, "modified": time})
    if not _has_doubles(files, place):
        return rows
    row = F.struct("bytes", "modified", CONTENT)  # the smallest, as in the listing
    return rows.groupBy(PATH).agg(F.min(row).alias("row")).select(PATH, "row.*")


def _has_doubles(files: Sequence[FoundFile], place: str) -> bool:
    return any(file.path.startswith(place) and file.obstacle for file in files)


def _table_of(place: str) -> str:
    """Name the table, or the view that a query becomes."""
    if place.startswith(TABLE):
        return place
    return f"{TABLE}sql_{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def _films(spark: SparkSession, place: str) -> DataFrame:
    """Give name, time in microseconds, bytes, label and content of each row."""
    table = _read(spark, place)
    film = next((name for name in FILMS if name in table.columns and _may_hold(table, name)), None)
    if film is None:
        received = f"{', '.join(table.columns)[:200]} in {place}"
        way_out = f"Name a column of bytes, images or arrays {FILMS[0]}"
        raise InputError("a column of films", received, way_out)
    content, kind = F.col(film), table.schema[film].dataType
    if not isinstance(kind, BinaryType):
        is_bytes = isinstance(kind, StructType) and "bytes" in kind.names
        content = (
            F.col(f"{film}.bytes")
            if is_bytes
            else F.udf(_file_of, "binary", useArrow=False)(F.col(film))
        )
    size = F.coalesce(F.octet_length(CONTENT), F.lit(0)).cast("bigint")
    rows = table.withColumn(CONTENT, content)
    return rows.select(
        _name(table, film, kind).alias(NAME),
        _time(table).alias("modified"),
        size.alias("bytes"),
        _first(table, LABELS).cast("string").alias(LABEL),
        CONTENT,
    )


def _read(spark: SparkSession, place: str) -> DataFrame:
    try:
        if place.startswith(SQL):
            spark.sql(place.removeprefix(SQL)).createOrReplaceTempView(
                _table_of(place).removeprefix(TABLE)
            )
        return spark.table(_table_of(place).removeprefix(TABLE))
    except AnalysisException as error:
        received = f"{place} ({str(error).splitlines()[0]})"[:300]
        raise InputError("a table or query of the session", received, "Check it") from None


def _may_hold(table: DataFrame, name: str) -> bool:
    kind = table.schema[name].dataType
    if isinstance(kind, StructType):
        return "bytes" in kind.names or "data" in kind.names
    is_array = isinstance(kind, ArrayType) and isinstance(kind.elementType, ArrayType)
    return is_array or isinstance(kind, BinaryType)


def _file_of(value: object) -> bytes:
    """Turn an image of Spark's, or an array, into the bytes of a file; runs on the workers."""
    return as_file(value.asDict() if hasattr(value, "asDict") else value)


def _name(table: DataFrame, film: str, kind: DataType) -> Column:
    inner = kind.names if isinstance(kind, StructType) else ()
    own = next((F.col(f"{film}.{name}") for name in ("path", "origin") if name in inner), None)
    given = _first(table, NAMES) if own is None else own
    cleaned = F.udf(name_of, "string", useArrow=False)(given.cast("string"))
    return F.coalesce(F.when(given.isNotNull(), cleaned), F.sha2(CONTENT, 256), F.lit("empty"))


def _time(table: DataFrame) -> Column:
    found = next(
        (
            name
            for name in TIMES
            if name in table.columns and isinstance(table.schema[name].dataType, TimestampType)
        ),
        None,
    )
    return F.unix_micros(found) if found else F.lit(None).cast("bigint")


def _first(table: DataFrame, names: Sequence[str]) -> Column:
    plain = {
        field.name
        for field in table.schema
        if not isinstance(field.dataType, StructType | ArrayType | BinaryType)
    }
    found = next((name for name in names if name in plain), None)
    return F.lit(None) if found is None else F.col(found)
