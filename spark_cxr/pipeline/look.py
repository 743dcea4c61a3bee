"""Files → one row each, in one pass: what a file is as an image, and its vector if one is wanted.

A film is decoded once, however much is made of it: with large films decoding is most of the work.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.featurize import Shown, stream
from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Film, Limits
from spark_cxr.images.fingerprint import fingerprint
from spark_cxr.images.prepare import to_network
from spark_cxr.pipeline.arrow import arrow_schema
from spark_cxr.pipeline.networks import Ready, on_this_worker
from spark_cxr.pipeline.pseudonyms import pseudonym
from spark_cxr.schemas import CONTENT, FEATURES, FILES, LOOKED, PATH, columns

WANTED = "wanted"
"""Column of the files: whether a vector is wanted of this one."""

Row = dict[str, Any]
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Recipe:
    """What the workers have to know to look at a file."""

    limits: Limits
    key: bytes | None
    """Of the pseudonyms; None where nobody asks for the patient."""
    patient_regex: str


@dataclass(frozen=True)
class File:
    """A file in an Arrow batch; its bytes are taken out where they are worked on, not before."""

    batch: pa.RecordBatch
    index: int

    def bytes(self) -> bytes:
        """Copy the content out of the batch."""
        return self.batch[CONTENT][self.index].as_py()

    def row(self) -> Row:
        """Give all but the content."""
        names = (name for name in columns(FILES) if name != CONTENT)
        return {name: self.batch[name][self.index].as_py() for name in names}

    @property
    def weight(self) -> int:
        """Say how many bytes the content has."""
        return len(self.batch[CONTENT][self.index].as_buffer())

    @property
    def is_wanted(self) -> bool:
        """Say whether the network is to see it."""
        return bool(self.batch[WANTED][self.index].as_py())


def look(files: DataFrame, recipe: Recipe, ready: Ready | None = None) -> DataFrame:
    """Look at every file (`schemas.LOOKED`); a network sees those whose column `wanted` is true."""
    if ready is None:
        files = files.withColumn(WANTED, F.lit(False))
    looked = files.select(*columns(FILES), WANTED).mapInArrow(looker(recipe, ready), LOOKED)
    return looked.select(*columns(LOOKED))


def looker(recipe: Recipe, ready: Ready | None) -> Callable[[Batches], Batches]:
    """Make the function that the workers run over their files."""

    def see(batches: Batches) -> Batches:
        parts = ([File(batch, i) for i in range(batch.num_rows)] for batch in batches)
        schema = arrow_schema(LOOKED)
        made = _with_vectors(parts, recipe, ready) if ready else _without(parts, recipe)
        for rows in made:
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return see


def _without(parts: Iterator[list[File]], recipe: Recipe) -> Iterator[list[Row]]:
    for files in parts:
        yield [look_at(file, recipe, None).note for file in files]


def _with_vectors(parts: Iterator[list[File]], recipe: Recipe, ready: Ready) -> Iterator[list[Row]]:
    network = on_this_worker(ready)
    size_hw = network.size_hw
    made = stream(parts, lambda file: look_at(file, recipe, size_hw), network, lambda f: f.weight)
    for rows in made:
        yield [{**row, FEATURES: vector} for row, vector in rows]


def look_at(file: File, recipe: Recipe, size_hw: tuple[int, int] | None) -> Shown[Row]:
    """Decode a file and say what it is; a bad one is a row with its reason."""
    row, content = file.row(), file.bytes()
    try:
        film = decode(content, recipe.limits)
        said = _said_of(film, content, row[PATH], recipe)
        pixels = to_network(film.pixels, size_hw) if size_hw and file.is_wanted else None
    except BadImage as bad:
        digest = hashlib.sha256(content).hexdigest()
        return Shown({**row, "sha256": digest, "reason": bad.reason, "detail": bad.detail})
    return Shown({**row, **said}, pixels)


def _said_of(film: Film, content: bytes, path: str, recipe: Recipe) -> Row:
    print_ = fingerprint(content, film)
    height, width = film.pixels.shape[:2]
    return {
        "sha256": print_.sha256,
        "format": film.format,
        "width": width,
        "height": height,
        "bits": film.bits,
        "pixels_sha256": print_.pixels_sha256,
        "looks": print_.looks,
        "patient_id": _patient(film, path, recipe),
        "view": film.view,
        "flags": list(film.flags),
    }


def _patient(film: Film, path: str, recipe: Recipe) -> str | None:
    """Give the pseudonym of the patient that the path or the film names."""
    if recipe.key is None:
        return None
    found = re.search(recipe.patient_regex, path) if recipe.patient_regex else None
    return pseudonym(recipe.key, found[1] if found else film.patient_id)
