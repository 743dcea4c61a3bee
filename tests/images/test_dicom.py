"""DICOM files against tables worked out by hand from PS3.3 C.7.6.3, C.11.1 and C.11.2."""

import numpy as np
import pytest
from dicom_writer import dicom, table

from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits

SMALL = Limits(min_side=1)
MONO1 = {"PhotometricInterpretation": "MONOCHROME1"}
INVERSE = {"PresentationLUTShape": "INVERSE"}


def window(centre: str, width: str, function: str | None = None) -> dict[str, str]:
    tags = {"WindowCenter": centre, "WindowWidth": width}
    return tags | ({"VOILUTFunction": function} if function else {})


def rescale(slope: str, intercept: str) -> dict[str, str]:
    return {"RescaleSlope": slope, "RescaleIntercept": intercept}


# What the file stores and what is to be seen; the comment is the arithmetic of one entry.
GOLDEN = {
    "8 bits": ("u1", 8, {}, [0, 1, 128, 255], [0, 1, 128, 255]),
    "8 bits, white is 0": ("u1", 8, MONO1, [0, 1, 128, 255], [255, 254, 127, 0]),
    # 2048 / 4095 * 255 = 127.53
    "12 bits": ("u2", 12, {}, [0, 1, 2048, 4095], [0, 0, 128, 255]),
    # 128 / 257 = 0.498, 129 / 257 = 0.502
    "16 bits": ("u2", 16, {}, [0, 128, 129, 65535], [0, 0, 1, 255]),
    # 10 bits of which the film uses few: 100 / 1023 * 255 = 24.93
    "dark 10 bits stay dark": ("u2", 10, {}, [0, 10, 50, 100], [0, 2, 12, 25]),
    "signed 8": ("i1", 8, {}, [-128, -1, 0, 127], [0, 127, 128, 255]),
    # (2048 - 1) / 4095 * 255 = 127.47
    "signed 12": ("i2", 12, {}, [-2048, -1, 0, 2047], [0, 127, 128, 255]),
    "signed 16": ("i2", 16, {}, [-32768, -1, 0, 32767], [0, 127, 128, 255]),
    "signed 12, white is low": ("i2", 12, MONO1, [-2048, -1, 0, 2047], [255, 128, 127, 0]),
    "INVERSE": ("u1", 8, INVERSE, [0, 1, 128, 255], [255, 254, 127, 0]),
    "INVERSE and MONOCHROME1 invert once": (
        *("u1", 8, MONO1 | INVERSE, [0, 1, 128, 255], [255, 254, 127, 0]),
    ),
    # (99 - 99.5) / 2 + 0.5 = 0.25; times 255 = 63.75
    "LINEAR": ("u1", 8, window("100", "3"), [98, 99, 100, 101], [0, 64, 191, 255]),
    "LINEAR by name": (
        *("u1", 8, window("100", "3", "LINEAR"), [98, 99, 100, 101], [0, 64, 191, 255]),
    ),
    "LINEAR of width 1": ("u1", 8, window("100", "1"), [0, 99, 100, 101], [0, 0, 255, 255]),
    "LINEAR, whole range": (
        *("u2", 12, window("2048", "4096"), [0, 1, 2048, 4095], [0, 0, 128, 255]),
    ),
    # (99 - 100) / 4 + 0.5 = 0.25
    "LINEAR_EXACT": (
        *("u1", 8, window("100", "4", "LINEAR_EXACT"), [98, 99, 100, 101], [0, 64, 128, 191]),
    ),
    # 1 / (1 + exp(-4 * 16 / 64)) * 255 = 186.42
    "SIGMOID": (
        *("u1", 8, window("128", "64", "SIGMOID"), [112, 128, 144, 255], [69, 128, 186, 255]),
    ),
    "the first of two windows": (
        *("u1", 8, {"WindowCenter": ["100", "200"], "WindowWidth": ["3", "9"]}),
        *([98, 99, 100, 101], [0, 64, 191, 255]),
    ),
    # value 0 of -2048 to 2047: 1 - ((0 + 0.5) / 4095 + 0.5) = 0.49988, times 255 = 127.47
    "signed, window, white is low": (
        *("i2", 12, MONO1 | window("0", "4096"), [-2048, -1, 0, 2047], [255, 128, 127, 0]),
    ),
    "a slope alone changes nothing": (
        *("u1", 8, rescale("2", "7"), [0, 1, 128, 255], [0, 1, 128, 255]),
    ),
    "a negative slope inverts": (
        *("u1", 8, rescale("-1", "255"), [0, 1, 128, 255], [255, 254, 127, 0]),
    ),
    "a negative slope and MONOCHROME1": (
        *("u1", 8, MONO1 | rescale("-1", "255"), [0, 1, 128, 255], [0, 1, 128, 255]),
    ),
    # 512 - 1024 = -512; ((-512 + 0.5) / 2048 + 0.5) * 255 = 63.81
    "the window counts in rescaled values": (
        *("u2", 12, rescale("1", "-1024") | window("0", "2049")),
        *([0, 512, 1024, 2047], [0, 64, 128, 255]),
    ),
    # -(v) from 0 to -255 through a window of 3 around -100: 99 becomes -99, above -99.5
    "a window on a negative slope": (
        *("u1", 8, rescale("-1", "0") | window("-100", "3")),
        *([98, 99, 100, 101], [255, 255, 191, 64]),
    ),
    # 1000 / 4095 * 255 = 62.27, 2000 / 4095 * 255 = 124.54; 5 lies before the first entry
    "modality LUT of 12 bits": (
        *("u1", 8, {"ModalityLUTSequence": table(10, 12, [0, 1000, 2000, 4095])}),
        *([5, 11, 12, 99], [0, 62, 125, 255]),
    ),
    # (1000 - 999.5) / 1000 + 0.5 = 0.5005; times 255 = 127.63
    "window behind a modality LUT": (
        "u1",
        8,
        {"ModalityLUTSequence": table(10, 12, [0, 1000, 2000, 4095])} | window("1000", "1001"),
        [5, 11, 12, 99],
        [0, 128, 255, 255],
    ),
    # 256 / 1023 * 255 = 63.81
    "a VOI LUT goes before a window": (
        *("u1", 8, {"VOILUTSequence": table(0, 10, [0, 256, 512, 1023])} | window("1", "1")),
        *([0, 1, 2, 200], [0, 64, 128, 255]),
    ),
    "a VOI LUT from a negative value on": (
        *("i2", 12, {"VOILUTSequence": table(-2, 8, [0, 100, 200, 255], is_signed=True)}),
        *([-2000, -1, 0, 1], [0, 100, 200, 255]),
    ),
    "a VOI LUT, then inverted": (
        *("u1", 8, MONO1 | {"VOILUTSequence": table(0, 8, [0, 100, 200, 255])}),
        *([0, 1, 2, 3], [255, 155, 55, 0]),
    ),
    "overlay bits above the stored ones": (
        *("u2", 12, {}, [0xF000, 0x1001, 0x2800, 0x8FFF], [0, 0, 128, 255]),
    ),
    "stored bits at the top": (
        "u2",
        12,
        {"HighBit": 15},
        [0xF, 0x10, 0x8000, 0xFFF0],
        [0, 0, 128, 255],
    ),
    "a width of 0 is no window": ("u1", 8, window("9", "0"), [0, 1, 128, 255], [0, 1, 128, 255]),
    "an unknown function is no window": (
        *("u1", 8, window("9", "5", "CUBIC"), [0, 1, 128, 255], [0, 1, 128, 255]),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_grey_levels_are_those_worked_out_by_hand(name):
    dtype, bits, tags, stored, seen = GOLDEN[name]
    data = dicom(np.array([stored], dtype), BitsStored=bits, **tags)
    assert decode(data, SMALL).pixels.tolist() == [seen]


def as_the_file_says(values):
    """Show values from the black of their file to its white."""
    scale = values.scale
    if scale.black == scale.white:
        shares = values.values > scale.black
    else:
        shares = np.clip((values.values - scale.black) / (scale.white - scale.black), 0, 1)
    return np.floor(shares * 255 + 0.5).astype(int)


@pytest.mark.parametrize("name", GOLDEN)
def test_values_shown_as_the_file_says_are_the_film_of_8_bits(name):
    dtype, bits, tags, stored, seen = GOLDEN[name]
    data = dicom(np.array([stored], dtype), BitsStored=bits, **tags)
    values = decode(data, SMALL, values_side=64).values
    # Of a half, one sum may be rounded up where the other is rounded down.
    assert np.abs(as_the_file_says(values) - [seen]).max() <= 1
    assert values.values.dtype == np.uint16 and values.values.max() <= values.scale.top


@pytest.mark.parametrize("tags", [{}, MONO1, rescale("-2", "7"), rescale("0.5", "-1024")])
def test_each_stored_value_has_a_value_of_its_own_which_the_file_knows(tags):
    stored = np.arange(4096, dtype="u2").reshape(64, 64)
    narrow = tags | window("100", "20")
    values = decode(dicom(stored, BitsStored=12, **narrow), SMALL, values_side=64).values
    assert len(np.unique(values.values)) == 4096 and values.scale.top == 4095
    slope = float(tags.get("RescaleSlope", 1))
    meant = stored * slope + float(tags.get("RescaleIntercept", 0))
    found = values.scale.first + values.scale.step * values.values
    np.testing.assert_allclose(found, meant)


def test_a_curve_of_the_file_is_in_its_values():
    curve = {"VOILUTSequence": table(0, 16, [0, 40000, 65535])}
    film = decode(dicom(np.array([[0, 1, 2]], "u2"), BitsStored=12, **curve), SMALL, values_side=9)
    assert film.values.scale.is_curved
    assert film.values.values.tolist() == [[0, 40000, 65535]]


def test_values_are_averaged_down_to_the_size_that_is_wanted():
    stored = np.repeat(np.repeat([[0, 4000], [1000, 3001]], 50, 0), 60, 1).astype("u2")
    film = decode(dicom(stored, BitsStored=12), SMALL, values_side=2)
    assert film.values.values.tolist() == [[0, 4000], [1000, 3001]]
    assert film.pixels.shape == (100, 120)
    assert decode(dicom(stored, BitsStored=12), SMALL).values is None


CALIBRATED = {"PixelSpacingCalibrationType": "GEOMETRY"}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, None),
        ({"ImagerPixelSpacing": ["0.143", "0.144"]}, (0.143, 0.144, "detector")),
        ({"PixelSpacing": ["0.2", "0.2"]}, (0.2, 0.2, "detector")),
        ({"PixelSpacing": ["0.2", "0.2"]} | CALIBRATED, (0.2, 0.2, "calibrated")),
        (
            {"PixelSpacing": ["0.1", "0.1"], "ImagerPixelSpacing": ["0.15", "0.15"]},
            (0.1, 0.1, "calibrated"),
        ),
        (
            {"PixelSpacing": ["0.1", "0.1"], "ImagerPixelSpacing": ["0.1", "0.1"]},
            (0.1, 0.1, "detector"),
        ),
        ({"NominalScannedPixelSpacing": ["0.17", "0.17"]}, (0.17, 0.17, "sheet")),
        ({"PixelSpacing": ["0", "0.2"]}, None),
        ({"PixelSpacing": ["-1", "-1"]}, None),
        ({"PixelSpacing": ["1e300", "0.1"]}, None),
        ({"PixelSpacing": ["0.2"]}, None),
        ({"PixelSpacing": ["0.2", "0.2", "0.2"]}, None),
    ],
)
def test_spacing_is_read_and_said_to_be_of_its_plane(tags, expected):
    found = film_of(**tags).spacing
    assert (found and (found.down, found.across, found.plane)) == expected


