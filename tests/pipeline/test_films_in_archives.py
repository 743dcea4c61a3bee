"""The same films as a folder and in archives of all kinds: nothing that is said of them differs."""

import csv
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from spark_cxr.config import defaults
from spark_cxr.output import Output
from spark_cxr.pipeline.ingest import ingest_step
from spark_cxr.pipeline.readers import SPARK
from tests.archives.packed import write_parquet, write_tar, write_zip

SAME = ("sha256", "pixels_sha256", "label", "patient_id", "format", "width", "bytes")


def read_all(films: Path) -> dict[str, bytes]:
    found = (file for file in sorted(films.rglob("*")) if file.is_file())
    pictures = (file for file in found if file.suffix != ".csv" and "_masks" not in file.parts)
    return {str(file.relative_to(films)): file.read_bytes() for file in pictures}


def said(spark: SparkSession, images: Path, out: Path, **more: object) -> dict[str, list[object]]:
    """Ingest, and give what is said of each film, by its name within folder or archive."""
    cfg = defaults(ingest={"images": [str(images)], "max_bad": 1.0, **more})
    output = Output(str(out))
    done = ingest_step(spark, cfg.ingest, output)
    images_ = done.images.collect()
    bad = spark.read.parquet(output.table("quarantine")).collect()
    name = lambda row: row["path"].rpartition("!/")[2].removeprefix(f"file:{images}/")  # noqa: E731
    found = {name(row): [row[column] for column in SAME] for row in images_}
    return found | {name(row): [row["reason"], row["detail"], row["sha256"]] for row in bad}


@pytest.mark.parametrize(
    "kind",
    [
        "w.tar",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("a.zip", "a.parquet", "a.tar", "a.tar.gz")
        ),
    ],
)
def test_archives_say_what_the_folder_says(
    spark: SparkSession, films: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_CXR_KEY", "k" * 32)
    plain = said(spark, films, tmp_path / "plain")
    contents = read_all(films)
    with (films / "manifest.csv").open(newline="") as file:
        labels = {row["path"]: row["label"] for row in csv.DictReader(file)}
    put = tmp_path / "films" / kind
    put.parent.mkdir()
    if kind == "a.zip":
        write_zip(put, contents)
    elif kind == "w.tar":
        notes = {f"{Path(name).with_suffix('')}.cls": labels[name].encode() for name in contents}
        write_tar(put, contents | notes)
    elif kind == "a.parquet":
        write_parquet(put, contents, labels)
    else:
        write_tar(put, contents, "w:gz" if kind.endswith("gz") else "w")
    assert said(spark, put.parent, tmp_path / "out") == plain


def test_broken_members_are_rows_beside_the_others(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "films" / "COVID"
    folder.mkdir(parents=True)
    film = (np.random.default_rng(0).integers(0, 255, (48, 48)).astype(np.uint8),)
    np.save(folder / "one.npy", film[0])
    np.save(folder / "flat.npy", np.zeros(5, np.uint8))
    data = (folder / "one.npy").read_bytes()
    write_zip(folder / "a.zip", {"x.npy": data, "broken.npy": data}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(folder / "a.zip") as archive:
        start = archive.getinfo("broken.npy").header_offset
    content = bytearray((folder / "a.zip").read_bytes())
    content[start + 200] ^= 255
    (folder / "a.zip").write_bytes(content)
    write_tar(folder / "cut.tar", {"y.npy": data, "z.npy": data})
    (folder / "cut.tar").write_bytes((folder / "cut.tar").read_bytes()[:1500])
    with tarfile.open(folder / "empty.tar", "w"):
        pass
    (folder / "none.zip").write_bytes(b"PK\3\4 nothing of the kind")
    found = said(spark, tmp_path / "films", tmp_path / "out", likeness=1.0)
    assert {name.rpartition("/")[2]: row[0] for name, row in found.items() if len(row) == 3} == {
        "flat.npy": "unreadable",
        "broken.npy": "unreadable",
        "cut.tar": "unreadable",
        "none.zip": "unreadable",
        "y.npy": "unreadable",
    }
    assert sorted(name for name, row in found.items() if len(row) > 3) == [
        *("COVID/one.npy", "x.npy")
    ]


def test_members_are_read_by_workers_where_spark_reads_the_rest(
    spark: SparkSession, films: Path, tmp_path: Path
) -> None:
    contents = dict(list(read_all(films).items())[:12])
    write_zip(tmp_path / "a.zip", contents)
    for name, data in contents.items():
        beside = tmp_path / "beside" / name
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data[:-1] + b"\0")
    found = said(spark, tmp_path, tmp_path.parent / "out", labels="none", read=SPARK)
    assert len(found) == 2 * len(contents)
    assert not [row for row in found.values() if row[0] == "unreadable"]
