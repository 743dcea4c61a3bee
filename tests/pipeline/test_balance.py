"""Class weights: a rare class counts as much as a common one."""

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.functions import vector_to_array

from spark_cxr.heads import catalog
from spark_cxr.pipeline import heads as train

LABELS = ("common", "rare")
SETTINGS = {
    "lr": (("shrinkage", 1e4),),
    "rf": (("max_depth", 1), ("min_films", 1)),
    "dt": (("max_depth", 1), ("min_films", 120)),
    "gbt": (("max_depth", 1), ("trees", 30)),
    "svc": (("shrinkage", 0.1),),
}


@pytest.fixture(scope="module")
def rows(spark):
    """Give films without any sign of their class, one in ten of the rare one."""
    vectors = np.random.default_rng(0).standard_normal((200, 4)) * 1e-3
    labels = ["rare" if i % 10 == 0 else "common" for i in range(200)]
    frame = pd.DataFrame({"features": vectors.tolist(), "label": labels})
    table = spark.createDataFrame(frame, "features array<double>, label string")
    return train.prepare_rows(table, LABELS).persist()


def mean_of_rare(name, rows, balance):
    recipe = train.HeadRecipe(setting=SETTINGS[name], balance=balance)
    scored = train.fit(catalog.get(name), rows, recipe).transform(rows)
    told = scored.select(vector_to_array("probability")[1].alias("p")).toPandas()
    return told["p"].mean()


def test_every_head_that_takes_weights_is_tried():
    assert set(SETTINGS) == {n for n in catalog.names() if catalog.get(n).is_weighted}


@pytest.mark.parametrize("name", ["lr", "dt"])
def test_without_balance_a_head_knows_how_rare_a_class_is(rows, name):
    assert mean_of_rare(name, rows, balance=False) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "svc" else ())
        for name in sorted(SETTINGS)
    ],
)
def test_with_balance_both_classes_are_as_likely(rows, name):
    assert mean_of_rare(name, rows, balance=True) == pytest.approx(0.5, abs=0.1)


def test_weights_are_films_over_classes_times_films_of_the_class(rows):
    weighted = train._weighted(rows, {0.0: 180, 1.0: 20})
    told = {
        r["label"]: r["film_weight"]
        for r in weighted.select("label", "film_weight").distinct().collect()
    }
    assert told == {"common": pytest.approx(200 / (2 * 180)), "rare": pytest.approx(200 / (2 * 20))}
