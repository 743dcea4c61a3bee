"""Score a table of vectors that were made elsewhere, with a model that has learned from such."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from spark_cxr.errors import ConfigError, InputError, few
from spark_cxr.model.manifest import Manifest
from spark_cxr.model.model import Model
from spark_cxr.model.predictor import Predictor
from spark_cxr.output import Output, is_here
from spark_cxr.pipeline.film_pass import arrow_schema
from spark_cxr.pipeline.label_match import EXAMPLES, shortened
from spark_cxr.pipeline.scorer import SCORED_FILES, ScoredFile, prediction_row, scored_file
from spark_cxr.pipeline.session import LateSession
from spark_cxr.pipeline.staging import staged
from spark_cxr.pipeline.vector_arrays import Vector, vector_rows
from spark_cxr.pipeline.vector_rows import (
    DIGEST,
    FAULT,
    KEY,
    NO_KEY,
    check_rows,
    in_one_form,
    open_table,
)
from spark_cxr.pipeline.vector_table import (
    VectorSource,
    VectorTable,
    batches_of,
    open_dataset,
    table_of_files,
)
from spark_cxr.schemas import FEATURES
from spark_cxr.settings import Score
from spark_cxr.verbs.score.batch import SortedFiles, rows_of
from spark_cxr.verbs.score.results import Totals
from spark_cxr.verbs.score.table import QUARANTINED, SCORED, Table

BAD_VECTOR = "bad_vector"
MOST_NUMBERS = 1 << 24
"""Numbers of a table that one process reads at once, 64 MB: more go to Spark's workers."""
ROWS_AT_ONCE = 1024
NOT_FOR_VECTORS = {
    "images": "Name one of the two",
    "watch": "Run it again when the table has more rows",
    "explain": "Heat needs films",
    "precision": "The vectors are as they are",
}
"""Settings of `score` that need films, and what to do instead."""
NOT_CHECKED = ("what made the vectors", "colour, damage and negatives, which films would show")
Known = set[bytes]


@dataclass(frozen=True)
class VectorRun:
    """All that stays the same from batch to batch."""

    scorer: Model
    table: Table
    name: str
    """Begins the names of the files that this run commits."""
    at_once: int
    """Rows of one commit."""
    rescores: bool
    check: Callable[[], None]
    """Refuses a commit where another run has taken the table over."""

    @property
    def model(self) -> str:
        """Give what stands in the column `model`."""
        return self.scorer.manifest.identity


def check_vector_settings(settings: Score) -> None:
    """Refuse what only films can be asked, beside --features."""
    for name, way_out in NOT_FOR_VECTORS.items():
        if value := getattr(settings, name):
            shown = " ".join(value) if isinstance(value, tuple) else value
            raise ConfigError("--features alone", f"--{name}={shown}", way_out)


def vectors_may_wait(settings: Score) -> bool:
    """Tell whether the table may be so small that no session is needed."""
    source = VectorSource.of(settings)
    return not source.is_name and is_here(source.address)


def score_vectors(
    session: LateSession, run: VectorRun, settings: Score, output: Output, totals: Totals
) -> VectorTable:
    """Score the rows that the table of predictions does not have, and count them."""
    source, manifest = VectorSource.of(settings), run.scorer.manifest
    totals.passes, totals.unit = 1, "vectors"
    known = _known(run)
    if session.started is None and _are_few(source, manifest.features):
        table = table_of_files(source)
        check_same(manifest, table)
        _commit(run, _in_this_process(table, run.scorer), known, totals)
        return table
    spark: SparkSession = session.get()
    table, plain = open_table(spark, source)
    check_same(manifest, table)
    with staged(output) as keep:
        rows = keep(in_one_form(plain, table, {}))
        length = check_rows(rows, table, keeps=True).length
        _check_length(length, manifest, table)
        _commit(run, _on_workers(rows, run.scorer.predictor), known, totals)
    return table


def check_same(manifest: Manifest, table: VectorTable) -> None:
    """Refuse a model that takes films, and vectors that say they are of another network.

    Raises:
        InputError: It is so.
    """
    if manifest.takes_films:
        received = f"{manifest.name}, whose network {manifest.backbone} makes its own"
        expected = "a model that was trained with --features FILE.parquet"
        raise InputError(expected, received, "Give it films: --images DIR")
    then = manifest.vectors.get("key", "")
    if then and table.network_key and then != table.network_key:
        received = f"{table.source.shown} of {table.network_key}"
        raise InputError(f"vectors of {then}", received, "Export those of the same network")


