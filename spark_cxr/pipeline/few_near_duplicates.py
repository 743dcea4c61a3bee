"""Near-duplicates of few films, in one task, without joins: what `near_duplicates` finds.

A dozen joins cost Spark seconds to plan and to run, however little they join. Up to `FEW` films one
worker lays every hash beside every other; both ways find the same pairs, which a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from spark_cxr.images.fingerprint import BITS, bands, hashes, unpacked
from spark_cxr.images.likeness import VARIANTS, closer, likeness, variant
from spark_cxr.pipeline.film_pass import arrow_schema
from spark_cxr.pipeline.near_duplicates import CLOSER, EXACT, FAR, LOOKS, PIXELS
from spark_cxr.schemas import PATH, SHA256, TWINS

FEW = 10_000
"""Films whose hashes make 100 million pairs: a second and a half. To lay the near ones over each
other takes six more; the joins of as many films took twice that on two cores."""
ROWS, COMPARED = 256, 32
"""Hashes that meet all others at once, and pairs of pictures that are laid over each other so."""
Film = Mapping[str, Any]


@dataclass(frozen=True)
class TwinPair:
    """Two films that may be one, by path."""

    path_a: str
    path_b: str
    kind: str
    distance: int = 0
    likeness: float = EXACT


def find_few_twins(images: DataFrame, least: float) -> DataFrame:
    """Find the pairs of films that are one (`schemas.TWINS`) among `FEW` at most."""

    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        films = [film for batch in batches for film in batch.to_pylist()]
        digests = {film[PATH]: film[SHA256] for film in films}
        rows = [
            {**vars(p), "sha256_a": digests[p.path_a], "sha256_b": digests[p.path_b]}
            for p in twins_among(films, least)
        ]
        yield pa.RecordBatch.from_pylist(rows, arrow_schema(TWINS))

    return images.select(PATH, SHA256, PIXELS, LOOKS).repartition(1).mapInArrow(find, TWINS)


def twins_among(films: Sequence[Film], least: float) -> list[TwinPair]:
    """TwinPair films that have equal bytes, equal pixels, or pictures at least so much alike."""
    files, by_bytes = _copies(films, SHA256, "bytes")
    pictures, by_pixels = _copies(files, PIXELS, "pixels")
    found = by_bytes + by_pixels
    shown = {str(film[PATH]): film[LOOKS] for film in pictures if film[LOOKS] is not None}
    return found + (_alike(shown, least) if least < EXACT and shown else [])


def _copies(films: Sequence[Film], key: str, kind: str) -> tuple[list[Film], list[TwinPair]]:
    """Give the first film of each key, and each other film beside it."""
    firsts, pairs = dict[object, Film](), list[TwinPair]()
    for film in sorted(films, key=lambda film: str(film[PATH])):
        first = firsts.setdefault(film[key], film)
        if first is not film:
            pairs.append(TwinPair(str(first[PATH]), str(film[PATH]), kind))
    return list(firsts.values()), pairs


def _alike(shown: Mapping[str, bytes], least: float) -> list[TwinPair]:
    """Lay the pictures of each proposed pair over each other, and keep those that are alike."""
    paths = sorted(shown)
    films = unpacked([shown[path] for path in paths])
    place, kept = {path: i for i, path in enumerate(paths)}, list[TwinPair]()
    proposed = _proposed(paths, hashes(films), hashes(closer(films, CLOSER)))
    for start in range(0, len(proposed), COMPARED):
        some = proposed[start : start + COMPARED]
        ones = films[[place[pair.path_a] for pair in some]]
        others = films[[place[pair.path_b] for pair in some]]
        kinds = np.array([pair.kind for pair in some], object)
        for kind in VARIANTS:
            others[kinds == kind] = variant(others[kinds == kind], kind)
        scores = likeness(ones, others).astype(np.float64)
        kept += [
            TwinPair(p.path_a, p.path_b, p.kind, p.distance, float(score))
            for p, score in zip(some, scores, strict=True)
            if score >= least
        ]
    return kept


def _proposed(
    paths: Sequence[str], whole: NDArray[np.int64], rimless: NDArray[np.int64]
) -> list[TwinPair]:
    """Propose pairs of pictures with equal or near hashes; of equal hashes the first counts."""
    firsts, equal = dict[tuple[int, ...], int](), list[TwinPair]()
    for i, pair in enumerate(map(tuple, whole.tolist())):
        if (first := firsts.setdefault(pair, i)) != i:
            equal.append(TwinPair(paths[first], paths[i], VARIANTS[0]))
    order = [firsts[pair] for pair in sorted(firsts)]
    names = [paths[i] for i in order]
    near = _near(whole[order], (whole[order], rimless[order]))
    return equal + [
        TwinPair(names[a], names[b], kind, distance) for (a, b), (distance, kind) in near.items()
    ]


def _near(
    hashed: NDArray[np.int64], shown: Sequence[NDArray[np.int64]]
) -> dict[tuple[int, int], tuple[int, str]]:
    """Give pairs that share a piece and that some variant brings near, with the nearest one."""
    found: dict[tuple[int, int], tuple[int, str]] = {}
    signs, pieces = _signs(hashed), bands(hashed)
    for others in shown:
        other_signs, other_pieces = _signs(others), bands(others)
        for start in range(0, len(hashed), ROWS):
            even, odd = signs[:, start : start + ROWS] @ other_signs.swapaxes(1, 2)
            one, other = np.nonzero(np.abs(even) + np.abs(odd) >= 2 * (BITS - FAR))
            even, odd, one = even[one, other], odd[one, other], one + start
            share = (pieces[one] == other_pieces[other]).any(axis=1) & (one != other)
            for at in np.flatnonzero(share):
                ends = (int(min(one[at], other[at])), int(max(one[at], other[at])))
                best = _nearest(float(even[at]), float(odd[at]))
                found[ends] = min(best, found.get(ends, best))
    return found


def _signs(hashed: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give hashes as (2, film, bits) of 1 and -1: the product of two is equal bits less others."""
    bits = np.unpackbits(hashed.view(np.uint8).reshape(len(hashed), 2, 8), axis=2)
    return np.ascontiguousarray(bits.swapaxes(0, 1), np.float32) * 2 - 1


def _nearest(even: float, odd: float) -> tuple[int, str]:
    """Name the nearest variant and its distance; a negative turns all bits, a mirror odd ones."""
    alike = (even + odd, -even - odd, even - odd, odd - even)
    return int(BITS - max(alike) / 2), VARIANTS[int(np.argmax(alike))]
