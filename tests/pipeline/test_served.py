"""The server says what Spark says: the same numbers for the same films."""

import pytest

from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.sql import register_scorer
from tests.serve.made_model import made_model
from tests.serve.running import running


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return made_model(tmp_path_factory.mktemp("served") / "model")


def test_server_and_sql_give_a_film_the_same_probabilities(spark, model_dir):
    drawn = [film.data for film in phantoms(12, seed=7, size=80, bad=4) if film.data]
    register_scorer(spark, "cxr_served", model_dir)
    rows = [(number, bytearray(data)) for number, data in enumerate(drawn)]
    films = spark.createDataFrame(rows, "id int, content binary")
    told = {
        row.id: row.said for row in films.selectExpr("id", "cxr_served(content) said").collect()
    }
    with running(model_dir) as server:
        for number, data in enumerate(drawn):
            _, answer = server.predict(data, "?errors=inline")
            (found,) = answer["predictions"]
            said = told[number]
            assert (said.prediction or None) == found["label"]
            shares = found["probabilities"] or {}
            assert dict(said.probabilities or {}) == pytest.approx(shares, abs=1e-6)
