"""A portable head as Spark scores with it."""

import numpy as np
import pytest
from pyspark.ml.functions import vector_to_array

from spark_cxr.heads.portable.linear import Linear
from spark_cxr.pipeline import heads as train
from spark_cxr.schemas import TEST_PREDICTIONS, columns
from spark_cxr.verbs.finetune.head import PortableModel, trained_head

LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def head():
    draw = np.random.default_rng(1)
    return Linear(draw.standard_normal((3, 5)), draw.standard_normal(3), "softmax")


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(2).standard_normal((70, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def scored(spark, head, vectors):
    rows = [
        (f"f{i}", f"s{i}", LABELS[i % 3], "x", f"g{i}", None, v.tolist())
        for i, v in enumerate(vectors)
    ]
    ddl = (
        "path string, sha256 string, label string, source string, group_id string, view string, "
        "features array<float>"
    )
    prepared = train.prepare_rows(spark.createDataFrame(rows, ddl), LABELS)
    return PortableModel(trained_head(()), head).transform(prepared).persist()


def test_probabilities_are_those_of_the_arrays(scored, head, vectors):
    rows = scored.select("path", vector_to_array("probability").alias("p")).collect()
    found = {row["path"]: row["p"] for row in rows}
    expected = head.probabilities(vectors.astype(np.float64))
    np.testing.assert_allclose([found[f"f{i}"] for i in range(70)], expected, atol=1e-12)


def test_prediction_is_the_likeliest_class(scored, head, vectors):
    found = {row["path"]: row["prediction_index"] for row in scored.collect()}
    expected = head.probabilities(vectors.astype(np.float64)).argmax(axis=1)
    assert [found[f"f{i}"] for i in range(70)] == expected.tolist()


def test_predictions_are_worded_from_it_as_from_any_head(scored):
    assert train.predictions_of(scored, LABELS, "m").columns == columns(TEST_PREDICTIONS)


@pytest.mark.parametrize(
    ("units", "name", "title"),
    [((), "linear", "linear head"), ((64, 8), "dense", "dense head of 64, 8 units")],
)
def test_heads_are_named_by_their_layers(units, name, title):
    assert (trained_head(units).name, trained_head(units).title) == (name, title)
