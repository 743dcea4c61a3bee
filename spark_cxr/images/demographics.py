"""Who is on a film and what took it: age, sex, maker and device, as files write them → one way.

Of a birth date only the age in whole years is kept, and an age above 89 is 90: so few are that old
that it may name one (the limit is that of HIPAA's Safe Harbor rule, 45 CFR 164.514(b)(2)(i)(C)).
What cannot be understood is unknown: no header costs a film.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from math import floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

OLDEST = 120
"""Years beyond which an age is a mistake of the file: NIH's first edition has 414."""
CAPPED = 90
ADULT = 18
AGE_BANDS = (("0-17", 0), ("18-39", ADULT), ("40-64", 40), ("65+", 65))
"""The bands of reports, and the age at which each begins."""
LONGEST = 64
"""Characters of the longest name: those that DICOM allows of a maker or model (LO)."""
UNITS = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
"""How many of them make a year."""
NOBODY = frozenset(
    (
        *("", "-", "--", "?", ".", "na", "n/a", "#n/a", "<na>", "nan", "nil", "none", "null"),
        *("unknown", "unk", "undefined", "missing", "not available", "not applicable"),
        *("anonymous", "anonymized", "anonymised", "anon"),
    )
)
"""What tables and devices write, in capitals or not, where they know nobody and nothing."""
MAKERS = {
    "agfa": "Agfa",
    "canon": "Canon",
    "careray": "CareRay",
    "carestream": "Carestream",
    "drtech": "DRTECH",
    "fuji": "Fujifilm",
    "generalelectric": "GE",
    "hitachi": "Hitachi",
    "hologic": "Hologic",
    "imagingdynamics": "Imaging Dynamics",
    "kodak": "Kodak",
    "konica": "Konica Minolta",
    "lodox": "Lodox",
    "mindray": "Mindray",
    "minolta": "Konica Minolta",
    "neusoft": "Neusoft",
    "philips": "Philips",
    "rayence": "Rayence",
    "samsung": "Samsung",
    "sedecal": "Sedecal",
    "shimadzu": "Shimadzu",
    "siemens": "Siemens",
    "swissray": "Swissray",
    "toshiba": "Toshiba",
    "unitedimaging": "United Imaging",
    "varian": "Varian",
    "vieworks": "Vieworks",
}
"""Letters by which the name of a maker is known, whichever of its companies writes it."""
_GE = re.compile(r"ge\b|ge(medical|healthcare|systems)")
_AGE = re.compile(r"([0-9]{1,3})([YMWD])")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_NOT_BORN = date(1900, 1, 1)
"""What devices write where they know no birth date."""
_AGE_TAG, _BIRTH_TAG, _STUDY_TAG = 0x00101010, 0x00100030, 0x00080020
_SEX_TAG, _MAKER_TAG, _DEVICE_TAG = 0x00100040, 0x00080070, 0x00081090
KEYWORDS = (
    *("PatientAge", "PatientBirthDate", "StudyDate", "PatientSex"),
    *("Manufacturer", "ManufacturerModelName"),
)
"""What is read of a DICOM file for this, and nothing of it kept as it is."""


@dataclass(frozen=True)
class Demographics:
    """Who is on a film and what took it; None: not known."""

    age: int | None = None
    """Whole years; 90: older than 89."""
    sex: str | None = None
    """F or M."""
    maker: str | None = None
    """Who has made the device, one name a maker."""
    device: str | None = None
    """The model, as its maker calls it."""

    @property
    def is_child(self) -> bool:
        """Tell whether the age is known, and below 18."""
        return self.age is not None and self.age < ADULT

    def checked(self) -> Demographics:
        """Give the same without what no reader here gives: it may come from a hostile process."""
        age = self.age if self.age is not None and 0 <= self.age <= CAPPED else None
        return Demographics(
            age, normal_sex(self.sex), normal_maker(self.maker), normal_name(self.device)
        )


def read_demographics(dataset: Dataset, today: date | None = None) -> Demographics:
    """Read a DICOM data set; values of another kind, length or sense than theirs are unknown.

    Args:
        dataset: With the elements of `KEYWORDS`, as they came from the file: pydicom would quote
            what it cannot convert.
        today: No study is later.
    """
    age = years_written(_text(dataset, _AGE_TAG, "AS"))
    if age is None:
        birth, study = (_text(dataset, tag, "DA") for tag in (_BIRTH_TAG, _STUDY_TAG))
        age = years_between(birth, study, today or date.today())
    return Demographics(
        age,
        normal_sex(_text(dataset, _SEX_TAG, "CS")),
        normal_maker(_text(dataset, _MAKER_TAG, "LO")),
        normal_name(_text(dataset, _DEVICE_TAG, "LO")),
    )


def _text(dataset: Dataset, tag: int, kind: str) -> str | None:
    """Give the value of an element as text, where it is one of that kind."""
    element = dataset.get_item(tag, keep_deferred=True)
    value = getattr(element, "value", None)
    is_of_kind = getattr(element, "VR", None) in (None, kind, "UN")
    if not (isinstance(value, bytes) and is_of_kind and len(value) <= 4 * LONGEST):
        return None
    try:
        return value.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError:
        return None


def years_written(age: str | None) -> int | None:
    """Read an age of DICOM, as in 045Y, 006M or 010D, in whole years."""
    found = _AGE.fullmatch((age or "").upper())
    return capped(int(found[1]) / UNITS[found[2]]) if found else None


def years_between(birth: str | None, study: str | None, today: date) -> int | None:
    """Give the age at a study, by two dates of DICOM (YYYYMMDD); no study is later than today."""
    born, taken = _date(birth), _date(study)
    if born is None or taken is None or born == _NOT_BORN:
        return None
    if taken > today + timedelta(days=1):  # it may be tomorrow where the film was taken
        return None
    is_before_birthday = (taken.month, taken.day) < (born.month, born.day)
    return capped(taken.year - born.year - is_before_birthday)


def _date(text: str | None) -> date | None:
    found = _DATE.fullmatch(text or "")
    if found is None:
        return None
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        return None


def capped(years: float) -> int | None:
    """Give whole years, 90 above 89; None where nobody is that old, or born."""
    return min(floor(years), CAPPED) if 0 <= years <= OLDEST else None


def age_band(age: int | None) -> str | None:
    """Name the band of an age; None where it is not known."""
    return None if age is None else [name for name, first in AGE_BANDS if age >= first][-1]


def normal_sex(sex: str | None) -> str | None:
    """Give F or M; O (other), blanks and all else are unknown."""
    written = (sex or "").strip().upper()
    return written if written in ("F", "M") else None


def normal_name(text: str | None) -> str | None:
    """Give a name of one printable line; None for one that is too long, or says nothing."""
    written = unicodedata.normalize("NFC", text or "").strip("\0 ")
    if not written.isprintable() or len(written) > LONGEST or written.lower() in NOBODY:
        return None
    return " ".join(written.split()) if any(map(str.isalnum, written)) else None


def normal_maker(text: str | None) -> str | None:
    """Give one name for a maker, whichever of its companies a device names."""
    name = normal_name(text)
    if name is None:
        return None
    if _GE.match(name.lower()):
        return "GE"
    letters = re.sub("[^a-z]", "", name.lower())
    known = next((maker for sign, maker in MAKERS.items() if sign in letters), None)
    return known or (name.title() if name.isupper() or name.islower() else name)
