"""Delta: the statements, and the refusal where the session has none. No Delta runs here."""

import re

import pytest

from spark_cxr.errors import SetupError
from spark_cxr.schemas import SCORES
from spark_cxr.verbs.score.table import create_of, merge_of


def test_a_session_without_delta_is_told_so(score):
    with pytest.raises(SetupError, match=r"a session with Delta for --format delta.*--format parq"):
        score(format="delta")


def test_rows_are_merged_on_path_content_and_model(spark):
    statement = merge_of("/data/T", "new_rows", "")
    assert re.findall(r"known\.(\w+) <=> new\.\1", statement) == ["path", "sha256", "model"]
    assert statement.endswith("WHEN NOT MATCHED THEN INSERT *")


def test_hidden_tables_tell_files_apart_by_time_and_size_too():
    assert "known.modified <=> new.modified" in merge_of("/data/T", "v", "_quarantine")


def test_the_table_is_parted_by_day():
    statement = create_of("/data/T", SCORES)
    assert statement.startswith("CREATE TABLE IF NOT EXISTS delta.`/data/T` (path string, ")
    assert statement.endswith("USING delta PARTITIONED BY (scored_on)")
