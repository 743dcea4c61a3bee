"""Compressed DICOM frames → samples, in a process of its own.

gdcm ends the whole process on some broken frames (an exception thrown through C code), holds
Python's lock while it decodes, and writes to stderr. A Spark worker must survive that, so the
frames go to a child process: `codec_process` is the parent's side of the pipe, this file the
child's. Messages are JSON and raw bytes and nothing executable: a child that a hostile frame
took over can send wrong pixels and no more.
"""

import json
import os
import struct
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_SIZES = struct.Struct("<IQ")
"""Lengths of the JSON and of the bytes behind it."""


@dataclass(frozen=True)
class Frame:
    """One compressed frame, and what DICOM's header says about it."""

    syntax: str
    plugin: str
    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    is_signed: bool
    photometric: str


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

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(frame.syntax)
    dataset.Rows, dataset.Columns = frame.rows, frame.columns
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = frame.samples, 0
    dataset.BitsAllocated, dataset.BitsStored = frame.allocated, frame.stored
    dataset.PixelRepresentation = int(frame.is_signed)
    dataset.PhotometricInterpretation = frame.photometric
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
        answer, samples = decode_frame(Frame(**header), pixel_data)
        try:
            send(answers, answer, samples)
        except BrokenPipeError:
            return
