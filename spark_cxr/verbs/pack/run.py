"""`pack`: films of folders and archives → shards of about one size, each written by one task."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import BadImage, InputError
from spark_cxr.metrics.wording import counted
from spark_cxr.output import KEY_VARIABLE, Outcome, Output, locate, pseudonym_key
from spark_cxr.pipeline.film_pass import Batches, arrow_schema
from spark_cxr.pipeline.folders import FoundFile
from spark_cxr.pipeline.labels import check_match, dataset_of, label_rows, labels_of_files
from spark_cxr.pipeline.sources import Listing, list_files
from spark_cxr.pipeline.worker_files import FileLost, read_anywhere
from spark_cxr.schemas import LABEL, PATH
from spark_cxr.settings import Ingest, Pack
from spark_cxr.verbs.pack.shards import SUFFIX, PackedFilm, write_shard

SHARD, NAME = "shard", "name"
_DONE = "shard int, bytes bigint, films int, lost array<string>"
"""One row a shard; `lost` names files that were listed and could not be read."""
_EXAMPLES = 3


def pack_step(spark: SparkSession, ingest: Ingest, settings: Pack, output: Output) -> Outcome:
    """Write the films that --images names into shards, with their labels beside them."""
    listing = list_files(spark, ingest.images, dataset_of(ingest).leave_out)
    files = [file for file in listing.found if file.can_be_read and file.bytes <= ingest.max_bytes]
    if not files:
        received = f"{listing.count:,} that are empty, too large or cannot be opened"
        raise InputError("files that can be packed", received, "Check --images and --max-bytes")
    films = _labelled(spark, listing, ingest, output)
    shards = list(_shards(files, settings.shard_bytes))
    table = films.join(F.broadcast(_placed(spark, files, shards)), on=PATH, how="inner")
    tasks = max(1, len(shards))
    rows = table.repartition(tasks, SHARD).sortWithinPartitions(SHARD, "place")
    done = rows.mapInArrow(_writer(output.address, settings.format), _DONE).collect()
    lost = [name for row in done for name in row["lost"]]
    counts = {
        "files": listing.count,
        "packed": sum(row["films"] for row in done),
        "left_out": listing.count - len(files) + len(lost),
        "shards": len(done),
        "bytes": sum(row["bytes"] for row in done),
    }
    return Outcome(counts, "\n".join(_lines(counts, lost, output)))


def _lines(counts: dict[str, int], lost: Sequence[str], output: Output) -> Iterator[str]:
    yield (
        f"{counts['packed']:,} of {counted(counts['files'], 'file')} in "
        f"{counted(counts['shards'], 'shard')} of {counts['bytes'] / 2**20:,.0f} MiB in all"
    )
    if counts["left_out"]:
        some = f": {', '.join(lost[:_EXAMPLES])}" if lost else ""
        yield f"{counts['left_out']:,} left out: empty, too large or not to be read{some}"
    yield f"Read them with --images {output.address}"


def _labelled(spark: SparkSession, listing: Listing, settings: Ingest, output: Output) -> DataFrame:
    """Give each file its label, where labels are known; patients stay out of shards."""
    listed = listing.table(spark)
    rows = label_rows(spark, settings, pseudonym_key(output, os.environ.get(KEY_VARIABLE)))
    labels = labels_of_files(listed, rows, settings)
    check_match(listed, labels, rows, settings)
    return listed.join(labels.select(PATH, LABEL), on=PATH, how="left").select(PATH, LABEL)


def _shards(files: Sequence[FoundFile], most: int) -> Iterator[list[FoundFile]]:
    """Divide files in their order; a shard is full when the next one would make it too large."""
    shard, held = list[FoundFile](), 0
    for file in files:
        if shard and held + file.bytes > most:
            yield shard
            shard, held = [], 0
        shard.append(file)
        held += file.bytes
    yield shard


def _placed(
    spark: SparkSession, files: Sequence[FoundFile], shards: Sequence[Sequence[FoundFile]]
) -> DataFrame:
    names = _names([file.path for file in files])
    rows = [
        (file.path, number, place, names[file.path])
        for number, shard in enumerate(shards)
        for place, file in enumerate(shard)
    ]
    return spark.createDataFrame(rows, f"path string, {SHARD} int, place int, {NAME} string")


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Name films in shards by what their paths do not have in common, archives as folders."""
    plain = {path: path.replace("!/", "/") for path in paths}
    top = posixpath.commonpath([posixpath.dirname(path) for path in plain.values()] or ["/"])
    return {path: name.removeprefix(top).lstrip("/") for path, name in plain.items()}


@dataclass
class _Shard:
    """A shard that is being written, and what came of it."""

    films: int = 0
    bytes: int = 0
    lost: list[str] = field(default_factory=list)

    def read(self, rows: Iterable[dict[str, Any]]) -> Iterator[PackedFilm]:
        """Read films; one that is gone is noted."""
        for row in rows:
            try:
                data = read_anywhere(row[PATH])
            except (FileLost, BadImage, OSError):
                self.lost.append(row[PATH])
                continue
            self.films, self.bytes = self.films + 1, self.bytes + len(data)
            yield PackedFilm(row[NAME], data, row[LABEL])


def _writer(address: str, kind: str) -> Callable[[Batches], Batches]:
    """Make the function that writes the shards of a task, each under its name when it is whole."""

    def write(batches: Batches) -> Batches:
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, films in groupby(rows, itemgetter(SHARD)):
            shard = _Shard()
            _write(address, f"films-{number:05d}{SUFFIX[kind]}", shard.read(films), kind)
            done = {SHARD: number, **asdict(shard)}
            yield pa.RecordBatch.from_pylist([done], schema=arrow_schema(_DONE))

    return write


def _write(address: str, name: str, films: Iterator[PackedFilm], kind: str) -> None:
    store, root = locate(address)
    target = str(PurePosixPath(root) / name)
    half = str(PurePosixPath(root) / f".{name}.half")
    with store.open_output_stream(half) as stream:
        write_shard(stream, films, kind)
    store.move(half, target)
