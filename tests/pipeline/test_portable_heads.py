"""Portable heads give what MLlib gives, for every head of the catalog, row by row."""

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import PipelineModel
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import functions as F

from spark_cxr.heads import catalog
from spark_cxr.heads.portable import pack, read_stages, unpack
from spark_cxr.output import locate
from spark_cxr.pipeline import heads as train

LABELS = ("COVID-19", "No_findings", "Pneumonia")
DIM = 12
QUICK = {"rf": (("max_depth", 6), ("min_films", 1)), "mlp": (("iterations", 3),)}
QUICK["gbt"] = (("max_depth", 3), ("trees", 4))


def table(spark, vectors, labels):
    frame = pd.DataFrame({"features": vectors.tolist(), "label": labels})
    return spark.createDataFrame(frame, "features array<double>, label string")


@pytest.fixture(scope="module")
def draw():
    return np.random.default_rng(5)


@pytest.fixture(scope="module", params=[2, 3])
def count(request):
    return request.param


@pytest.fixture(scope="module")
def rows(spark, draw, count):
    vectors = draw.standard_normal((240, DIM))
    vectors[:, 7] = 3.5  # a feature that never changes
    labels = np.array(LABELS[:count])[(np.abs(vectors[:, 0]) + vectors[:, 1] > 0.7) * (count - 1)]
    labels[vectors[:, 2] > 1.0] = LABELS[min(1, count - 1)]
    return train.prepare_rows(table(spark, vectors, labels), LABELS[:count]).persist()


HEADS = [
    pytest.param(name, marks=pytest.mark.slow if name == "svc" else ()) for name in catalog.names()
]
"""MLlib takes half a minute for a machine of three classes."""


@pytest.fixture(scope="module", params=HEADS)
def fitted(request, rows):
    head = catalog.get(request.param)
    recipe = train.HeadRecipe(seed=3, setting=QUICK.get(head.name, ()))
    return train.fit(head, rows, recipe)


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    address = str(tmp_path_factory.mktemp("heads") / "head")
    fitted.mllib.write().overwrite().save(address)
    return address


@pytest.fixture(scope="module")
def portable(fitted, saved):
    return unpack(pack(fitted.head.read(read_stages(*locate(saved)))))


@pytest.fixture(scope="module")
def strangers(draw):
    """Draw 10,000 films, some far from all that was seen, some exactly on the borders."""
    vectors = draw.standard_normal((10_000, DIM)) * draw.choice([0.1, 1, 30], (10_000, 1))
    vectors[:100] = np.round(vectors[:100])
    return vectors


def test_portable_head_equals_the_loaded_one_of_mllib(spark, fitted, saved, portable, strangers):
    films = spark.createDataFrame(
        pd.DataFrame({"n": range(len(strangers)), "features": strangers.tolist()}),
        "n int, features array<double>",
    ).withColumn("features", array_to_vector("features"))
    scored = train.HeadModel(fitted.head, PipelineModel.load(saved)).transform(films)
    scored = scored.withColumn("p", vector_to_array("probability"))
    told = scored.select("n", "p", "prediction_index").toPandas().sort_values("n")
    expected = np.stack(told["p"])
    got = portable.probabilities(strangers)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    named = got[np.arange(len(got)), told["prediction_index"].astype(int)]
    np.testing.assert_allclose(named, got.max(axis=1), rtol=0, atol=1e-9)


def test_probabilities_of_every_head_add_up(portable, strangers):
    shares = portable.probabilities(strangers)
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)


def test_columns_of_a_scored_table_are_the_same_for_every_head(fitted, rows):
    assert fitted.transform(rows).columns == [*rows.columns, "prediction_index", "probability"]


def test_head_learns(fitted, rows):
    if fitted.head.name == "mlp":
        pytest.skip("three steps of the dense layers are for arithmetic, not for learning")
    scored = fitted.transform(rows)
    right = scored.where(F.col("prediction_index") == F.col("label_index")).count()
    most = max(r["count"] for r in rows.groupBy("label").count().collect())
    assert right > most