def test_a_spacing_that_is_no_number_refuses_no_film():
    data = dicom(np.zeros((40, 40), "u2"), BitsStored=12, PixelSpacing=["0.123", "0.123"])
    film = decode(data.replace(b"0.123", b"0.1x3"))
    assert film.pixels.shape == (40, 40) and film.spacing is None


def film_of(**tags):
    return decode(dicom(np.zeros((40, 40), "u2"), BitsStored=12, **tags))


def test_film_says_format_and_stored_bits():
    film = film_of()
    assert (film.format, film.bits, film.pixels.shape) == ("dicom", 12, (40, 40))


def test_patient_id_is_kept_as_it_is():
    assert film_of(PatientID="ID 12/3").patient_id == "ID 12/3"


def test_patient_id_is_not_printed_with_the_film():
    assert "ID 12/3" not in repr(film_of(PatientID="ID 12/3"))


@pytest.mark.parametrize("tags", [{"PatientID": ""}, {"PatientID": None}])
def test_empty_patient_id_is_none(tags):
    assert film_of(**tags).patient_id is None


@pytest.mark.parametrize(
    ("position", "view"),
    [("PA", "PA"), ("AP", "AP"), ("LL", "lateral"), ("RL", "lateral"), ("LATERAL", "lateral")],
)
def test_view_is_read_from_the_position(position, view):
    assert film_of(ViewPosition=position).view == view


@pytest.mark.parametrize("position", [None, "", "LLD", "XX"])
def test_other_positions_are_no_view(position):
    tags = {} if position is None else {"ViewPosition": position}
    assert film_of(**tags).view is None


@pytest.mark.parametrize(
    ("tags", "flags"),
    [
        ({}, ()),
        ({"ViewPosition": "LL"}, ("lateral",)),
        ({"BurnedInAnnotation": "YES"}, ("burned_in",)),
        ({"BurnedInAnnotation": "NO"}, ()),
        ({"PresentationIntentType": "FOR PROCESSING"}, ("for_processing",)),
        ({"WindowCenter": "7", "WindowWidth": "0"}, ("window_ignored",)),
        ({"Modality": "CT"}, ("other_modality",)),
        ({"Modality": "CR"}, ()),
        ({"Modality": None}, ()),
    ],
)
def test_flags_say_what_a_reader_should_know(tags, flags):
    assert film_of(**tags).flags == flags
