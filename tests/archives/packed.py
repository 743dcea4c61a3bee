"""Writes the same films into archives of all kinds, for tests."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet


def write_zip(file: Path, films: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in films.items():
            archive.writestr(name, data)


def write_tar(file: Path, films: Mapping[str, bytes], mode: str = "w") -> None:
    with tarfile.open(file, mode) as archive:
        for name, data in films.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def write_parquet(
    file: Path, films: Mapping[str, bytes], labels: Mapping[str, str], rows_a_group: int = 7
) -> None:
    """Write as Hugging Face does: a struct of bytes and path, and classes as numbers."""
    classes = sorted(set(labels.values()))
    features = {"label": {"names": classes, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pa.table(
        {
            "image": [{"bytes": data, "path": name} for name, data in films.items()],
            "label": [classes.index(labels[name]) if labels else None for name in films],
        }
    )
    parquet.write_table(table.replace_schema_metadata(about), file, row_group_size=rows_a_group)
