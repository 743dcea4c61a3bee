"""A whole set of phantoms: who has which films in which formats, and the manifest that says so."""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field

from spark_cxr.errors import ConfigError
from spark_cxr.images.demographics import Demographics
from spark_cxr.phantoms.anatomy import Dice, sample_demographics
from spark_cxr.phantoms.broken import KINDS, break_film, format_of
from spark_cxr.phantoms.drawing import MARKERS, Drawing, FindingBox, draw
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
from spark_cxr.phantoms.findings import CLASSES, LEAST_SEVERITY
from spark_cxr.phantoms.hospital import HOSPITALS, as_taken_at, seed_at, source_of_hospital
from spark_cxr.phantoms.several import SHARES, is_positive, is_unknown

FORMATS = {"png": "png", "jpeg": "jpg", "dicom": "dcm"}
"""Format → suffix of its files."""
MANIFEST_COLUMNS = (
    *("path", "label", "patient_id", "view", "source", "expected_reason", "mask"),
    *("age", "sex", "maker", "device"),
)
MASK_FOLDER = "_masks"
"""Spark leaves out what starts with an underscore: no mask is ever taken for a film."""
FILM_FOLDER = "films"
"""Of films with several findings: no folder could name them all."""
BOX_COLUMNS = (
    *("path", "finding", "x", "y", "width", "height", "image_width", "image_height"),
    "patient_id",
)
MIN_SIZE = 64
Turn = tuple[str, tuple[str, ...], int, int]
"""Label, findings, patient and film."""


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
    shares: tuple[tuple[str, float], ...] = ()
    """Several findings a film: each with the share of the patients who have it. None: one label."""
    unknown: float = 0.0
    """Share of the cells of the manifest that say nothing of a finding."""
    hospital: int = 1
    """Where the films are taken: from the second on they look otherwise, of other patients."""
    least_severity: float = LEAST_SEVERITY
    """How ill a patient with a disease is at least."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn, before anything is."""
        _check("a count of at least 1", "count", self.count, self.count >= 1)
        _check("a seed of at least 0", "seed", self.seed, self.seed >= 0)
        _check(f"a size of at least {MIN_SIZE} pixels", "size", self.size, self.size >= MIN_SIZE)
        _check("bad from 0 to count", "bad", self.bad, 0 <= self.bad <= self.count)
        known = bool(self.formats) and all(name in FORMATS for name in self.formats)
        _check(f"formats among {', '.join(FORMATS)}", "formats", self.formats, known)
        _check(f"marker among {', '.join(MARKERS)}", "marker", self.marker, self.marker in MARKERS)
        is_place = self.hospital in HOSPITALS
        _check(f"a hospital from {HOSPITALS}", "hospital", self.hospital, is_place)
        drawn = {name for name, _ in self.shares} <= set(SHARES)
        _check(f"findings among {', '.join(SHARES)}", "shares", self.shares, drawn)
        is_share = all(0 <= share <= 1 for share in (self.unknown, *dict(self.shares).values()))
        is_severity = 0 <= self.least_severity <= 1
        _check("a least severity from 0 to 1", "least_severity", self.least_severity, is_severity)
        _check("shares from 0 to 1", "shares", (*self.shares, self.unknown), is_share)


@dataclass(frozen=True)
class Slot:
    """One file of a set, known before it is drawn."""

    label: str
    """Empty where the film may have several findings."""
    patient: int
    film: int
    format: str
    variant: int
    """Counts the files of a format, so that its variants take turns."""
    expected_reason: str
    findings: tuple[str, ...] = ()


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
    findings: tuple[tuple[str, bool | None], ...] = ()
    """All that a film of this set may have, and whether it has it; None: not known."""
    boxes: tuple[FindingBox, ...] = ()
    """Of the findings that it is known to have."""
    demographics: Demographics = field(default_factory=Demographics)
    source: str = "phantom"

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
    shares: Sequence[tuple[str, float]] = (),
    unknown: float = 0.0,
    hospital: int = 1,
    least_severity: float = LEAST_SEVERITY,
) -> Iterator[Phantom]:
    """Draw a set of `count` files, the last `bad` of them broken, one at a time."""
    some = tuple(shares)
    given = (count, seed, size, tuple(formats), bad, masks, marker, some, unknown, hospital)
    series = Series(*given, least_severity)
    return (make(series, slot) for slot in plan(series))


