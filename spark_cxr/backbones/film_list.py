"""The films that a network was trained on, as hashes: to find them in a test.

A list travels with its network: in a Keras file that was trained here as a member of it, and for
the network of this package as a file beside it.

Of each film it has 104 bytes, and no picture. Eight are a keyed hash of the digest of its pixels.
The others are for near-duplicates: the signs of 256 coarse waves of the film, its local contrast
evened out, are cut into 48 pieces (`fingerprint.pieces`), and of each piece two bytes of a keyed
hash are kept. Whoever has a film can ask whether it is there. Whoever has the list alone and tries
out all values of all pieces gets signs back, without a size: no film can be drawn from them. The
key stands in the list and derives from the films themselves, so that the same training gives the
same bytes.

A film is a near-duplicate if it shares 7 pieces with one of the list, as it is or with a rim of 3 %
taken off or put on. Measured on the 7,849 films that CXRNet was trained on. Copies of 400 of them
that were found: all that were saved as JPEG of quality 50, halved, enlarged, squashed to a square,
mirrored, inverted, or changed by a gamma of 0.7 or 1.5; 98.8 % with 2 % cropped off, 98 % with a
changed window, 95 % with 4 % cropped off, 16 % with 6 %; 81 % rotated by one degree; 55 % with a
letter pasted in. Of films of other sets seven were found: 5 of the 4,083 of Kermany without known
near-duplicates, all of which are real near-duplicates (likeness 0.99), and 2 of Ozturk's 1,124, of
which one probably is (0.97) and the other was not checked.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.backbones.weights import Weights, embedded_file
from spark_cxr.errors import WeightsError
from spark_cxr.images.fingerprint import Stack, pieces, signs, unpacked
from spark_cxr.images.likeness import closer

MEMBER = "spark_cxr.films"
"""In a Keras file."""
SUFFIX = ".films"
"""Of the file beside the network of this package."""
EXACT, NEAR = "exact", "near"
SIGNS = 128
"""Of each of the two halves. With 64, which `dedup` has, strangers are near too often."""
PIECES = 48
LEAST = 7
"""Pieces that near-duplicates have in common."""
RIMS = (0.0, -0.03, 0.03)
"""Shares of the side that are taken off a film, or put on, before it is looked up."""
_MAGIC = b"spark_cxr films 1\n"
_SALT = 16
_ROW = np.dtype([("exact", "<u8"), ("near", "<u2", (PIECES,))])

Rows = NDArray[np.void]


@dataclass(frozen=True)
class FilmList:
    """The films of one training."""

    salt: bytes
    rows: Rows
    """`_ROW`, a film a row, in an order that says nothing."""

    @classmethod
    def of(cls, salt: bytes, rows: Sequence[bytes]) -> FilmList:
        """Make a list of rows that come from several calls, `film_rows` each."""
        return cls(salt, np.frombuffer(b"".join(sorted(rows)), _ROW))

    def find(self, digests: Sequence[str], looks: Sequence[bytes | None]) -> list[str | None]:
        """Say of each film whether it is `exact` or `near` one of these, or neither.

        Args:
            digests: `pixels_sha256` of the films.
            looks: Their thumbnails; None where a film has none.
        """
        exact = np.isin([_digest(self.salt, each) for each in digests], self.rows["exact"])
        found: list[str | None] = [EXACT if each else None for each in exact]
        left = [i for i, each in enumerate(looks) if each is not None and found[i] is None]
        films = unpacked([looks[i] or b"" for i in left])
        for i, shared in zip(left, self._most_shared(films), strict=True):
            found[i] = NEAR if shared >= LEAST else None
        return found

    def _most_shared(self, films: Stack) -> NDArray[np.int64]:
        """Count the pieces that each film shares with the film of the list that is nearest."""
        keys, owners = self._index
        most = np.zeros(len(films), np.int64)
        for rim in RIMS if len(films) else ():
            near = _near(self.salt, closer(films, rim) if rim else films)
            wanted = _numbered(near)
            first, last = (np.searchsorted(keys, wanted, side) for side in ("left", "right"))
            for film in np.flatnonzero(near.any(axis=1)):
                ends = zip(first[film], last[film], strict=True)
                shared = np.concatenate([owners[i:j] for i, j in ends])
                counts = np.unique(shared, return_counts=True)[1]
                most[film] = max(most[film], *counts, 0)
        return most

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sort all pieces of all films, each beside the film that has it."""
        with_looks = self.rows["near"][self.rows["near"].any(axis=1)]
        keys = _numbered(with_looks).ravel()
        order = np.argsort(keys, kind="stable")
        return keys[order], order // PIECES

    def pack(self) -> bytes:
        """Write the list."""
        return self.salt + struct.pack("<I", len(self.rows)) + self.rows.tobytes()


