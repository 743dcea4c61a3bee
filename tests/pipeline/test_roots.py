"""A folder is the same however it is spelt: by it films are told apart, and held back."""

import pytest

from spark_cxr.pipeline.sources import is_below, list_files, source_of


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders beside the current one, the name of one within that of the other."""
    for name in ("here", "films", "films-late"):
        (tmp_path / name).mkdir()
    for name in ("films", "films-late"):
        (tmp_path / name / "a.png").write_bytes(b"a film")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def listed(spark, roots):
    found = list_files(spark, roots).found
    return spark.createDataFrame([(file.path,) for file in found], "path string")


SPELT = (
    "../films",
    "../films/",
    "./../here/../films",
    "{top}/films",
    "{top}/here/../films",
    "file:{top}/films",
    "file://{top}/films",
    "file://{top}/here/../films",
)


@pytest.mark.parametrize("spelt", SPELT)
def test_films_lie_below_their_folder_however_it_is_spelt(spark, folders, spelt):
    root = spelt.format(top=folders)
    table = listed(spark, [root, "../films-late"])
    found = {row.path: row.below for row in table.withColumn("below", is_below(root)).collect()}
    top = f"file:{folders}"
    assert found == {f"{top}/films/a.png": True, f"{top}/films-late/a.png": False}


@pytest.mark.parametrize(
    ("root", "path", "below"),
    [
        ("/data/films", "file:/data/films/a.png", True),
        ("/data/films", "file:///data/films/a.png", True),
        ("/data/films", "file:/old/data/films/a.png", False),
        ("/data/films", "hdfs://node:8020/data/films/a.png", True),
        ("/data/films", "hdfs://node:8020/old/data/films/a.png", False),
        ("/Volumes/films", "dbfs:/Volumes/films/a.png", True),
        ("dbfs:/Volumes/films", "dbfs:/Volumes/films/a.png", True),
        ("s3a://bucket/films", "s3a://bucket/films/a.png", True),
        ("s3a://bucket/films/", "s3a://bucket/films-late/a.png", False),
        ("s3a://bucket/films", "s3a://other/films/a.png", False),
        ("/data/films.zip", "file:/data/films.zip!/a.png", True),
        ("/data/*.zip", "file:/data/films.zip!/a.png", True),
        ("/", "file:/data/films/a.png", True),
    ],
)
def test_a_film_lies_below_the_folder_that_its_path_begins_with(spark, root, path, below):
    (row,) = spark.createDataFrame([(path,)], "path string").select(is_below(root)).collect()
    assert row[0] is below


def test_the_source_of_a_film_is_its_folder(spark, folders):
    roots = ["../films", "../films-late"]
    table = listed(spark, roots).withColumn("source", source_of(roots))
    sources = [row.source for row in table.collect()]
    assert sorted(sources) == ["films", "films-late"]