def _check_length(length: int, manifest: Manifest, table: VectorTable) -> None:
    if length != manifest.features:
        expected = f"vectors of {manifest.features:,} numbers, as {manifest.name} has learned from"
        received = f"{table.source.shown} of {length:,}"
        raise InputError(expected, received, "Take vectors of the same network")


def _are_few(source: VectorSource, length: int) -> bool:
    return bool(open_dataset(source).count_rows() * length <= MOST_NUMBERS)


def _in_this_process(table: VectorTable, scorer: Model) -> list[ScoredFile]:
    """Read, check and score a small table."""
    rows, digests = list[tuple[str, Vector, str, str]](), dict[str, str]()
    doubled = set[str]()
    for batch in batches_of(table.source, [table.key, table.column], ROWS_AT_ONCE):
        keys = batch[table.key].cast(pa.string()).to_pylist()
        for key, row in zip(keys, vector_rows(batch[table.column]), strict=True):
            fault = row.fault if (key or "").strip() else NO_KEY
            if not fault:
                _check_length(len(row.values), scorer.manifest, table)
                if digests.setdefault(key, row.digest) != row.digest:
                    doubled.add(key)
            rows.append((key or "", row.values, row.digest, fault))
    if doubled:
        named = few([shortened(key) for key in sorted(doubled)], EXAMPLES)
        received = f"{table.source.shown}: {named} with several"
        way_out = "Leave one of them, or name another column with --features-key"
        raise InputError("one vector for each key", received, way_out)
    return [scored_file(_scored(scorer.predictor, *row)) for row in rows]


def _on_workers(rows: DataFrame, predictor: Predictor) -> Iterator[ScoredFile]:
    """Score on Spark's workers; predictions come partition by partition."""

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = [batch[name].to_pylist() for name in (KEY, DIGEST, FAULT)]
            vectors = (row.values for row in vector_rows(batch[FEATURES]))
            found = [
                _scored(predictor, key or "", vector, digest, fault)
                for vector, key, digest, fault in zip(vectors, *texts, strict=True)
            ]
            yield pa.RecordBatch.from_pylist(found, schema=arrow_schema(SCORED_FILES))

    scored = rows.mapInArrow(score, SCORED_FILES)
    return (scored_file(row.asDict()) for row in scored.toLocalIterator())


def _scored(
    predictor: Predictor, key: str, vector: Vector, digest: str, fault: str
) -> dict[str, Any]:
    """Give what becomes of one row (`SCORED_FILES`)."""
    row: dict[str, Any] = {"path": key, "bytes": vector.nbytes, "is_same": False}
    row |= {"is_unsettled": False}
    if fault:
        return {**row, "bytes": 0, "reason": BAD_VECTOR, "detail": fault}
    return {**row, "sha256": digest, **prediction_row(predictor.predict(vector))}


def _commit(run: VectorRun, files: Iterable[ScoredFile], known: Known, totals: Totals) -> None:
    """Commit what is new, some rows at a time, each in one of two tables."""
    left, number = iter(files), 0
    while batch := list(islice(left, run.at_once)):
        totals.listed += len(batch)
        placed = {_place(file.path, file.sha256): file for file in batch}
        new = [file for place, file in placed.items() if place not in known]
        if not new:
            continue
        known.update(placed)
        number += 1
        found = SortedFiles(
            scored=[file for file in new if file.reason is None],
            quarantined=[file for file in new if file.reason],
        )
        run.check()
        at, name = datetime.now(UTC), f"{run.name}-{number:05d}"
        scored_by: Mapping[str, Mapping[str, str]] = defaultdict(dict)
        for kind, some in ((SCORED, found.scored), (QUARANTINED, found.quarantined)):
            if some:
                run.table.append(kind, rows_of(kind, some, run.model, at, scored_by), name, at)
        totals.add(len(new), found)


def _known(run: VectorRun) -> Known:
    """Read which rows need no second look: by key and content, 16 bytes of each."""
    known = Known()
    for kind in (SCORED, QUARANTINED):
        for batch in run.table.keys(kind):
            names = ("path", "sha256", "model")
            for path, sha256, model in zip(*(batch[n].to_pylist() for n in names), strict=True):
                if not run.rescores or model == run.model:
                    known.add(_place(path, sha256))
    return known


def _place(path: str, sha256: str | None) -> bytes:
    return hashlib.blake2b(f"{sha256 or ''} {path}".encode(), digest_size=16).digest()
