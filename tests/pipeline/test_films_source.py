"""`format("films")`, as a batch and as a stream."""

import os
import shutil
import time
from pathlib import Path

import pyspark
import pytest

from spark_cxr.config import defaults
from spark_cxr.pipeline.film_run import limits_of
from spark_cxr.pipeline.readers import SPARK, read_files
from spark_cxr.pipeline.reading import Reading, look

if pyspark.__version__ < "4":
    pytest.skip("Python data sources came with Spark 4", allow_module_level=True)

from spark_cxr.pipeline.films_source import FilmsStreamReader, _Options, register_films

FACTS = ("path", "sha256", "format", "width", "height", "bits", "pixels_sha256", "view", "reason")


@pytest.fixture
def films_format(spark):
    register_films(spark)
    return spark.read.format("films")


def by_name(rows):
    return {Path(row["path"]).name: row for row in rows}


def write(folder, *names, data=b"no image"):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(data)
    return folder


def test_contents_are_those_of_the_files(films_format, tmp_path):
    folder = write(tmp_path / "F", "a b.png", "[c].dcm")
    write(folder, "empty.png", data=b"")
    write(folder, "large.png", data=b"x" * 50)
    rows = by_name(films_format.option("maxBytes", 40).load(str(folder)).collect())
    assert {name: row["reason"] for name, row in rows.items()} == {
        "a b.png": None,
        "[c].dcm": None,
        "empty.png": "empty",
        "large.png": "too_large",
    }
    assert bytes(rows["a b.png"]["content"]) == b"no image"
    assert rows["large.png"]["content"] is None


def test_facts_are_those_that_ingest_finds(spark, films_format, films):
    rows = films_format.option("facts", "true").load(str(films)).collect()
    found = {tuple(row[name] for name in FACTS) for row in rows if row["reason"] != "empty"}
    settings = defaults(ingest={"images": (str(films),)}).ingest
    files = read_files(spark, settings.images, settings.max_bytes, reader=SPARK)
    looked = look(files, Reading(limits_of(settings), None, "")).collect()
    assert found == {tuple(row[name] for name in FACTS) for row in looked}
    assert len(rows) == 69


def test_a_folder_that_is_not_there_is_named(films_format, tmp_path):
    with pytest.raises(Exception, match="a folder of films that exists"):
        films_format.load(str(tmp_path / "nowhere")).count()
    with pytest.raises(Exception, match="that driver and workers see"):
        films_format.load("s3://bucket/films").count()


def test_a_stream_gives_each_film_once_and_a_changed_one_again(spark, films_format, tmp_path):
    folder, table, marks = (tmp_path / name for name in ("F", "T", "checkpoint"))
    write(folder, "1.png", "2.png", "3.png")
    old = write(tmp_path, "old.png") / "old.png"
    os.utime(old, (0, 0))

    def run():
        stream = spark.readStream.format("films").option("settle", "0.2").load(str(folder))
        query = (
            stream.select("path", "bytes")
            .writeStream.format("parquet")
            .option("checkpointLocation", str(marks))
            .trigger(availableNow=True)
            .start(str(table))
        )
        query.awaitTermination()
        rows = spark.read.parquet(str(table)).collect()
        return sorted((Path(row["path"]).name, row["bytes"]) for row in rows)

    first = [("1.png", 8), ("2.png", 8), ("3.png", 8)]
    assert run() == first
    assert run() == first
    shutil.move(old, folder / "old.png")  # it keeps the date that it has
    write(folder, "2.png", data=b"another content")
    assert run() == sorted([*first, ("old.png", 8), ("2.png", 15)])


def test_batches_have_so_many_files_at_most(tmp_path):
    from pyspark.sql.streaming.datasource import ReadAllAvailable, ReadMaxFiles

    folder = write(tmp_path / "F", *(f"{n}.png" for n in range(5)))
    options = {"path": str(folder), "maxFilesPerBatch": "2", "settle": "0"}
    reader = FilmsStreamReader(_Options.of(options))
    time.sleep(0.05)
    at, sizes = reader.initialOffset(), []
    while (end := reader.latestOffset(at, ReadMaxFiles(2))) != at:
        sizes.append(sum(len(part.files) for part in reader.partitions(at, end)))
        at = end
    assert sizes == [2, 2, 1]
    everything = reader.latestOffset(reader.initialOffset(), ReadAllAvailable())
    assert everything == at


def test_what_has_just_come_waits(tmp_path):
    folder = write(tmp_path / "F", "1.png")
    reader = FilmsStreamReader(_Options.of({"path": str(folder), "settle": "100"}))
    assert reader.latestOffset(reader.initialOffset()) == reader.initialOffset()
