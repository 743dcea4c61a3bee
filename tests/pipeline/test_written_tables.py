"""Tables appear when they are whole; until then only their owner can read them."""

import json
import stat
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from spark_cxr import output
from spark_cxr.output import Output


def test_table_that_is_being_written_is_its_owners(spark, tmp_path):
    table = Output(str(tmp_path / "T"))
    place = table.address

    def modes(_):  # here, because a worker does not have the modules of tests
        return json.dumps([stat.S_IMODE(each.stat().st_mode) for each in Path(place).iterdir()])

    rows = spark.range(3).select(F.udf(modes, "string")("id").alias("modes"))
    table.write_table(rows, "a/images")
    rows = spark.read.parquet(table.table("a/images")).collect()
    assert len(rows) == 3
    for row in rows:
        assert json.loads(row["modes"]) == [0o700]
    assert table.names() == ["a"]
    assert (tmp_path / "T/a/images/_SUCCESS").exists()


def test_table_replaces_the_one_before(spark, tmp_path):
    table = Output(f"file:{tmp_path}/T")
    for count in (3, 5):
        table.write_table(spark.range(count), "images")
        assert spark.read.parquet(table.table("images")).count() == count


def test_table_that_fails_leaves_the_one_before_and_nothing_else(spark, tmp_path):
    table = Output(str(tmp_path / "T"))
    table.write_table(spark.range(3), "images")
    fail = F.udf(lambda _: 1 / 0, "double")
    with pytest.raises(PySparkException):
        table.write_table(spark.range(3).select(fail("id")), "images")
    assert table.names() == ["images"]
    assert spark.read.parquet(table.table("images")).count() == 3


def test_table_is_written_where_spark_has_its_own_root(spark, tmp_path, monkeypatch):
    """As on a cluster whose paths without a scheme lead into HDFS."""
    place = output.locate

    def elsewhere(address):
        store, path = place(address)
        return store, f"{tmp_path}/disk{path}"

    monkeypatch.setattr(output, "locate", elsewhere)
    found = Output(f"{tmp_path}/T")
    found.write_table(spark.range(3), "images")
    assert spark.read.parquet(found.table("images")).count() == 3
