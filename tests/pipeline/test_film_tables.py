"""Films in tables and queries: what is said of them is what is said of a folder."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.output import Output
from spark_cxr.pipeline.ingest import ingest_step
from spark_cxr.pipeline.sources import list_files
from tests.pipeline.test_films_in_archives import read_all, said


@pytest.fixture(scope="module")
def table(spark: SparkSession, films: Path) -> str:
    with (films / "manifest.csv").open(newline="") as file:
        labels = {row["path"]: row["label"] for row in csv.DictReader(file)}
    rows = [(name, bytearray(data), labels[name]) for name, data in read_all(films).items()]
    made = spark.createDataFrame(rows, "path string, content binary, label string")
    made.repartition(3).createOrReplaceTempView("hospital_films")
    return "table:hospital_films"


@pytest.mark.parametrize("place", ["table", pytest.param("query", marks=pytest.mark.slow)])
def test_a_table_says_what_the_folder_says(
    spark: SparkSession, films: Path, table: str, tmp_path: Path, place: str, monkeypatch
) -> None:
    monkeypatch.setenv("SPARK_CXR_KEY", "k" * 32)
    where = (
        table if place == "table" else "sql:SELECT * FROM hospital_films WHERE label IS NOT NULL"
    )
    plain = said(spark, films, tmp_path / "plain")
    found = said(spark, where, tmp_path / "out")
    assert {name: row for name, row in plain.items() if name in found} == found
    assert len(found) == len(plain) if place == "table" else len(found) > 50


def test_images_of_spark_and_arrays_are_films(
    spark: SparkSession, films: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (48, 40), dtype=np.uint8)
    (tmp_path / "x").mkdir()
    Image.fromarray(pixels).save(tmp_path / "x" / "a.png")
    spark.read.format("image").load(str(tmp_path / "x")).createOrReplaceTempView("spark_images")
    arrays = spark.createDataFrame([("b", pixels.tolist())], "id string, film array<array<int>>")
    arrays = arrays.withColumn("film", F.col("film").cast("array<array<short>>"))
    arrays.createOrReplaceTempView("arrays")
    cfg = defaults(ingest={"images": ["table:spark_images"], "labels": "none"})
    done = ingest_step(spark, cfg.ingest, Output(str(tmp_path / "T")))
    (film,) = done.images.collect()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    plain = defaults(ingest={"images": [str(tmp_path / "x")], "labels": "none"})
    (same,) = ingest_step(spark, plain.ingest, Output(str(tmp_path / "U"))).images.collect()
    assert (film["pixels_sha256"], film["format"]) == (same["pixels_sha256"], "npy")
    assert film["path"].startswith("table:spark_images!/")
    (row,) = list_files(spark, ["table:arrays"]).found
    assert row.path == "table:arrays!/b"


def test_rows_of_one_name_and_empty_rows_are_quarantined(
    spark: SparkSession, films: Path, tmp_path: Path
) -> None:
    data = bytearray(next(iter(read_all(films).values())))
    rows = [("a.png", data), ("a.png", data), ("b.png", None), (None, data)]
    spark.createDataFrame(rows, "path string, image binary").createOrReplaceTempView("doubled")
    found = said(spark, "table:doubled", tmp_path / "out", labels="none")
    bad = {name: row[:2] for name, row in found.items() if len(row) == 3}
    assert bad == {
        "a.png#2": ["unreadable", "a second row of this name"],
        "b.png": ["empty", "0 bytes"],
    }
    assert len(found) == 4


def test_what_is_no_table_of_films_is_refused(spark: SparkSession) -> None:
    spark.createDataFrame([("a",)], "path string").createOrReplaceTempView("no_films")
    with pytest.raises(InputError, match="a column of films"):
        list_files(spark, ["table:no_films"])
    with pytest.raises(InputError, match="a table or query"):
        list_files(spark, ["sql:SELECT nothing FROM nowhere"])
    with pytest.raises(InputError, match="a session of Spark"):
        list_files(None, ["table:no_films"])
