"""Boxes of findings that readers drew, from a publisher's CSV or one of your own.

Read whole: the largest public file has 68,000 rows. What names a film, a finding and a place is
found by the columns of NIH (`Bbox [x,y,w,h]`), RSNA (`Target`) and VinDr (`x_min` to `y_max`).
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from spark_cxr.errors import ConfigError, InputError, few, nearest
from spark_cxr.images.film import Box, Size
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.csv_text import read_csv_text, uncompressed

FILM_COLUMNS = (
    *("path", "filename", "file_name", "file", "image", "image_path", "image index", "image_id"),
    *("name", "id", "patientid"),
)
FINDING_COLUMNS = ("finding", "finding label", "label", "class_name", "class", "target")
PATIENT_COLUMNS = ("patient_id", "patient id", "patient")
CORNER_SIZE = (("x", "y", "width", "height"), ("x", "y", "w", "h"))
CORNERS = (("x_min", "y_min", "x_max", "y_max"),)
IMAGE_SIZES = (("image_width", "image_height"),)
OF_VINDR = ("width", "height")
"""Of the image, where corners say what a box is."""
SYNONYMS = {"infiltrate": ("infiltration",), "1": ("pneumonia", "lungopacity")}
"""As publishers write a finding in their file of boxes, and in their file of labels: NIH, RSNA."""
NIH_SIDE = RSNA_SIDE = 1024
"""Of all films of these sets."""
SLACK = 0.02
"""Share of a side by which a box may reach over the film: readers are not that exact."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
"""With which publishers name films."""


@dataclass(frozen=True)
class DrawnBox:
    """A box of a finding, in pixels."""

    finding: str
    left: float
    top: float
    right: float
    bottom: float
    image_hw: tuple[float, float] | None
    """Of the film that it was drawn on; None: of the film at hand."""
    patient: str = ""

    def on(self, film_hw: Size) -> Box | None:
        """Give it in shares of the film; None where it lies beyond."""
        height, width = self.image_hw or film_hw
        rows = (self.top / height, self.bottom / height)
        found = Box(*rows, self.left / width, self.right / width)
        ends = (found.bottom - 1, found.right - 1, -found.top, -found.left)
        return found if max(ends) <= SLACK else None


@dataclass(frozen=True)
class BoxFile:
    """The boxes of a file, by what names their film."""

    boxes: Mapping[str, tuple[DrawnBox, ...]]

    def of(self, path: str) -> tuple[DrawnBox, ...]:
        """Find the boxes of a film by its path, more of which counts before less, or its stem.

        A film that was stored in another format than it was published in is found as well.
        """
        parts = normal(path).split("/")
        keys = ["/".join(parts[start:]) for start in range(len(parts))]
        stem = re.sub(r"\.[^.]+$", "", parts[-1])
        keys += [stem + suffix for suffix in ("", *SUFFIXES)]
        return next((self.boxes[key] for key in keys if key in self.boxes), ())

    @property
    def count(self) -> int:
        """Count the boxes."""
        return sum(map(len, self.boxes.values()))

    def named_as(self, labels: Sequence[str], same: Sequence[str]) -> BoxFile:
        """Keep the boxes of a model's labels, under their names there.

        Args:
            labels: Those of the model.
            same: What else the file calls them, like Mass=Tumour: label of the model, then name.
        """
        names = _Names.of(labels, same)
        kept = {
            key: tuple(
                replace(box, finding=name) for box in boxes if (name := names.find(box.finding))
            )
            for key, boxes in self.boxes.items()
        }
        if not any(kept.values()):
            there = sorted({box.finding for boxes in self.boxes.values() for box in boxes})
            way_out = "Say which are the same with --box-findings LABEL=NAME"
            expected = f"boxes of a label of the model ({few(labels, 12)})"
            raise InputError(expected, f"boxes of {few(there, 12)}", way_out)
        return BoxFile({key: boxes for key, boxes in kept.items() if boxes})


@dataclass(frozen=True)
class _Names:
    """The labels of a model by what a file may call them."""

    known: Mapping[str, str]

    @classmethod
    def of(cls, labels: Sequence[str], same: Sequence[str]) -> _Names:
        known = {_plain(label): label for label in labels}
        for word in same:
            label, sign, names = word.partition("=")
            if not sign or label not in labels:
                expected = "--box-findings like LABEL=NAME, with a label of the model"
                raise ConfigError(expected, word, nearest(label, labels))
            known |= {_plain(name): label for name in names.split("+")}
        return cls(known)

    def find(self, name: str) -> str:
        """Give the model's label for a name of the file; empty: it has none."""
        names = (_plain(name), *SYNONYMS.get(_plain(name), ()))
        return next((self.known[each] for each in names if each in self.known), "")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@dataclass(frozen=True)