def plan(series: Series) -> list[Slot]:
    """Say what each file will be; any part of the plan can be made alone, anywhere.

    Patients come in threes, one of each class, each with the same number of films (1 to 4), which
    are dealt in turns in a drawn order: classes stay balanced, and neither the number of a patient
    nor the format of a file tells the class. A longer set starts with the films of a shorter one.
    Patients with several findings come one after the other, and have each by itself.
    """
    people = _patients(series) if series.shares else _people(series.seed)
    good = series.count - series.bad
    slots = []
    for index in range(series.count):
        label, findings, patient, film = next(people)
        reason = "" if index < good else KINDS[(index - good) % len(KINDS)]
        form = format_of(reason, series.formats[index % len(series.formats)])
        variant = index // len(series.formats)
        slots.append(Slot(label, patient, film, form, variant, reason, findings))
    return slots


def make(series: Series, slot: Slot) -> Phantom:
    """Draw and encode one file of a set."""
    drawing = _drawing(series, slot)
    person = sample_demographics(series.seed, slot.patient, slot.film)
    is_good = not slot.expected_reason
    # The seed is part of the name: sets of two seeds share no patient.
    place = "" if series.hospital == 1 else f"h{series.hospital}"
    patient_id = f"{place}s{series.seed}p{slot.patient:04d}"
    owner = Owner(patient_id, slot.film, person if is_good else None)
    findings = _known(series, slot)
    positive = {name for name, has_it in findings if has_it and is_good}
    return Phantom(
        name=f"{slot.label or FILM_FOLDER}/{patient_id}_{slot.film}.{FORMATS[slot.format]}",
        label=slot.label,
        patient_id=patient_id,
        view=drawing.view,
        format=slot.format,
        expected_reason=slot.expected_reason,
        size_hw=(drawing.grey12.shape[0], drawing.grey12.shape[1]),
        data=_encode(slot, drawing, owner),
        mask=encode_mask(drawing.lungs) if series.masks and is_good else None,
        findings=findings,
        boxes=tuple(box for box in drawing.boxes if box.finding in positive),
        demographics=person,
        source=source_of_hospital(series.hospital),
    )


def _drawing(series: Series, slot: Slot) -> Drawing:
    """Draw a film of one class, or of several findings."""
    drawing = draw(
        slot.findings if series.shares else slot.label,
        seed_at(series.hospital, series.seed),
        patient=slot.patient,
        film=slot.film,
        size=series.size,
        marker=series.marker,
        least_severity=series.least_severity,
    )
    return as_taken_at(series.hospital, drawing)


def _known(series: Series, slot: Slot) -> tuple[tuple[str, bool | None], ...]:
    """Say of each finding whether the film has it, or that nobody knows."""

    def is_hidden(name: str) -> bool:
        return is_unknown(name, series.unknown, series.seed, slot.patient, slot.film)

    names = [name for name, _ in series.shares]
    return tuple((name, None if is_hidden(name) else name in slot.findings) for name in names)


def manifest_row(phantom: Phantom) -> tuple[str, ...]:
    """Return the line of one file in the manifest, in the order of `manifest_columns`."""
    cells = [{True: "1", False: "0", None: ""}[has_it] for _, has_it in phantom.findings]
    who = (phantom.name, *(cells or [phantom.label]), phantom.patient_id, phantom.view)
    person = ("" if value is None else str(value) for value in astuple(phantom.demographics))
    return (*who, phantom.source, phantom.expected_reason, phantom.mask_name, *person)


def manifest_columns(findings: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the columns of the manifest: one a finding in the place of the label."""
    path, label, *others = MANIFEST_COLUMNS
    return (path, *(findings or [label]), *others)


def manifest_csv(rows: Sequence[tuple[str, ...]], columns: Sequence[str] = MANIFEST_COLUMNS) -> str:
    """Return the manifest, or another table, as CSV text with its header, lines sorted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *sorted(rows)])
    return text.getvalue()


def box_rows(phantom: Phantom) -> list[tuple[str, ...]]:
    """Return the lines of one film in the table of boxes, in the order of `BOX_COLUMNS`."""
    height, width = phantom.size_hw
    return [
        (
            *(phantom.name, box.finding),
            *map(str, (box.x, box.y, box.width, box.height, width, height)),
            phantom.patient_id,
        )
        for box in phantom.boxes
    ]


def _patients(series: Series) -> Iterator[Turn]:
    """Yield the findings of a patient, their number and that of the film, without end."""
    for patient in itertools.count():
        found = tuple(
            name for name, share in series.shares if is_positive(name, share, series.seed, patient)
        )
        for film in range(1, Dice(series.seed, "films", patient).whole(1, 4) + 1):
            yield "", found, patient, film


def _people(seed: int) -> Iterator[Turn]:
    """Yield the class of a patient, their number and that of the film, without end."""
    row = 0
    for trio in itertools.count():
        dice = Dice(seed, "trio", trio)
        numbers = dict(zip(dice.shuffled(CLASSES), range(3 * trio, 3 * trio + 3), strict=True))
        for film in range(1, dice.whole(1, 4) + 1):
            for label in _row(seed, row):
                yield label, (), numbers[label], film
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
