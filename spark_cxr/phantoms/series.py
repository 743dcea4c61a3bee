"""A whole set of phantoms: who has which films in which formats, and the manifest that says so."""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spark_cxr.errors import ConfigError
from spark_cxr.phantoms.anatomy import Dice
from spark_cxr.phantoms.broken import KINDS, break_film, format_of
from spark_cxr.phantoms.drawing import MARKERS, Drawing, draw
from spark_cxr.phantoms.encoding import (
    PHOTOMETRICS,
    SYNTAXES,
    Owner,
    encode_dicom,
    encode_jpeg,
    encode_mask,
    encode_png,
    to_8_bits,
)
from spark_cxr.phantoms.findings import CLASSES

FORMATS = {"png": "png", "jpeg": "jpg", "dicom": "dcm"}
"""Format → suffix of its files."""
MANIFEST_COLUMNS = ("path", "label", "patient_id", "view", "source", "expected_reason", "mask")
MASK_FOLDER = "_masks"
"""Spark leaves out what starts with an underscore: no mask is ever taken for a film."""
MIN_SIZE = 64


@dataclass(frozen=True)
class Series:
    """What a set consists of; with a seed it fixes every byte."""

    count: int
    seed: int = 1
    size: int = 256
    formats: tuple[str, ...] = tuple(FORMATS)
    bad: int = 0
    masks: bool = False
    marker: str = "side"

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn, before anything is."""
        _check("a count of at least 1", "count", self.count, self.count >= 1)
        _check("a seed of at least 0", "seed", self.seed, self.seed >= 0)
        _check(f"a size of at least {MIN_SIZE} pixels", "size", self.size, self.size >= MIN_SIZE)
        _check("bad from 0 to count", "bad", self.bad, 0 <= self.bad <= self.count)
        known = bool(self.formats) and all(name in FORMATS for name in self.formats)
        _check(f"formats among {', '.join(FORMATS)}", "formats", self.formats, known)
        _check(f"marker among {', '.join(MARKERS)}", "marker", self.marker, self.marker in MARKERS)


@dataclass(frozen=True)
class Slot:
    """One file of a set, known before it is drawn."""

    label: str
    patient: int
    film: int
    format: str
    variant: int
    """Counts the files of a format, so that its variants take turns."""
    expected_reason: str


@dataclass(frozen=True)
class Phantom:
    """One file of a set, ready to be written."""

    name: str
    """Path inside the set, such as Pneumonia/s1p0007_1.png."""
    label: str
    patient_id: str
    view: str
    format: str
    expected_reason: str
    """Empty for a good film, else the reason for which readers must set it aside."""
    size_hw: tuple[int, int]
    data: bytes
    mask: bytes | None

    @property
    def mask_name(self) -> str:
        """Path of the lung mask inside the set, empty without one."""
        return f"{MASK_FOLDER}/{self.name.rpartition('.')[0]}.png" if self.mask else ""


def phantoms(
    count: int,
    seed: int = 1,
    size: int = 256,
    formats: Sequence[str] = tuple(FORMATS),
    bad: int = 0,
    *,
    masks: bool = False,
    marker: str = "side",
) -> Iterator[Phantom]:
    """Draw a set of `count` files, the last `bad` of them broken, one at a time."""
    series = Series(count, seed, size, tuple(formats), bad, masks, marker)
    return (make(series, slot) for slot in plan(series))


def plan(series: Series) -> list[Slot]:
    """Say what each file will be; any part of the plan can be made alone, anywhere.

    Patients come in threes, one of each class, each with the same number of films (1 to 4), which
    are dealt in turns in a drawn order: classes stay balanced, and neither the number of a patient
    nor the format of a file tells the class. A longer set starts with the films of a shorter one.
    """
    people = _people(series.seed)
    good = series.count - series.bad
    slots = []
    for index in range(series.count):
        label, patient, film = next(people)
        reason = "" if index < good else KINDS[(index - good) % len(KINDS)]
        form = format_of(reason, series.formats[index % len(series.formats)])
        slots.append(Slot(label, patient, film, form, index // len(series.formats), reason))
    return slots


def make(series: Series, slot: Slot) -> Phantom:
    """Draw and encode one file of a set."""
    drawing = draw(
        slot.label,
        series.seed,
        patient=slot.patient,
        film=slot.film,
        size=series.size,
        marker=series.marker,
    )
    # The seed is part of the name: sets of two seeds share no patient.
    owner = Owner(f"s{series.seed}p{slot.patient:04d}", slot.film)
    is_good = not slot.expected_reason
    return Phantom(
        name=f"{slot.label}/{owner.patient_id}_{slot.film}.{FORMATS[slot.format]}",
        label=slot.label,
        patient_id=owner.patient_id,
        view=drawing.view,
        format=slot.format,
        expected_reason=slot.expected_reason,
        size_hw=(drawing.grey12.shape[0], drawing.grey12.shape[1]),
        data=_encode(slot, drawing, owner),
        mask=encode_mask(drawing.lungs) if series.masks and is_good else None,
    )


def manifest_row(phantom: Phantom) -> tuple[str, ...]:
    """Return the line of one file in the manifest, in the order of `MANIFEST_COLUMNS`."""
    who = (phantom.name, phantom.label, phantom.patient_id, phantom.view)
    return (*who, "phantom", phantom.expected_reason, phantom.mask_name)


def manifest_csv(rows: Sequence[tuple[str, ...]]) -> str:
    """Return the manifest as CSV text with its header, lines sorted by path."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([MANIFEST_COLUMNS, *sorted(rows)])
    return text.getvalue()


def _people(seed: int) -> Iterator[tuple[str, int, int]]:
    """Yield class, patient and film without end."""
    row = 0
    for trio in itertools.count():
        dice = Dice(seed, "trio", trio)
        numbers = dict(zip(dice.shuffled(CLASSES), range(3 * trio, 3 * trio + 3), strict=True))
        for film in range(1, dice.whole(1, 4) + 1):
            for label in _row(seed, row):
                yield label, numbers[label], film
            row += 1


def _row(seed: int, row: int) -> list[str]:
    """Return the order of the classes in a row of three files.

    Three rows make a drawn Latin square: each class is in each place once, so that three formats in
    turn are shared out equally.
    """
    dice = Dice(seed, "square", row // 3)
    first = dice.shuffled(CLASSES)
    turn = dice.shuffled(range(3))[row % 3]
    return first[turn:] + first[:turn]


def _encode(slot: Slot, drawing: Drawing, owner: Owner) -> bytes:
    """Write the drawing in the format and variant of its slot."""
    if slot.expected_reason:
        return break_film(slot.expected_reason, drawing, owner, slot.format)
    if slot.format == "png":
        return encode_png(drawing.grey12, (8, 16)[slot.variant % 2])
    if slot.format == "jpeg":
        return encode_jpeg(to_8_bits(drawing.grey12))
    return encode_dicom(drawing, owner, PHOTOMETRICS[slot.variant % 2], SYNTAXES[slot.variant % 3])


def _check(expected: str, name: str, value: object, is_right: bool) -> None:
    """Refuse a wrong setting in the words that every job uses."""
    if not is_right:
        raise ConfigError(expected, f"{name}={value!r}", f"Choose another {name}")
