"""A pass that was cut off goes on from the tasks that were done."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.images.film import Limits
from spark_cxr.output import PARTS, Output
from spark_cxr.pipeline import film_run, readers
from spark_cxr.pipeline.film_run import FilmRun
from spark_cxr.pipeline.parts import STAMP
from spark_cxr.pipeline.progress import Watch
from spark_cxr.pipeline.reading import Reading, look
from spark_cxr.pipeline.sources import list_files

READING = Reading(Limits(), b"k" * 16, "")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "P").mkdir()
    for number in range(6):
        (tmp_path / "P" / f"{number}.png").write_bytes(b"no image %d" % number)
    return tmp_path / "P"


@pytest.fixture
def run(spark, folder, monkeypatch):
    monkeypatch.setattr(readers, "LEAST_TASKS", 6)

    def run(output, listing=None, reading=READING):
        settings = defaults(ingest={"images": (str(folder),)}).ingest
        listing = listing or list_files(spark, [str(folder)])
        run = FilmRun(spark, settings, listing, reading)
        return run.rows(Output(str(output)), Watch(spark, ""))

    return run


def details(found):
    rows = found.table.select("path", "sha256", "reason").collect()
    return sorted((Path(row["path"]).name, row["sha256"], row["reason"]) for row in rows)


@pytest.fixture
def cut_off(run, tmp_path, monkeypatch):
    """Leave the output of a run one of whose tasks has ended it, while others were done."""

    def failing(files, *args):
        fails = F.raise_error(F.lit("pulled the plug"))
        return look(files, *args).withColumn(
            "detail", F.when(F.col("path").endswith("/5.png"), fails).otherwise(F.col("detail"))
        )

    with monkeypatch.context() as patched:
        patched.setattr(film_run, "look", failing)
        with pytest.raises(Exception, match="pulled the plug"):
            run(tmp_path / "T")
    return tmp_path / "T"


def test_only_the_rest_is_read_and_the_outcome_is_that_of_one_run(run, cut_off, tmp_path):
    whole, again = run(tmp_path / "U"), run(cut_off)
    assert (whole.resumed, len(details(whole))) == (0, 6)
    assert 1 <= again.resumed <= 5
    assert details(again) == details(whole)


def test_nothing_is_read_where_all_is_done(run, tmp_path, monkeypatch):
    run(tmp_path / "T")
    monkeypatch.setattr(film_run, "look", lambda *_: pytest.fail("it looked again"))
    assert run(tmp_path / "T").resumed == 6


def test_a_file_that_changed_or_went_meanwhile_has_no_old_row(run, cut_off, folder):
    for number in range(5):
        (folder / f"{number}.png").write_bytes(b"another content")
    (folder / "5.png").unlink()
    again = run(cut_off)
    assert again.resumed == 0
    assert [name for name, *_ in details(again)] == [f"{number}.png" for number in range(5)]
    assert len({sha256 for _, sha256, _ in details(again)}) == 1


@pytest.mark.parametrize(
    "other",
    [replace(READING, limits=Limits(min_side=1)), replace(READING, key=b"x" * 16)],
    ids=["limits", "key"],
)
def test_what_was_made_in_another_way_is_made_anew(run, cut_off, other):
    assert run(cut_off, reading=other).resumed == 0


def test_a_table_that_a_power_cut_has_spoilt_is_read_again(run, tmp_path):
    run(tmp_path / "T")
    parts = sorted((tmp_path / "T" / PARTS).rglob("*.parquet"))
    parts[0].write_bytes(parts[0].read_bytes()[:40])
    for checksum in (tmp_path / "T" / PARTS).rglob(".*.crc"):
        checksum.unlink()
    again = run(tmp_path / "T")
    assert 0 < again.resumed < 6
    assert len(details(again)) == 6


def test_no_one_else_reads_what_is_not_finished_and_no_key_stands_in_it(run, tmp_path):
    run(tmp_path / "T")
    assert (tmp_path / "T" / PARTS).stat().st_mode & 0o777 == 0o700
    stamp = (tmp_path / "T" / STAMP).read_text()
    assert "kkkk" not in stamp
    assert json.loads(stamp)["reading"]["key"] is None
