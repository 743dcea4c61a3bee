"""Compressed DICOM frames → samples, in a process of its own.

gdcm ends the whole process on some broken frames (an exception thrown through C code), holds
Python's lock while it decodes, and writes to stderr. A Spark worker must survive that, so the
frames go to child processes, which are started when needed and kept. Messages are JSON and raw
bytes and nothing executable: a child that a hostile frame took over can send wrong pixels and no
more.

The decoders believe the codestream, and somebody who wishes harm lets DICOM's header say something
else: comparing the two first (`frame_shape`) keeps a 40-byte frame from asking for gigabytes.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import BadImage

_SIZES = struct.Struct("<IQ")
"""Lengths of the JSON and of the bytes behind it."""
_SECONDS = 120.0
"""Far beyond what the largest film takes (JPEG 2000 at 100 million pixels: about 20 s)."""
_CODE = "from spark_cxr.images.codecs import serve; serve()"
_DTYPES = ("|u1", "|i1", "<u2", "<i2")
_ALLOCATION_FAILED = "MemoryError"
_idle: list[_Child] = []
"""Children without work. `append` and `pop` of a list are atomic: threads share it as it is."""
_J2K_START = b"\xff\x4f\xff\x51"
_NOT_A_FRAME = (0xC4, 0xC8, 0xCC)
"""Huffman tables, a reserved code and arithmetic conditioning lie among JPEG's frame markers."""
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_SCAN = 0xDA


@dataclass(frozen=True)
class Layout:
    """How the samples of a frame are stored."""

    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    shift: int
    """Bits below the stored ones."""
    is_signed: bool
    photometric: str


@dataclass(frozen=True)
class Frame:
    """One compressed frame, and what DICOM's header says about it."""

    syntax: str
    plugin: str
    layout: Layout


@dataclass(frozen=True)
class CodecReply:
    """What became of a frame: the form of the samples, or the class of an exception."""

    error: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    photometric: str = ""


def send(pipe: BinaryIO, record: Frame | CodecReply, payload: bytes | memoryview) -> None:
    """Write one message."""
    header = json.dumps(asdict(record)).encode()
    pipe.write(_SIZES.pack(len(header), len(payload)))
    pipe.write(header)
    pipe.write(payload)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message.

    Raises:
        EOFError: the other side is gone.
    """
    sizes = pipe.read(_SIZES.size)
    if len(sizes) < _SIZES.size:
        raise EOFError
    header_length, length = _SIZES.unpack(sizes)
    header, payload = pipe.read(header_length), pipe.read(length)
    if len(payload) < length:
        raise EOFError
    return json.loads(header), payload


def _decoded(frame: Frame, pixel_data: bytes) -> tuple[NDArray[Any], str]:
    """Decode by pydicom's plugin of the given name; RGB where pydicom can make it that."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    dataset, layout = Dataset(), frame.layout
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(frame.syntax)
    dataset.Rows, dataset.Columns = layout.rows, layout.columns
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = layout.samples, 0
    dataset.BitsAllocated, dataset.BitsStored = layout.allocated, layout.stored
    dataset.PixelRepresentation = int(layout.is_signed)
    dataset.PhotometricInterpretation = layout.photometric
    dataset.PixelData = pixel_data
    dataset["PixelData"].VR = "OB"
    decoder = get_decoder(UID(frame.syntax))
    array, said = decoder.as_array(dataset, index=0, decoding_plugin=frame.plugin)
    return np.ascontiguousarray(array), str(said["photometric_interpretation"])


def decode_frame(frame: Frame, pixel_data: bytes) -> tuple[CodecReply, bytes | memoryview]:
    """Decode one frame; whatever goes wrong is an answer too."""
    try:
        array, photometric = _decoded(frame, pixel_data)
    except Exception as error:  # noqa: BLE001 - parsers of hostile bytes raise anything at all
        return CodecReply(error=type(error).__name__), b""
    return CodecReply("", array.dtype.str, array.shape, photometric), array.data.cast("B")


def serve() -> None:
    """Answer frames until the parent goes away; to be run in a fresh process."""
    import logging
    import warnings

    logging.disable()
    warnings.simplefilter("ignore")
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # gdcm and OpenJPEG print; only messages may reach the parent
        os.dup2(nowhere, stream)
    while True:
        try:
            header, pixel_data = receive(requests)
        except EOFError:
            return
        answer, samples = decode_frame(
            Frame(**header | {"layout": Layout(**header["layout"])}), pixel_data
        )
        try:
            send(answers, answer, samples)
        except BrokenPipeError:
            return