def salt_of(count: int, lot: int) -> bytes:
    """Make the key of a list from how many films it has and a number drawn from all of them."""
    return hashlib.blake2b(f"{count}:{lot}".encode(), digest_size=_SALT).digest()


def film_rows(salt: bytes, digests: Sequence[str], looks: Sequence[bytes | None]) -> Rows:
    """Make the rows of some films, unsorted; one without looks is found by its pixels alone."""
    rows = np.zeros(len(digests), _ROW)
    rows["exact"] = [_digest(salt, each) for each in digests]
    given = [i for i, each in enumerate(looks) if each is not None]
    if given:
        rows["near"][given] = _near(salt, unpacked([looks[i] or b"" for i in given]))
    return rows


def find(
    lists: Sequence[FilmList], digests: Sequence[str], looks: Sequence[bytes | None]
) -> list[str | None]:
    """Say of each film whether it is `exact` or `near` one of any list, or neither."""
    each = [one.find(digests, looks) for one in lists]
    return [
        EXACT if EXACT in found else NEAR if NEAR in found else None
        for found in (zip(*each, strict=True) if each else [()] * len(digests))
    ]


def pack(lists: Sequence[FilmList]) -> bytes:
    """Write lists behind each other."""
    return _MAGIC + b"".join(each.pack() for each in lists)


def unpack(data: bytes) -> tuple[FilmList, ...]:
    """Read what `pack` wrote.

    Raises:
        WeightsError: it is something else, or not whole.
    """
    way_out = "Train the network again, or install spark_cxr again"
    if not data.startswith(_MAGIC):
        raise WeightsError(f"a list of films ({MEMBER})", f"{data[:18]!r}", way_out)
    found, place = [], len(_MAGIC)
    try:
        while place < len(data):
            salt, (count,) = (
                data[place : place + _SALT],
                struct.unpack_from("<I", data, place + _SALT),
            )
            place += _SALT + 4
            found.append(FilmList(salt, np.frombuffer(data, _ROW, count, place)))
            place += count * _ROW.itemsize
    except (struct.error, ValueError) as error:
        raise WeightsError("a whole list of films", str(error), way_out) from None
    return tuple(found)


def lists_of(weights: Weights) -> tuple[FilmList, ...] | None:
    """Give the lists of the films that a network was trained on, or None where it has none.

    ImageNet has no X-rays in it: networks that know nothing else have an empty tuple.
    """
    if weights.kind in ("imagenet", "random", "none") or weights.sha256 in catalog.KNOWN_FILES:
        return ()
    if weights.kind == "embedded":
        row = catalog.get(catalog.SHIPPED).embedded
        file = None if row is None else embedded_file(row).with_suffix(SUFFIX)
        data = file.read_bytes() if file and file.is_file() else None
    else:
        data = read_member(Path(weights.path))
    return None if data is None else unpack(data)


def read_member(file: Path) -> bytes | None:
    """Read the lists in a Keras file; None where it has none."""
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        return archive.read(MEMBER) if MEMBER in archive.namelist() else None


def _digest(salt: bytes, digest: str) -> int:
    hashed = hashlib.blake2b(digest.encode(), key=salt, digest_size=8).digest()
    return int.from_bytes(hashed, "little")


def _near(salt: bytes, films: Stack) -> NDArray[np.uint16]:
    """Hash the pieces of films; a picture without any detail has none, all zero."""
    bits = signs(films, SIGNS).astype(np.uint8)
    cut = pieces(bits).astype("<i8")
    data = cut.tobytes()
    each = (data[i : i + 8] for i in range(0, len(data), 8))
    hashed = (hashlib.blake2b(piece, key=salt, digest_size=2).digest() for piece in each)
    near = np.frombuffer(b"".join(hashed), "<u2").reshape(cut.shape).copy()
    near[~bits.any(axis=(1, 2))] = 0
    return near


def _numbered(near: NDArray[np.uint16]) -> NDArray[np.int64]:
    numbered: NDArray[np.int64] = near.astype(np.int64) + (np.arange(PIECES) << 16)
    return numbered