class _BoxColumns:
    """Which columns say what."""

    film: str
    finding: str
    place: tuple[str, ...]
    is_corners: bool
    image: tuple[str, ...]
    """Width and height."""
    patient: str
    side: int
    """Of all films of the set, where the form of the file says it."""


def read_boxes(path: str, size: int = 0) -> BoxFile:
    """Read a file of boxes; `size` is the side of the films that they were drawn on, 0: see file.

    Raises:
        InputError: There is no such file, or it is none of boxes.
    """
    store, inside = locate(absolute(path))
    try:
        with store.open_input_stream(inside, compression=None) as stream:
            data = stream.read()
    except OSError as error:
        raise InputError("a file of boxes", f"{path} ({error})", "Check --boxes") from None
    text = read_csv_text(uncompressed(data, path), path).text
    rows = csv.reader(io.StringIO(text, newline=""))
    header = [_column(name) for name in next(rows, [])]
    columns = _columns(header, path)
    found: dict[str, list[DrawnBox]] = {}
    for cells in rows:
        row = dict(zip(header, cells, strict=False))
        for box in _boxes(row, columns, size, f"{path}, line {rows.line_num:,}"):
            found.setdefault(normal(row.get(columns.film, "")), []).append(box)
    if not found:
        raise InputError("a file with boxes", f"{path}: no row has one", "Check --boxes")
    return BoxFile({key: tuple(boxes) for key, boxes in found.items()})


def normal(path: str) -> str:
    """Write a path without what only says where it starts."""
    forward = unicodedata.normalize("NFC", path.strip()).replace("\\", "/")
    return re.sub(r"^(file:/+|\./|/+)", "", forward)


def _column(name: str) -> str:
    """Bring a heading down to what it says: NIH's box is four columns under one."""
    return name.strip().lower().removeprefix("bbox [").removesuffix("]")


def _columns(header: Sequence[str], path: str) -> _BoxColumns:
    place = next((p for p in (*CORNERS, *CORNER_SIZE) if set(p) <= set(header)), ())
    is_corners = place in CORNERS
    received = f"{path} with columns {few(header, 12)}"
    if not place:
        expected = "columns x, y, width, height, or x_min, y_min, x_max, y_max"
        raise InputError(expected, received, "Name them so")
    sizes = (*IMAGE_SIZES, OF_VINDR) if is_corners else IMAGE_SIZES
    finding = _first(header, FINDING_COLUMNS)
    film = _first(header, FILM_COLUMNS)
    if not (film and finding):
        expected = f"a column {'with the finding' if film else 'that names the film'}"
        way_out = f"Name it {(FINDING_COLUMNS if film else FILM_COLUMNS)[0]}"
        raise InputError(expected, received, way_out)
    is_rsna = film == "patientid" and finding == "target"
    return _BoxColumns(
        film=film,
        finding=finding,
        place=place,
        is_corners=is_corners,
        image=next((pair for pair in sizes if set(pair) <= set(header)), ()),
        patient=_first(header, PATIENT_COLUMNS),
        side=RSNA_SIDE if is_rsna else NIH_SIDE if film == "image index" else 0,
    )


def _first(header: Sequence[str], names: Sequence[str]) -> str:
    return next((name for name in names if name in header), "")


def _boxes(
    row: Mapping[str, str], columns: _BoxColumns, size: int, where: str
) -> Iterator[DrawnBox]:
    """Read the box of a row; a row without a place has none."""
    cells = [row.get(name, "").strip() for name in columns.place]
    if not any(cells):
        return
    x, y, across, down = (_number(cell, where) for cell in cells)
    right, bottom = (across, down) if columns.is_corners else (x + across, y + down)
    if right <= x or bottom <= y:
        raise InputError("a box with width and height", where, "Correct that line")
    yield DrawnBox(
        *(row.get(columns.finding, "").strip(), x, y, right, bottom),
        _image_size(row, columns, size, where),
        row.get(columns.patient, "").strip(),
    )


def _image_size(
    row: Mapping[str, str], columns: _BoxColumns, size: int, where: str
) -> tuple[float, float] | None:
    if side := size or (0 if columns.image else columns.side):
        return float(side), float(side)
    cells = [row.get(name, "").strip() for name in columns.image]
    if not all(cells) or not cells:
        return None
    width, height = (_number(cell, where) for cell in cells)
    if min(width, height) <= 0:
        raise InputError("an image with width and height", where, "Correct that line")
    return height, width


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError("a number for each side of a box", where, "Correct that line")
    return value
