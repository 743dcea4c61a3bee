import io
import zlib

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_voi_lut

from spark_cxr.errors import REASONS, BadImage
from spark_cxr.images.decode import decode
from spark_cxr.phantoms import CLASSES, FORMATS, KINDS, Phantom, Series, draw, make, phantoms, plan
from spark_cxr.phantoms.encoding import EXPLICIT, JPEG, RLE, Owner, encode_dicom

# Formats, read by others than wrote them


def files_of(form: str, count: int = 12) -> list[Phantom]:
    return list(phantoms(count, 1, 64, (form,)))


def test_png_files_take_turns_between_8_and_16_bits() -> None:
    modes = [Image.open(io.BytesIO(f.data)).mode for f in files_of("png", 4)]
    assert modes == ["L", "I;16", "L", "I;16"]


def test_16_bit_png_spans_the_levels_of_the_drawing() -> None:
    series = Series(2, 1, 64, ("png",))
    slot = plan(series)[1]
    levels = np.asarray(Image.open(io.BytesIO(make(series, slot).data))).astype(int)
    drawn = draw(slot.label, 1, patient=slot.patient, film=slot.film, size=64).grey12
    assert np.abs(levels / 65535 - drawn / 4095).max() < 1 / 65535


def test_jpeg_differs_from_the_drawing_by_little() -> None:
    series = Series(1, 1, 64, ("jpeg",))
    slot = plan(series)[0]
    levels = np.asarray(Image.open(io.BytesIO(make(series, slot).data))).astype(int)
    drawn = draw(slot.label, 1, patient=slot.patient, film=slot.film, size=64).grey12 >> 4
    assert np.abs(levels - drawn).mean() < 4


def test_dicom_files_mix_photometrics_and_transfer_syntaxes() -> None:
    read = [pydicom.dcmread(io.BytesIO(f.data)) for f in files_of("dicom")]
    kinds = {(d.PhotometricInterpretation, d.file_meta.TransferSyntaxUID) for d in read}
    assert kinds == {(p, s) for p in ("MONOCHROME1", "MONOCHROME2") for s in (EXPLICIT, RLE, JPEG)}


@pytest.mark.parametrize("tag", ["PatientID", "ViewPosition"])
def test_dicom_says_what_the_manifest_says(tag: str) -> None:
    files = files_of("dicom")
    said = [str(pydicom.dcmread(io.BytesIO(f.data))[tag].value) for f in files]
    assert said == [f.patient_id if tag == "PatientID" else f.view for f in files]


def test_dicom_says_who_is_on_a_film_and_what_took_it() -> None:
    for file in files_of("dicom"):
        assert decode(file.data).demographics == file.demographics
        assert pydicom.dcmread(io.BytesIO(file.data)).PatientBirthDate == ""


def test_dicom_identifiers_are_valid_and_unlike_each_other() -> None:
    uids = [pydicom.dcmread(io.BytesIO(f.data)).SOPInstanceUID for f in files_of("dicom")]
    assert all(uid.is_valid for uid in uids)
    assert len(set(uids)) == len(uids)


def shown(data: bytes) -> np.ndarray:
    """Grey between 0 and 1 as pydicom and the standard have it."""
    read = pydicom.dcmread(io.BytesIO(data))
    windowed = apply_voi_lut(read.pixel_array, read) / (2**read.BitsStored - 1)
    return 1 - windowed if read.PhotometricInterpretation == "MONOCHROME1" else windowed


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE])
def test_monochrome1_looks_like_its_monochrome2_twin(syntax: str) -> None:
    drawing = draw("Pneumonia", 1, size=100)
    one, two = (
        shown(encode_dicom(drawing, Owner("p", 1), kind, syntax))
        for kind in ("MONOCHROME1", "MONOCHROME2")
    )
    assert np.abs(one - two).max() < 1e-9


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE])
def test_a_windowed_dicom_looks_like_the_drawing(syntax: str) -> None:
    drawing = draw("Pneumonia", 1, size=100)
    levels = shown(encode_dicom(drawing, Owner("p", 1), "MONOCHROME1", syntax))
    assert np.abs(levels - drawing.grey12 / 4095).max() < 1 / 3300


def test_the_mask_file_is_255_in_the_lungs() -> None:
    series = Series(1, 1, 64, masks=True)
    slot = plan(series)[0]
    mask = np.asarray(Image.open(io.BytesIO(make(series, slot).mask or b"")))
    lungs = draw(slot.label, 1, patient=slot.patient, film=slot.film, size=64).lungs
    assert np.array_equal(mask, np.where(lungs, 255, 0))


@pytest.mark.parametrize("form", FORMATS)
def test_every_good_file_decodes_to_its_size(form: str) -> None:
    assert all(decode(f.data).pixels.shape == f.size_hw for f in files_of(form))


# Broken files


def test_every_reason_that_can_be_a_file_is_made() -> None:
    costly = {"out_of_memory", "too_slow", "ended_its_reader"}
    assert set(KINDS) == set(REASONS) - costly - {"unreadable"}


def test_reasons_take_turns() -> None:
    reasons = [slot.expected_reason for slot in plan(Series(30, bad=12)) if slot.expected_reason]
    assert reasons == [*KINDS, "empty", "truncated"]


def test_broken_files_lie_in_every_class_folder() -> None:
    slots = plan(Series(60, bad=9))
    assert {slot.label for slot in slots if slot.expected_reason} == set(CLASSES)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_a_broken_file_is_refused_for_its_reason(form: str, kind: int) -> None:
    series = Series(10, 1, 64, (form,), bad=10)
    broken = make(series, plan(series)[kind])
    with pytest.raises(BadImage) as refused:
        decode(broken.data)
    assert refused.value.reason == broken.expected_reason == KINDS[kind]


@pytest.mark.parametrize("form", FORMATS)
def test_a_pixel_bomb_is_a_small_file(form: str) -> None:
    series = Series(10, 1, 64, (form,), bad=10)
    bomb = make(series, plan(series)[KINDS.index("too_large")])
    assert len(bomb.data) < 2_000_000


def test_the_png_bomb_is_a_whole_file_of_40000_rows() -> None:
    series = Series(10, 1, 64, ("png",), bad=10)
    bomb = make(series, plan(series)[KINDS.index("too_large")]).data
    start = bomb.index(b"IDAT") + 4
    unpack = zlib.decompressobj()
    size, rest = 0, bomb[start:-16]
    while not unpack.eof:
        size += len(unpack.decompress(rest, 1 << 24))
        rest = unpack.unconsumed_tail
    assert size == 40_000 * (1 + 40_000 // 8)
