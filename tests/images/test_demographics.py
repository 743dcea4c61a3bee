"""Who is on a film and what took it: no header of a file costs the film or leaves it unread."""

import logging
import struct
import warnings
from dataclasses import astuple
from datetime import date

import numpy as np
import pytest
from dicom_writer import dataset_of, saved
from pydicom.uid import ImplicitVRLittleEndian

from spark_cxr.images.apart import decode_apart
from spark_cxr.images.decode import decode
from spark_cxr.images.demographics import (
    AGE_BANDS,
    CAPPED,
    Demographics,
    age_band,
    normal_maker,
    normal_name,
    normal_sex,
    years_between,
    years_written,
)
from spark_cxr.images.film import FLAGS, Limits

PIXELS = np.arange(40 * 48, dtype="u2").reshape(40, 48)
TODAY = date(2026, 5, 1)
LONG = "Philips" + " of a far away place" * 500
CONTROLS = "Phil\x07ips\x1b[31m"


def film_with(syntax: str = "", **tags: object) -> bytes:
    """Write a film whose header says this, whatever the standard says of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dataset_of(PIXELS)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = PIXELS.tobytes()
        dataset["PixelData"].VR = "OW"
        return saved(dataset, syntax) if syntax else saved(dataset)


def read(**tags: object) -> Demographics:
    return decode(film_with(**tags)).demographics


def with_element(tag: int, kind: bytes, value: bytes) -> bytes:
    """Put an element of any kind into a film, where a reader expects it."""
    whole = film_with(PatientAge="045Y", PatientSex="F")
    # Explicit little endian: after the patient's sex, before the age.
    place = whole.index(struct.pack("<HH", 0x0010, 0x1010))
    element = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, kind, len(value)) + value
    end = place + 8 + 4
    return whole[:place] + element + whole[end:]


# Ages


@pytest.mark.parametrize(
    ("written", "years"),
    [
        *(("045Y", 45), ("14Y", 14), ("006M", 0), ("030M", 2), ("010D", 0), ("104W", 1)),
        *(("089Y", 89), ("090Y", 90), ("101Y", 90), ("000Y", 0), ("045y", 45)),
        *(("999Y", None), ("121Y", None), ("045", None), ("Y", None), ("-45Y", None), ("", None)),
        *(("0045Y", None), ("4 5Y", None), ("045Y\n", None), ("٤٥Y", None), (None, None)),
    ],
)
def test_an_age_is_read_in_whole_years(written, years):
    assert years_written(written) == years


@pytest.mark.parametrize(
    ("birth", "study", "years"),
    [
        *(("19800615", "20200614", 39), ("19800615", "20200615", 40), ("20000229", "20190228", 18)),
        *(("19350101", "20250102", 90), ("20260430", "20260501", 0), ("19190101", "20250101", 90)),
        *(("20200101", "20190101", None), ("18000101", "20200101", None)),
        *(("19000101", "20180101", None), ("19800615", "20300101", None)),
        *(("19800615", "20260502", 45), ("19801301", "20200101", None), ("1980", "2020", None)),
        *(("", "20200101", None), ("19800101", "", None), (None, None, None)),
    ],
)
def test_without_an_age_two_dates_give_it(birth, study, years):
    assert years_between(birth, study, TODAY) == years


def test_only_years_of_a_birth_date_are_kept():
    film = decode(film_with(PatientBirthDate="19710402", StudyDate="20200401"))
    assert film.demographics == Demographics(age=48)
    assert "1971" not in repr(film) and "0402" not in repr(film)


def test_a_written_age_counts_before_a_birth_date():
    found = read(PatientAge="050Y", PatientBirthDate="19710402", StudyDate="20200401")
    assert found.age == 50


def test_a_study_in_the_future_gives_no_age():
    assert read(PatientBirthDate="19710402", StudyDate="21500101").age is None


@pytest.mark.parametrize(
    ("age", "band"),
    [
        *((0, "0-17"), (17, "0-17"), (18, "18-39"), (39, "18-39"), (40, "40-64")),
        *((64, "40-64"), (65, "65+"), (CAPPED, "65+"), (None, None)),
    ],
)
def test_bands_of_age(age, band):
    assert age_band(age) == band


def test_every_age_has_a_band():
    assert {age_band(age) for age in range(CAPPED + 1)} == {name for name, _ in AGE_BANDS}


@pytest.mark.parametrize(("age", "flags"), [("017Y", ("child",)), ("018Y", ()), ("", ())])
def test_a_child_is_flagged_only_where_the_age_says_so(age, flags):
    assert decode(film_with(PatientAge=age)).flags == flags
    assert set(flags) <= set(FLAGS)


# Sex, maker, device


@pytest.mark.parametrize(
    ("written", "sex"),
    [("F", "F"), ("m ", "M"), ("O", None), ("", None), ("female?", None), (None, None)],
)
def test_sex_is_f_or_m_or_unknown(written, sex):
    assert normal_sex(written) == sex


@pytest.mark.parametrize(
    ("written", "maker"),
    [
        *(("SIEMENS", "Siemens"), ("Siemens Healthineers", "Siemens")),
        *(("SIEMENS Healthcare GmbH", "Siemens"), ("Philips Medical Systems", "Philips")),
        *(("PhilipsMedicalSystems", "Philips"), ("GE MEDICAL SYSTEMS", "GE")),
        *(("GE Healthcare", "GE"), ("GEMedicalSystems", "GE"), ("General Electric", "GE")),
        *(("FUJIFILM Corporation", "Fujifilm"), ("FUJI PHOTO FILM Co., ltd.", "Fujifilm")),
        *(("KONICA MINOLTA", "Konica Minolta"), ("Konica-Minolta, Inc.", "Konica Minolta")),
        *(("ImagingDynamicsCompanyLtd", "Imaging Dynamics"), ("Agfa-Gevaert", "Agfa")),
        *(("Carestream Health", "Carestream"), ("GENORAY", "Genoray"), ("Gemss", "Gemss")),
        *(("ACME  X-RAY ", "Acme X-Ray"), ("acme x-ray", "Acme X-Ray"), ("Alder", "Alder")),
        *(("", None), ("n/a", None), ("Anonymized", None), (None, None)),
        *((LONG, None), (CONTROLS, None), ("Phi\u202elips", None), ("\ud800", None)),
    ],
)
def test_a_maker_has_one_name(written, maker):
    assert normal_maker(written) == maker


def test_names_in_one_form_stay_in_it():
    for name in ("Siemens", "GE", "Konica Minolta", "Acme X-Ray", "DRTECH", "Imaging Dynamics"):
        assert normal_maker(name) == name


def test_a_device_is_called_as_its_maker_calls_it():
    assert normal_name(" DigitalDiagnost  C90\0") == "DigitalDiagnost C90"


def test_header_says_who_and_what():
    found = read(
        PatientAge="045Y",
        PatientSex="F",
        Manufacturer="SIEMENS Healthineers",
        ManufacturerModelName="Ysio Max ",
    )
    assert astuple(found) == (45, "F", "Siemens", "Ysio Max")


def test_implicit_files_say_the_same():
    data = film_with(ImplicitVRLittleEndian, PatientAge="045Y", Manufacturer="Agfa")
    assert decode(data).demographics == Demographics(45, None, "Agfa", None)


# Hostile headers


@pytest.mark.parametrize(
    "tags",
    [
        {"Manufacturer": LONG, "ManufacturerModelName": LONG},
        {"Manufacturer": CONTROLS, "ManufacturerModelName": CONTROLS},
        {"PatientAge": "999Y", "PatientSex": "both of them, and more"},
        {"PatientAge": "forty", "PatientBirthDate": "tomorrow", "StudyDate": "20201399"},
        {"SpecificCharacterSet": "NO SUCH SET", "Manufacturer": "Ω" * 10},
    ],
)
def test_what_makes_no_sense_is_unknown_and_costs_no_film(tags):
    film = decode(film_with(**tags))
    assert film.pixels.shape == PIXELS.shape
    assert film.demographics == Demographics()


@pytest.mark.parametrize(
    ("kind", "value"),
    [(b"US", b"\x2d\0"), (b"SQ", b"045Y"), (b"OB", b"045Y"), (b"XX", b"045Y"), (b"LO", b"045Y")],
)
def test_an_age_of_another_kind_is_unknown(kind, value):
    data = with_element(0x00101010, kind, value)
    if kind in (b"SQ", b"OB"):  # their lengths take four bytes
        data = data.replace(kind + b"\x04\0", kind + b"\0\0\x04\0\0\0")
    film = decode(data)
    assert (film.pixels.shape, film.demographics) == (PIXELS.shape, Demographics(sex="F"))


def test_values_are_neither_logged_nor_warned_about(caplog, recwarn):
    tags = {"PatientAge": "SECRET", "PatientBirthDate": "SECRET", "Manufacturer": "SECRET" * 99}
    data = film_with(**tags)
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert decode(data).demographics == Demographics()
    assert (caplog.records, warned, len(recwarn)) == ([], [], 0)


def test_a_child_process_says_the_same():
    data = film_with(PatientAge="007Y", PatientSex="M", Manufacturer="AGFA")
    film = decode_apart(data, Limits())
    assert film.demographics == Demographics(7, "M", "Agfa", None)
    assert film.flags == ("child",)


def test_a_child_process_is_not_believed():
    hostile = Demographics(-3, "X", LONG, CONTROLS)
    assert hostile.checked() == Demographics()
    sound = Demographics(90, "F", "Konica Minolta", "Ysio Max")
    assert sound.checked() == sound
