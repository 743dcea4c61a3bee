"""Where the time of a pass went, and how far it is, as its workers say."""

import logging
import time
from pathlib import Path

import pytest

from spark_cxr.images.apart import peak_of
from spark_cxr.images.clock import STAGES
from spark_cxr.images.film_pass import FilmPass, FilmViews
from spark_cxr.pipeline import progress as module
from spark_cxr.pipeline.film_pass import over_films
from spark_cxr.pipeline.pass_times import PassTimes
from spark_cxr.pipeline.progress import Watch, progress


@pytest.fixture
def table(spark):
    rows = [(f"file:/films/{n}", 3, bytearray(b"abc")) for n in range(12)]
    return spark.createDataFrame(rows, "path string, bytes bigint, content binary").repartition(2)


def slow_pass(seconds):
    """Make a function that makes a pass which takes so long for each film."""

    def make():
        def open_(file):
            time.sleep(seconds)
            return FilmViews({"path": file["path"]})

        return FilmPass(open_, lambda note, _: note)

    return make


def test_stages_and_films_of_all_workers_are_summed(spark, table):
    watch = Watch(spark, "")
    assert len(over_films(table, slow_pass(0.02), "path string", watch).collect()) == 12
    times = watch.times()
    assert times.films == 12
    assert set(times.stages) == set(STAGES)
    assert 12 * 0.02 * 0.5 < times.stages["waiting"] < 60, "the threads decode while it waits"
    assert times.worker_peak > 10**7
    assert times.driver_peak > 10**8
    assert times.configured["spark.driver.memory"]


def test_a_pass_without_a_watch_has_its_own_columns_only(table):
    assert over_films(table, slow_pass(0), "path string").columns == ["path"]


def test_workers_of_this_host_count_films_not_tasks(spark, table, monkeypatch, caplog):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.1)
    caplog.set_level(logging.INFO, "spark_cxr")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")
    try:
        with progress(spark, "x", 12) as watch:
            one_task = table.coalesce(1)
            over_films(one_task, slow_pass(0.25), "path string", watch).collect()
    finally:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "32")
    counts = [int(line.split()[1]) for line in caplog.messages]
    assert counts == sorted(counts)
    assert any(0 < count < 12 for count in counts), "one task: by tasks it is none or all"
    assert counts[-1] == 12


def test_times_of_two_passes_add_up():
    one = PassTimes(2, 1.0, {"network": 0.5}, 10 * 2**20, 0, {"spark.driver.memory": "3g"})
    both = one + PassTimes(1, 2.0, {"network": 0.25, "decoding": 0.3}, 2**20, 2**30)
    assert both.stages == {"decoding": 0.3, "network": 0.75}
    assert (both.films, both.seconds) == (3, 3.0)
    assert both.lines == [
        "milliseconds a film: decoding 100.0, network 250.0",
        "memory: workers up to 10 MB each, driver 1,024 MB (3g of heap allowed)",
    ]


def test_a_gpu_that_waits_is_told_how_many_cores_would_feed_it():
    stages = {"reading": 1.0, "decoding": 30.0, "resizing": 1.0, "network": 4.0, "waiting": 4.0}
    assert PassTimes(9, 8.0, stages).advice(4) == (
        "this GPU waits for decoding 50% of its time: 4 more cores"
    )
    assert PassTimes(9, 8.0, {**stages, "decoding": 2.0}).advice(4) == ""


def test_nothing_is_said_of_what_nobody_knows():
    assert PassTimes().lines == []


def test_a_film_that_takes_long_is_named_before_it_is_done(monkeypatch, caplog):
    from spark_cxr.images import film_pass

    monkeypatch.setattr(film_pass, "SLOW", 0.05)

    class Slow(film_pass.Content):
        def __str__(self):
            return "/films/slow.dcm"

    def open_(_):
        time.sleep(0.3)
        return FilmViews("note")

    rows = list(FilmPass(open_, lambda note, _: note).rows([[Slow(b"x")]]))
    assert rows == [["note"]]
    assert "/films/slow.dcm" in caplog.text


def test_peak_is_that_of_the_process():
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    assert peak_of() > 10**7
    assert peak_of("no such process") == 0