class _Child:
    """One process that decodes one frame at a time."""

    def __init__(self) -> None:
        _expect_end_and_forks()
        # The path as it is now: Spark adds archives to it that no environment variable names.
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
        )

    def ask(self, frame: Frame, pixel_data: bytes) -> tuple[CodecReply, bytes]:
        """Have a frame decoded.

        Raises:
            OSError: the child ended, by itself or for taking too long.
            EOFError: likewise.
        """
        timer = threading.Timer(_SECONDS, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            send(cast(BinaryIO, self._process.stdin), frame, pixel_data)
            header, samples = receive(cast(BinaryIO, self._process.stdout))
        finally:
            timer.cancel()
        return CodecReply(**header | {"shape": tuple(header["shape"])}), samples

    def close(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                cast(BinaryIO, pipe).close()
            except OSError:  # a request that nobody will read any more
                continue


def close_children() -> None:
    """End all idle children."""
    while _idle:
        _idle.pop().close()


@cache
def _expect_end_and_forks() -> None:
    """Set the hooks of this process when it has its first child, not when it imports this file."""
    atexit.register(close_children)
    if hasattr(os, "register_at_fork"):  # Windows has none, and needs none
        # A forked process must not talk into its parent's pipes.
        os.register_at_fork(after_in_child=_idle.clear)


def decode_apart(frame: Frame, pixel_data: bytes) -> tuple[NDArray[Any], str]:
    """Decode a compressed frame in a child process.

    Returns:
        The samples, and the photometric interpretation that they have now.

    Raises:
        BadImage: corrupt, where the decoder refuses the frame or dies of it.
        MemoryError: there is no room for another process, or in it for the frame.
    """
    try:
        child = _idle.pop() if _idle else _Child()
    except IndexError:  # another thread was faster
        child = _Child()
    except OSError as error:
        raise MemoryError from error
    is_well = False
    try:
        answer, samples = child.ask(frame, pixel_data)
        is_well = True
    except (OSError, EOFError, ValueError, TypeError, KeyError):
        raise BadImage("corrupt", f"dicom: {frame.plugin} breaks down over the frame") from None
    finally:
        if is_well:
            _idle.append(child)
        else:
            child.close()
    return _checked(answer, samples, frame), answer.photometric


def _checked(answer: CodecReply, samples: bytes, frame: Frame) -> NDArray[Any]:
    """Turn an answer into an array, believing nothing of it."""
    if answer.error == _ALLOCATION_FAILED:
        raise MemoryError
    layout = frame.layout
    shape = (layout.rows, layout.columns, layout.samples)[: 2 if layout.samples == 1 else 3]
    if answer.error or answer.shape != shape or answer.dtype not in _DTYPES:
        what = answer.error or "wrong shape"
        raise BadImage("corrupt", f"dicom: {frame.plugin} cannot decode the frame ({what[:40]})")
    return np.frombuffer(samples, np.dtype(answer.dtype)).reshape(shape)


def frame_shape(frame: bytes) -> tuple[int, int, int] | None:
    """Read height, width, components of a JPEG, JPEG-LS or JPEG 2000 frame; None where unsaid."""
    if frame[:2] == b"\xff\xd8":
        return _jpeg_shape(frame)
    # A JP2 wrapper, forbidden in DICOM and yet met, is short.
    start = frame.find(_J2K_START, 0, 1024)
    return _j2k_shape(frame[start:]) if start >= 0 else None


def _jpeg_shape(frame: bytes) -> tuple[int, int, int] | None:
    """Walk the marker segments to the frame header, JPEG's SOFn or JPEG-LS's SOF55."""
    at = 2
    while at + 9 < len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME) or marker == 0xF7:
            height, width, components = struct.unpack_from(">HHB", frame, at + 5)
            return height, width, components
        if marker == _SCAN:
            return None
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(frame[at + 2 : at + 4], "big"))
    return None


def _j2k_shape(stream: bytes) -> tuple[int, int, int] | None:
    """Read the SIZ segment; subsampled components give None, no film has them."""
    if len(stream) < 42:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", stream, 8)
    (components,) = struct.unpack_from(">H", stream, 40)
    steps = stream[42 : 42 + 3 * components]
    if any(step != 1 for i, step in enumerate(steps) if i % 3):
        return None
    return bottom - top, right - left, components
