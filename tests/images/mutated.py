"""Sound files of each kind, and six ways to break one."""

import struct

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from tests.images.dicom_writer import compressed, dicom, encapsulated, table
from tests.images.raster_writer import saved

ODD_NUMBERS = [0, 1, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def _sources() -> dict[str, bytes]:
    """Write one sound file of each kind."""
    rng = np.random.default_rng(1)
    grey16 = (
        np.add.outer(np.arange(48) * 40, np.arange(40) * 40) + rng.integers(0, 99, (48, 40))
    ).astype("u2")
    grey = (grey16 >> 4).astype("u1")
    rgb = np.stack([grey, grey[::-1], grey[:, ::-1]], 2)
    image, colour = Image.fromarray(grey), Image.fromarray(rgb)
    film = dicom(grey16, BitsStored=12, WindowCenter="2000", WindowWidth="4000", RescaleSlope="1")
    files = {
        "png": saved(image, "PNG"),
        "png palette": saved(colour.convert("P"), "PNG"),
        "png rgba": saved(colour.convert("RGBA"), "PNG"),
        "png 16": saved(Image.fromarray(grey16), "PNG"),
        "apng": saved(image, "PNG", save_all=True, append_images=[colour]),
        "jpeg": saved(image, "JPEG"),
        "jpeg progressive": saved(colour, "JPEG", progressive=True),
        "jpeg cmyk": saved(colour.convert("CMYK"), "JPEG"),
        "tiff": saved(image, "TIFF"),
        "tiff lzw": saved(colour, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": saved(colour, "TIFF", compression="jpeg"),
        "bmp": saved(colour, "BMP"),
        "bmp 8": saved(image, "BMP"),
        "webp": saved(colour, "WEBP"),
        "webp lossless": saved(colour.convert("RGBA"), "WEBP", lossless=True),
        "dicom": film,
        "dicom tables": dicom(
            grey16, ImplicitVRLittleEndian, VOILUTSequence=table(0, 8, list(range(256)))
        ),
        "dicom bare": dicom(grey16, ImplicitVRLittleEndian)[132:],
        "dicom deflated": dicom(grey16, DeflatedExplicitVRLittleEndian, BitsStored=12),
        "dicom rgb": dicom(rgb),
        "dicom jpeg": encapsulated(saved(image, "JPEG"), grey, JPEGBaseline8Bit),
    }
    for syntax in ("JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless", "RLELossless"):
        files[f"dicom {syntax}"] = compressed(film, syntax)
    return files


pytest.importorskip("gdcm")
SOURCES = _sources()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Break a file in one of six ways."""
    return broken(data, rng, list(SOURCES.values()))


def broken(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Break bytes in one of six ways; one of them lets them begin as others do."""
    at, end = sorted(int(n) for n in rng.integers(0, len(data), 2))
    changed = bytearray(data)
    kind = rng.integers(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[end:]
    if kind == 2:
        other = others[rng.integers(len(others))]
        size = int(rng.integers(4, 300))
        return other[:size] + data[size:]
    if kind == 3:
        changed[at : at + 4] = struct.pack("<I", ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))])
        return bytes(changed)
    # Headers are short and decide the most: half of the flips go there.
    reach = len(data) if kind == 4 else min(len(data), 700)
    for place in rng.integers(0, reach, int(rng.choice([1, 2, 4, 16]))):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)
