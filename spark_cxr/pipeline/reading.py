"""Files → one row each, in one pass: what a file is as an image, and its vectors.

A film is decoded once, whatever it is needed for: with large films decoding is most of the work.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import vectors_by
from spark_cxr.errors import BadImage
from spark_cxr.images.clock import Clock
from spark_cxr.images.film import Film, Limits, Pixels
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, View, opener
from spark_cxr.images.fingerprint import fingerprint
from spark_cxr.images.fit import Fit, fitted
from spark_cxr.images.prepare import to_network
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.progress import Watch
from spark_cxr.pipeline.pseudonyms import pseudonym
from spark_cxr.schemas import FILES, LABEL, LOOKED, PATH, columns

WANTED = "wanted"
"""Column of the files: for each network, whether it is to have this film."""
COPIED = "copied"
"""Column of the files: of which share of their contents, by lot, copies are kept."""
LOTS = 16**15
"""So many lots there are."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """What the workers need to know to read a file."""

    limits: Limits
    key: bytes | None
    """Of the pseudonyms; None where the patient is not wanted."""
    patient_regex: str
    is_wary: bool = False
    """A worker has died of one of the files: each is decoded in a child process."""


@dataclass(frozen=True)
class Copies:
    """What a run keeps of films while they are decoded, so that it need not decode them again."""

    ddl: str
    """The columns, each null where nothing is kept."""
    of: Callable[[Pixels], Row]
    labels: tuple[str, ...] | None = None
    """Only of films of these labels; empty: of any label; None: of all films."""
    most: int = 0
    """Of each label, those whose lot is the lowest, and some to spare; 0: all."""
    seed: int = 0
    """Of the lots."""


def is_wanted(labels: tuple[str, ...] | None) -> Column:
    """Say of a film's label whether it is one of these; empty: any label; None: also none."""
    if labels is None:
        return F.lit(True)
    wanted = F.col(LABEL).isin(*labels) if labels else F.col(LABEL).isNotNull()
    return F.coalesce(wanted, F.lit(False))


def lot_of(seed: int, sha256: Column) -> Column:
    """Draw a lot for a content: the same on any number of partitions."""
    digest = F.sha2(F.concat(F.lit(f"{seed}:"), sha256), 256)
    return F.conv(F.substring(digest, 1, 15), 16, 10).cast("bigint")


def lot(seed: int, sha256: str) -> int:
    """Draw the same lot (`lot_of`) on a worker."""
    return int(hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()[:15], 16)


def copied_share(copies: Copies, labels: DataFrame) -> Column:
    """Say of a file with its label which share of such are copied; `labels` has those of all."""
    wanted = is_wanted(copies.labels).cast("double")
    if not copies.most:
        return wanted
    counts = labels.where(F.col(LABEL).isNotNull()).groupBy(LABEL).count().collect()
    if not counts:
        return wanted
    # Files that turn out to be no films are among those counted: twice as many leaves room.
    shares = {row[LABEL]: min(1.0, (2 * copies.most + 50) / row["count"]) for row in counts}
    share = F.create_map(*(F.lit(x) for pair in shares.items() for x in pair))[F.col(LABEL)]
    return wanted * F.coalesce(share, F.lit(1.0))


@dataclass(frozen=True)
class Digests:
    """Contents whose vectors are known: halves of their digests, sorted, as they go to workers."""

    halves: NDArray[np.bytes_]

    def __contains__(self, sha256: str) -> bool:
        """Tell whether a content is among them."""
        half = np.array(bytes.fromhex(sha256[:32]), "S16")[()]  # as the array gives them
        place = np.searchsorted(self.halves, half)
        return bool(place < len(self.halves) and self.halves[place] == half)


@dataclass(frozen=True)
class Viewer:
    """A network of a pass over files, and the contents that it need not be shown."""

    plan: Plan
    known: Digests | None = None


def look(
    files: DataFrame,
    reading: Reading,
    viewers: Sequence[Viewer] = (),
    copies: Copies | None = None,
    watch: Watch | None = None,
) -> DataFrame:
    """Decode every file (`schemas.LOOKED`), and keep copies of some.

    Each network runs on the films whose column `wanted` says so; without it, on all.
    """
    ddl = f"{LOOKED}, {copies.ddl}" if copies else LOOKED
    for name, kind in ((WANTED, "array<boolean>"), (COPIED, "double")):
        if name not in files.columns:
            files = files.withColumn(name, F.lit(None).cast(kind))
    files = files.select(*columns(FILES), WANTED, COPIED)
    rows = over_films(files, lambda: reading_pass(reading, viewers, copies), ddl, watch)
    return rows.select(*columns(ddl))


