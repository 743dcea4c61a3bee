"""Tables appear when they are whole; until then only their owner can read them."""

import json
import stat
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from spark_cxr.output import Output


def test_table_that_is_being_written_is_its_owners(spark, tmp_path):
    output = Output(str(tmp_path / "T"))
    place = output.address

    def modes(_):  # here, because a worker does not have the modules of tests
        return json.dumps([stat.S_IMODE(each.stat().st_mode) for each in Path(place).iterdir()])

    rows = spark.range(3).select(F.udf(modes, "string")("id").alias("modes"))
    output.write_table(rows, "a/images")
    rows = spark.read.parquet(output.table("a/images")).collect()
    assert len(rows) == 3
    for row in rows:
        assert json.loads(row["modes"]) == [0o700]
    assert output.names() == ["a"]
    assert (tmp_path / "T/a/images/_SUCCESS").exists()


def test_table_replaces_the_one_before(spark, tmp_path):
    output = Output(f"file:{tmp_path}/T")
    for count in (3, 5):
        output.write_table(spark.range(count), "images")
        assert spark.read.parquet(output.table("images")).count() == count


def test_table_that_fails_leaves_the_one_before_and_nothing_else(spark, tmp_path):
    output = Output(str(tmp_path / "T"))
    output.write_table(spark.range(3), "images")
    fail = F.udf(lambda _: 1 / 0, "double")
    with pytest.raises(PySparkException):
        output.write_table(spark.range(3).select(fail("id")), "images")
    assert output.names() == ["images"]
    assert spark.read.parquet(output.table("images")).count() == 3
