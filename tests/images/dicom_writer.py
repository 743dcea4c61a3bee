"""DICOM files for tests, written by pydicom and, compressed, by gdcm."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"


def dataset_of(pixels: np.ndarray, **tags: Any) -> Dataset:
    """Describe pixels; a tag given as None is left out."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = DX_FOR_PRESENTATION, "1.2.3.4"
    dataset.Modality, dataset.PatientID = "DX", "patient-7"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = tags.get("BitsStored", dataset.BitsAllocated)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def saved(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Write a data set as a file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = DX_FOR_PRESENTATION
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dicom(pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> bytes:
    """Write native pixels."""
    dataset = dataset_of(pixels, **tags)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    raw = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    dataset.PixelData = raw + bytes(len(raw) % 2)
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    return saved(dataset, syntax)


def encapsulated(frame: bytes, like: np.ndarray, syntax: str, **tags: Any) -> bytes:
    """Write one frame that is compressed already."""
    dataset = dataset_of(like, **tags)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return saved(dataset, syntax)


def compressed(data: bytes, syntax: str) -> bytes:
    """Have gdcm write a native file again with the transfer syntax of that name."""
    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before", Path(folder) / "after"
        before.write_bytes(data)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(before))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(after))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return after.read_bytes()


def table(first: int, bits: int, entries: list[int], is_signed: bool = False) -> list[Dataset]:
    """Build the sequence of one look-up table."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if is_signed else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    return [item]