def reading_pass(
    reading: Reading, viewers: Sequence[Viewer] = (), copies: Copies | None = None
) -> TablePass:
    """Make the pass that reads files, and shows films to the networks that want them."""
    here, clock = [on_this_worker(viewer.plan) for viewer in viewers], Clock()

    def is_shown(file: TableFile, content: Content, number: int) -> bool:
        wanted, known = file[WANTED], viewers[number].known
        return (wanted is None or wanted[number]) and not (known and content.sha256 in known)

    def is_kept(copies: Copies, file: TableFile, content: Content) -> bool:
        share = file[COPIED]
        return share is None or lot(copies.seed, content.sha256) < share * LOTS

    def look_at(file: TableFile, content: Content, film: Film) -> FilmViews[Row]:
        with clock.stage("resizing"):
            views = tuple(
                View(plan.network.film(film.pixels), number)
                for number, plan in enumerate(here)
                if is_shown(file, content, number)
            )
        with clock.stage("fingerprints"):
            row = {**_file_row(file), **_film_row(film, content, file[PATH], reading)}
        if copies and is_kept(copies, file, content):
            with clock.stage("resizing"):
                row |= copies.of(film.pixels)
        return FilmViews({**row, "seen_by": [view.network for view in views]}, views)

    def refuse(file: TableFile, content: Content, bad: BadImage) -> Row:
        digest = None if bad.reason == "unreadable" else content.sha256
        why = {"sha256": digest, "reason": bad.reason, "detail": bad.detail}
        return {**_file_row(file), **why, "seen_by": []}

    def row(note: Row, found: tuple[Any, ...]) -> Row:
        vectors = dict(zip(note.pop("seen_by"), found, strict=True))
        return {**note, "vectors": [vectors.get(number) for number in range(len(here))]}

    threads = max((plan.threads for plan in here), default=1)
    runners = tuple(vectors_by(plan) for plan in here)
    open_ = opener(look_at, refuse, reading.limits, is_wary=reading.is_wary, clock=clock)
    return FilmPass(open_, row, runners, threads, clock=clock)


COPY = "shape array<int>, pixels binary"
"""A film in the size of a network: grey levels (height, width), or colours (height, width, 3)."""


def small_copies(fit: Fit, labels: tuple[str, ...] | None) -> Copies:
    """Keep films in the size of a network, as `COPY`."""
    return Copies(COPY, lambda pixels: packed(fitted(pixels, fit)), labels)


def packed(pixels: Pixels) -> Row:
    """Give pixels as the columns of `COPY`."""
    return {"shape": list(pixels.shape), "pixels": np.ascontiguousarray(pixels).tobytes()}


def copied(content: bytes, shape: Sequence[int]) -> Pixels:
    """Give the pixels of a `COPY`."""
    return np.frombuffer(content, np.uint8).reshape(shape)


def film_of_copy(file: TableFile, size_hw: tuple[int, int]) -> Pixels:
    """Give a film as a network of this size takes it, from a row with `shape` and its pixels."""
    return to_network(copied(file.read(), file["shape"]), size_hw)


def _file_row(file: TableFile) -> Row:
    return {name: value for name, value in file.row().items() if name not in (WANTED, COPIED)}


def _film_row(film: Film, content: Content, path: str, reading: Reading) -> Row:
    prints = fingerprint(content.data, film)
    height, width = film.pixels.shape[:2]
    return {
        "sha256": prints.sha256,
        "format": film.format,
        "width": width,
        "height": height,
        "bits": film.bits,
        "pixels_sha256": prints.pixels_sha256,
        "looks": prints.looks,
        "patient_id": _patient(film, path, reading),
        "view": film.view,
        "flags": list(film.flags),
        **asdict(film.demographics),
    }


def _patient(film: Film, path: str, reading: Reading) -> str | None:
    """Give the pseudonym of the patient that the path or the film names."""
    if reading.key is None:
        return None
    found = re.search(reading.patient_regex, path) if reading.patient_regex else None
    # Of expressions of several data sets only the one that matched has its group.
    named = next((group for group in found.groups() if group), None) if found else film.patient_id
    return pseudonym(reading.key, named)
