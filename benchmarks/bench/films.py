"""The films that are measured: one folder that all contestants read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from spark_cxr.errors import BadImage, InputError
from spark_cxr.images.decode import decode
from spark_cxr.output import locate
from spark_cxr.pipeline.sources import list_files
from spark_cxr.schemas import PATH
from spark_cxr.settings import Config


@dataclass(frozen=True)
class BenchFilms:
    """A folder and the files in it."""

    folder: str
    paths: tuple[str, ...]

    def __len__(self) -> int:
        """Count the films."""
        return len(self.paths)

    def linked(self, folder: str, count: int) -> BenchFilms:
        """Give so many films in a folder of their own, the same ones again and again if need be."""
        Path(folder).mkdir()
        paths = [f"{folder}/{n:07d}{Path(self._at(n)).suffix}" for n in range(count)]
        for n, path in enumerate(paths):
            Path(path).hardlink_to(self._at(n))
        return BenchFilms(folder, tuple(paths))

    def _at(self, n: int) -> str:
        return self.paths[n % len(self.paths)]


def copied(spark: SparkSession, cfg: Config, folder: str, with_dicom: bool) -> BenchFilms:
    """Copy the first films that decode next to each other."""
    listing = list_files(spark, cfg.ingest.images).table(spark).select(PATH).orderBy(PATH)
    Path(folder).mkdir()
    kept: list[str] = []
    for row in listing.limit(cfg.bench.limit).collect():
        store, place = locate(row[PATH])
        with store.open_input_stream(place) as stream:
            data = bytes(stream.read())
        try:
            is_dicom = decode(data).format == "dicom"
        except BadImage:
            continue
        if with_dicom or not is_dicom:
            kept.append(f"{folder}/{len(kept):07d}{Path(place).suffix}")
            Path(kept[-1]).write_bytes(data)
    if not kept:
        received = ", ".join(cfg.ingest.images)
        raise InputError("images that Pillow reads in --images", received, "Name PNG or JPEG files")
    return BenchFilms(folder, tuple(kept))
