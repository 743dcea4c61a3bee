import json
from types import SimpleNamespace

import pytest

from spark_cxr.pipeline import session


def test_the_session_that_is_there_is_taken(spark):
    assert session.open_session("x") is spark


def test_batches_are_small_enough_for_image_files(spark):
    session.open_session("x")
    assert spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch") == "32"


def test_a_session_says_what_it_is(spark):
    said = session.describe(spark)
    assert said == {"spark": spark.version, "session": "classic", "master": "local[2]"}


class Settings(dict[str, str]):
    set = dict.__setitem__


@pytest.mark.parametrize("is_own", [True, False])
def test_only_a_session_of_our_own_is_suited_to_few_rows_and_back(is_own):
    settings = dict.fromkeys(session.FOR_FEW, "as it was")
    before = settings | ({session.OWN: json.dumps(settings)} if is_own else {})
    spark = SimpleNamespace(conf=Settings(before))
    session.expect_few(spark)
    assert spark.conf == before | (session.FOR_FEW if is_own else {})
    session.expect_few(spark, are_few=False)
    assert spark.conf == before
