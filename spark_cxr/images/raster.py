"""PNG, JPEG, TIFF, BMP and WebP → `Film`, by Pillow; and pixels → PNG, by hand.

JPEGs that are whole are decoded by libjpeg-turbo directly: it says when data are missing or left
over, which Pillow keeps to itself, and takes half the time for the same pixels.

Pillow's file classes are called directly: `Image.open` would look at the file's content again,
load every plugin, and apply a pixel limit that is one global for the whole process. Writing a PNG
by hand is twice as fast as Pillow, which tries five filters on each row.
"""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from spark_cxr.errors import BadImage
from spark_cxr.images.codestreams import flags_of, has_gap, whole_jpeg
from spark_cxr.images.film import (
    DAMAGED,
    Film,
    GreyScale,
    GreyValues,
    Limits,
    Pixels,
    to_bytes,
)
from spark_cxr.images.harmless import webp_canvas
from spark_cxr.images.prepare import shrunk

_FILES: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,
    "tiff": TiffImageFile,
    "bmp": BmpImageFile,
    "webp": WebPImageFile,
}
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Of a pixel as Pillow holds it; in all other modes it is 4."""
_ANIMATED = 2
_ROWS = 256
_ORIENTATION, _BITS, _PHOTOMETRIC = 0x0112, 258, 262
"""TIFF and EXIF tags."""
_WHITE_IS_ZERO = 0

_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
"""From the EXIF orientation to what sets the image upright; 1 and nonsense stay."""
GREY, RGB, RGBA = 0, 2, 6
"""Kinds of pixels as PNG numbers them."""
_KINDS = {(): GREY, (3,): RGB, (4,): RGBA}
_UP = 2
"""The filter that writes each row as its difference from the row above."""
_FAST = 1
"""Films are noise to zlib: a higher level takes three times as long for a tenth of the bytes."""


def read_raster(name: str, data: bytes, limits: Limits, values_side: int = 0) -> Film:
    """Decode a file of the named format; `values_side` is explained in `decode`.

    Raises:
        BadImage: the bytes give no film.
        MemoryError: decoding needs more than there is.
    """
    try:
        return _film(name, data, limits, values_side)
    except (BadImage, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise BadImage("too_large", f"{name}: above PIL.Image.MAX_IMAGE_PIXELS") from None
    except Exception as error:  # noqa: BLE001 - parsers of hostile bytes raise anything at all
        reason = "truncated" if _ends_early(name, data) else "corrupt"
        raise BadImage(reason, f"{name}: {type(error).__name__} while decoding") from None


def _film(name: str, data: bytes, limits: Limits, values_side: int) -> Film:
    """Open, check what the header says, and only then decode."""
    if name == "webp":
        _check_webp(data, limits)
    flags: tuple[str, ...] = ()
    values = None
    with _FILES[name](BytesIO(data)) as image:
        limits.check(image.height, image.width, _MODE_BYTES.get(image.mode, 4))
        # Does not follow a chain of pages that may have millions.
        if getattr(image, "is_animated", False):
            raise BadImage("multi_frame", f"{name}: more than one page or frame")
        bits = _bits(image, data)
        pixels, complaint = whole_jpeg(data) if name == "jpeg" else (None, "")
        if pixels is None:  # Pillow decodes it: a film with a scratch looks as it always did
            image.load()
            pixels = _pixels(image, bits)
            flags = flags_of(complaint)
            values = _values(image, bits, values_side) if values_side else None
        elif has_gap(data, pixels):
            flags = (DAMAGED,)
    orientation = _orientation(image, name)
    if orientation in _TURNS:
        pixels = np.ascontiguousarray(_TURNS[orientation](pixels))
        if values:
            turned = np.ascontiguousarray(_TURNS[orientation](values.values))
            values = GreyValues(turned, values.scale)
    return Film(pixels, name, bits, flags=flags, values=values)


def _check_webp(data: bytes, limits: Limits) -> None:
    """Check a WebP by its first chunk: Pillow allocates the whole canvas when it opens one."""
    canvas = webp_canvas(data)
    if canvas is None:
        raise BadImage("corrupt", "webp: no known chunk at the beginning")
    height, width, flags = canvas
    limits.check(height, width, 4)
    if flags & _ANIMATED:
        raise BadImage("multi_frame", "webp: an animation")


def _bits(image: ImageFile.ImageFile, data: bytes) -> int:
    """Read the bits a sample from the header."""
    if isinstance(image, PngImageFile):
        return data[24] if data[24] in (1, 2, 4, 8, 16) else 8
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2.get(_BITS, (1,))[0])
    return 1 if image.mode == "1" else 8


def _orientation(image: ImageFile.ImageFile, name: str) -> int:
    """Read the EXIF orientation; a TIFF is turned already, and broken EXIF turns nothing."""
    if name == "tiff":
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - as above; the pixels are fine, only their note is not
        return 1
    return value if isinstance(value, int) else 1


def _is_deep(image: ImageFile.ImageFile, bits: int) -> bool:
    """Say whether an image is grey in more than 8 bits."""
    return image.mode.startswith("I;16") or (image.mode == "I" and bits == 16)


def _values(image: ImageFile.ImageFile, bits: int, longest: int) -> GreyValues | None:
    """Give an image in the bits of its file; None where 8 are all that it has."""
    if not _is_deep(image, bits):
        return None
    top = 2 ** (12 if bits == 12 else 16) - 1
    table = np.arange(top + 1, dtype=np.uint16)
    values = np.take(_as_meant(image, table, top), np.asarray(image))
    return GreyValues(shrunk(values, longest), GreyScale(top, 0, top))


def _pixels(image: ImageFile.ImageFile, bits: int) -> Pixels:
    """Bring every mode to 8-bit grey or colour, transparent parts over black."""
    if _is_deep(image, bits):
        return _scaled(image, 12 if bits == 12 else 16)
    if image.mode in ("I", "F"):
        raise BadImage("unsupported_photometric", "32-bit samples have no nominal range")
    if image.has_transparency_data:
        return _opaque(image, "LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode == "LAB":
        raise BadImage("unsupported_photometric", "CIE L*a*b* colours")
    return np.asarray(image.convert("RGB"))


def _scaled(image: ImageFile.ImageFile, bits: int) -> Pixels:
    """Scale grey of more than 8 bits by its nominal range, never by what the image uses of it."""
    samples = np.asarray(image)
    top = 2**bits - 1
    if samples.min() < 0 or samples.max() > top:
        raise BadImage("unsupported_photometric", "signed samples have no nominal range")
    return np.take(_as_meant(image, to_bytes(np.arange(top + 1) / top), top), samples)


def _as_meant(image: ImageFile.ImageFile, table: NDArray[Any], top: int) -> NDArray[Any]:
    """Turn a table of greys round for a TIFF that is white at 0; what is transparent is black."""
    if isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        table = table[-1] - table  # Pillow inverts up to 8 bits only
    transparent = image.info.get("transparency")
    if isinstance(transparent, int) and transparent <= top:
        table[transparent] = 0
    return table


def _opaque(image: ImageFile.ImageFile, mode: str) -> Pixels:
    """Lay a transparent image over black, some rows at a time: it is large enough by itself."""
    shape = (image.height, image.width) if mode == "LA" else (image.height, image.width, 3)
    pixels = np.empty(shape, np.uint8)
    for top in range(0, image.height, _ROWS):
        rows = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        rows.info = image.info  # a palette's transparency stands there
        pixels[top : top + _ROWS] = over_black(np.asarray(rows.convert(mode)))
    return pixels


def over_black(pixels: Pixels) -> Pixels:
    """Composite on black; the last channel is alpha."""
    colour = pixels[..., :-1].astype(np.uint16) * pixels[..., -1:]
    # The exact quotient by 255, rounded: products stay below 2^16.
    blended = ((colour + 127) // 255).astype(np.uint8)
    return blended[..., 0] if blended.shape[-1] == 1 else blended


def _ends_early(name: str, data: bytes) -> bool:
    """Say of a file that failed whether it is merely cut off."""
    if name == "png":
        return b"IEND" not in data[-64:]
    if name == "jpeg":
        # Cameras and archives pad behind the end marker; thumbnails carry one near the front.
        return b"\xff\xd9" not in data[-1024:]
    if name == "webp":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    if name == "bmp":
        return len(data) < int.from_bytes(data[2:6], "little")
    return False


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write grey (height, width), RGB or RGBA (height, width, 3 or 4) pixels."""
    height, width = pixels.shape[:2]
    lines = pixels.reshape(height, -1)
    rows = np.empty((height, 1 + lines.shape[1]), np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=rows[1:, 1:])  # modulo 256, as PNG wants it
    stream = zlib.compress(rows.data, _FAST)
    return png_file(stream, (height, width), kind=_KINDS[pixels.shape[2:]])


def encode_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Write grey or RGB pixels as a JPEG."""
    written = BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=quality)
    return written.getvalue()


def png_file(stream: bytes, size_hw: tuple[int, int], bits: int = 8, kind: int = GREY) -> bytes:
    """Frame a zlib stream as a PNG file of this size."""
    height, width = size_hw
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", stream), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    """Frame one PNG chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
