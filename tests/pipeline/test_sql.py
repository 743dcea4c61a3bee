"""A network as a function of SQL."""

import io

import numpy as np
import pytest
from PIL import Image
from pyspark.sql.types import ArrayType, FloatType

from spark_cxr.backbones.featurize import featurize
from spark_cxr.errors import BadImage, ConfigError
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.sql import register_featurizer
from tests.quick import fake_plan


@pytest.fixture(scope="module")
def drawn():
    return [p.data for p in phantoms(12, seed=3, size=96, bad=2)]


@pytest.fixture(scope="module", autouse=True)
def films_in_sql(spark, drawn):
    rows = [(i, bytearray(data)) for i, data in enumerate(drawn)] + [(len(drawn), None)]
    spark.createDataFrame(rows, "id int, content binary").createOrReplaceTempView("films_in_sql")
    yield
    spark.catalog.dropTempView("films_in_sql")


def test_sql_gives_the_features_and_null_for_bad_images(spark, drawn):
    register_featurizer(spark, "cxr", modelName="fake", batchSize=5)
    rows = spark.sql("SELECT id, cxr(content) AS v FROM films_in_sql")
    assert rows.schema["v"].dataType == ArrayType(FloatType())
    got = {row.id: row.v for row in rows.collect()}
    assert got.pop(len(drawn)) is None
    for i, expected in enumerate(featurize(drawn, fake_plan(5))):
        if isinstance(expected, BadImage):
            assert got[i] is None
        else:
            np.testing.assert_allclose(got[i], expected, atol=1e-6)


def test_a_bad_image_fails_the_query_where_that_is_asked_for(spark):
    register_featurizer(spark, "cxr_strict", modelName="fake", handleInvalid="error")
    with pytest.raises(Exception, match="empty"):
        spark.sql("SELECT cxr_strict(content) FROM films_in_sql").collect()


def test_image_structs_are_taken_too(spark):
    register_featurizer(spark, "cxr", modelName="fake")
    grey = Image.radial_gradient("L").resize((90, 80))
    stream = io.BytesIO()
    grey.save(stream, "PNG")
    row = ("", 80, 90, 1, 0, bytearray(grey.tobytes()))
    schema = (
        "image struct<origin: string, height: int, width: int, nChannels: int, mode: int, "
        "data: binary>"
    )
    images = spark.createDataFrame([(row,), (None,)], schema)
    one, none = (row.v for row in images.selectExpr("cxr(image) AS v").collect())
    expected = featurize([stream.getvalue()], fake_plan(1))[0]
    np.testing.assert_allclose(one, expected, atol=1e-6)
    assert none is None


def test_the_network_runs_once_a_film_that_is_filtered_by_its_vector(spark, capsys):
    register_featurizer(spark, "cxr", modelName="fake")
    inner = "SELECT id, cxr(content) AS v FROM films_in_sql"
    spark.sql(f"SELECT id, v FROM ({inner}) WHERE v IS NOT NULL").explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") == 1


def test_a_function_cannot_skip_rows(spark):
    with pytest.raises(ConfigError, match="Say keep, and WHERE"):
        register_featurizer(spark, "cxr", modelName="fake", handleInvalid="skip")


def test_a_function_has_no_columns_of_its_own(spark):
    with pytest.raises(ConfigError, match=r"Received: inputCol\. Leave inputCol out"):
        register_featurizer(spark, "cxr", modelName="fake", inputCol="content")


def test_a_wrong_network_is_refused_at_once(spark):
    with pytest.raises(TypeError, match=r"Did you mean fake\?"):
        register_featurizer(spark, "cxr", modelName="fak")
