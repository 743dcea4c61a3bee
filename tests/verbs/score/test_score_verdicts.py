"""Verdicts in the table of predictions, beside rows of an older version, in CSV and in SQL."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_score_one_process import without_spark

import spark_cxr
from spark_cxr.pipeline.sql import register_scorer
from spark_cxr.schemas import SCORES, columns
from spark_cxr.verbs.score.table import widen_of
from tests.model.decision_by_hand import decision
from tests.model.model_by_hand import LABELS
from tests.serve.made_model import made_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return made_model(tmp_path_factory.mktemp("decided") / "model", decision=decision())


@pytest.fixture(scope="module")
def films(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("arrived")
    for number, data in enumerate(drawn[:4]):
        (folder / f"film-{number}.png").write_bytes(data)
    (folder / "bad.png").write_bytes(b"no image at all")
    return folder


def scored(tmp_path, model, films, table):
    done = without_spark(
        *(tmp_path, "--model", model, "--images", films, "--table", table, "--also", "csv")
    )
    assert done.returncode == 0, done.stderr


def as_older(path):
    """Write a file of the table as versions did that knew no verdicts."""
    table = pq.ParquetFile(path).read()
    pq.write_table(table.drop_columns(["verdicts"]), path)


def test_rows_have_verdicts_beside_older_rows_that_have_none(tmp_path, model, films, drawn):
    place = tmp_path / "T"
    scored(tmp_path, model, films, place)
    (older,) = place.glob("scored_on=*/*.parquet")
    expected = pq.ParquetFile(older).read().to_pylist()
    loaded = spark_cxr.load_model(model)
    for row in expected:
        (found,) = loaded.predict(Path(row["path"].removeprefix("file:")).read_bytes())
        assert dict(row["verdicts"]) == dict(found.verdicts)
        assert dict(row["probabilities"]) == dict(found.probabilities)
    as_older(older)
    (films / "late.png").write_bytes(drawn[4])
    scored(tmp_path, model, films, place)
    files = sorted(place.glob("scored_on=*/*.parquet"))
    tables = [pq.ParquetFile(file).read() for file in files]
    assert sorted(table.num_rows for table in tables) == [1, 4]
    both = pa.concat_tables(tables, promote_options="default")
    assert both.column_names == columns(SCORES)
    assert both["verdicts"].null_count == 4


def test_a_csv_has_a_column_for_each_verdict(tmp_path, model, films):
    scored(tmp_path, model, films, tmp_path / "T")
    (path,) = (tmp_path / "T").glob("_csv/*/*.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert {f"verdict_{label}" for label in LABELS} <= set(rows[0])
    assert "verdicts" not in rows[0]
    assert {row[f"verdict_{LABELS[0]}"] for row in rows} <= {"rule in", "rule out", "unsure"}


@pytest.mark.slow
def test_sql_says_the_verdicts(spark, model, films):
    register_scorer(spark, "decided", model)
    table = (
        spark.read.format("binaryFile").load(str(films)).selectExpr("path", "decided(content) d")
    )
    loaded = spark_cxr.load_model(model)
    for row in table.collect():
        (found,) = loaded.predict(Path(row["path"].removeprefix("file:")).read_bytes())
        assert row["d"].verdicts == dict(found.verdicts)
        assert bool(row["d"].verdicts) == (row["d"].reason is None)


def test_a_delta_table_gets_the_column_that_it_lacks():
    there = [*columns(SCORES)[:-1], "scored_on"]
    statement = widen_of("/data/T", SCORES, there)
    assert statement == "ALTER TABLE delta.`/data/T` ADD COLUMNS (verdicts map<string,string>)"
    assert widen_of("/data/T", SCORES, columns(SCORES)) == ""
