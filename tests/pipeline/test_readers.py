import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError
from spark_cxr.images.film import Limits
from spark_cxr.output import Output
from spark_cxr.pipeline import film_run, readers
from spark_cxr.pipeline.folders import FoundFile
from spark_cxr.pipeline.ingest import ingest_step
from spark_cxr.pipeline.progress import Watch
from spark_cxr.pipeline.readers import AUTO, SPARK, WORKER, choose_reader, read_files, read_listed
from spark_cxr.pipeline.reading import Digests, Reading, look, lot, lot_of
from spark_cxr.pipeline.sources import list_files
from spark_cxr.pipeline.worker_files import MOST, FileLost, read_whole


def rows_of(files):
    rows = look(files, Reading(Limits(), b"k" * 16, "")).collect()
    return sorted((row.asDict() for row in rows), key=lambda row: row["path"])


def folder_of(tmp_path, **files):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return str(tmp_path)


@pytest.mark.slow
def test_workers_and_spark_read_the_same(spark, films):
    listing = list_files(spark, [str(films)])
    by_worker = read_files(spark, [str(films)], 10**8, "", listing, WORKER)
    assert by_worker.where("content is not null").count() == 0
    assert rows_of(by_worker) == rows_of(read_files(spark, [str(films)], 10**8, "", listing, SPARK))


def test_strange_names_are_opened_by_workers_too(spark, tmp_path):
    names = ("a b.png", "50%.png", "a%20b.png", "ä{b,c}.png", "[x]*.png", "back\\slash.png")
    folder = folder_of(tmp_path, **dict.fromkeys(names, b"no image"))
    rows = rows_of(read_files(spark, [folder], 100, "", list_files(spark, [folder]), WORKER))
    assert {Path(row["path"]).name for row in rows} == set(names)
    assert {row["reason"] for row in rows} == {"not_an_image"}


def test_what_is_gone_or_no_file_any_more_has_no_row(spark, tmp_path):
    folder = folder_of(tmp_path, stays=b"no image", goes=b"x", becomes_a_pipe=b"x")
    files = read_files(spark, [folder], 100, "", list_files(spark, [folder]), WORKER)
    (tmp_path / "goes").unlink()
    (tmp_path / "becomes_a_pipe").unlink()
    os.mkfifo(tmp_path / "becomes_a_pipe")  # to open one waits for ever, where nobody writes
    assert [Path(row["path"]).name for row in rows_of(files)] == ["stays"]


def test_empty_and_large_files_are_not_opened(spark, tmp_path):
    folder = folder_of(tmp_path, empty=b"", small=b"1234", large=b"12345")
    files = read_files(spark, [folder], 4, "", list_files(spark, [folder]), WORKER)
    assert [Path(row["path"]).name for row in files.collect()] == ["small"]


def test_a_file_that_grew_too_large_is_lost(tmp_path):
    sparse = tmp_path / "film"
    with sparse.open("wb") as file:
        file.truncate(MOST + 1)
    with pytest.raises(FileLost):
        read_whole(f"file:{sparse}")


def test_workers_read_what_lies_here(spark, tmp_path):
    files = list_files(spark, [folder_of(tmp_path, a=b"x")]).found
    assert choose_reader(spark, AUTO, files) == WORKER
    assert choose_reader(spark, SPARK, files) == SPARK


def test_spark_reads_what_lies_in_a_store(spark):
    files = [FoundFile("hdfs://nowhere/film.png", 0, 9)]
    assert choose_reader(spark, AUTO, files) == SPARK
    with pytest.raises(ConfigError, match=r"every worker can open.*hdfs://nowhere/film.png"):
        choose_reader(spark, WORKER, files)


def test_workers_of_a_cluster_are_asked_first(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "all_here", lambda _: False)
    monkeypatch.setattr(readers, "PROBING_TASKS", 3)
    files = list_files(spark, [folder_of(tmp_path, a=b"x", b=b"xy")]).found
    assert choose_reader(spark, AUTO, files) == WORKER
    elsewhere = [replace(file, path=file.path.replace("file:/", "file:/mnt/")) for file in files]
    assert choose_reader(spark, AUTO, elsewhere) == SPARK
    # Another node has another file there.
    assert choose_reader(spark, AUTO, [replace(file, bytes=9) for file in files]) == SPARK


def test_what_a_worker_cannot_open_spark_reads(spark, tmp_path, monkeypatch, caplog):
    (tmp_path / "P").mkdir()
    folder = folder_of(tmp_path / "P", a=b"no image", b=b"nor this")

    def half_blind(files, *args):
        return look(files.where("content is not null or path not like '%/b'"), *args)

    monkeypatch.setattr(film_run, "look", half_blind)
    settings = defaults(ingest={"images": (folder,)}).ingest
    listing, reading = list_files(spark, [folder]), Reading(Limits(), None, "")
    found = film_run.FilmRun(spark, settings, listing, reading).rows(
        Output(str(tmp_path / "T")), Watch(spark, "")
    )
    assert found.reader == WORKER
    assert [row["reason"] for row in found.table.collect()] == ["not_an_image"] * 2
    assert "could not open 1 files" in caplog.text


def test_files_by_name_are_those_of_spark(spark, tmp_path):
    folder = folder_of(tmp_path, a=b"xy", b=b"z")
    files = list_files(spark, [folder]).found
    by_spark = read_listed(spark, files, SPARK).drop("content").orderBy("path").collect()
    assert read_listed(spark, files, WORKER).drop("content").orderBy("path").collect() == by_spark


def test_lots_are_the_same_on_workers_and_in_spark(spark):
    digests = [hashlib.sha256(bytes([n])).hexdigest() for n in range(20)]
    table = spark.createDataFrame([(digest,) for digest in digests], "sha256 string")
    lots = {
        row["sha256"]: row["lot"]
        for row in table.withColumn("lot", lot_of(7, F.col("sha256"))).collect()
    }
    assert lots == {digest: lot(7, digest) for digest in digests}


def test_digests_are_found_among_those_that_end_with_zeros():
    digests = ["00" * 32, "ab" * 8 + "00" * 24, "ff" * 32]
    halves = np.sort(np.array([bytes.fromhex(each[:32]) for each in digests], "S16"))
    known = Digests(halves)
    assert all(digest in known for digest in digests)
    assert "ab" * 32 not in known
    assert "00" * 31 + "01" in known, "halves tell contents apart; nobody makes two of one half"


def test_the_record_names_who_has_read(spark, films, tmp_path):
    settings = defaults(ingest={"images": (str(films),), "labels": "none"}).ingest
    done = ingest_step(spark, settings, Output(str(tmp_path / "T")))
    assert done.counts()["read"] == WORKER
