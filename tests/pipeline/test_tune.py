import numpy as np
import pandas as pd
import pytest
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError
from spark_cxr.heads import catalog
from spark_cxr.pipeline import heads as train
from spark_cxr.pipeline import tune

LABELS = ("COVID-19", "No_findings")
FOLDS = 3


@pytest.fixture(scope="module")
def films():
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((180, 20))
    labels = np.array(LABELS)[(vectors[:, 0] + draw.standard_normal(180) > 0.8).astype(int)]
    return pd.DataFrame({"n": range(180), "features": vectors.tolist(), "label": labels})


@pytest.fixture(scope="module")
def rows(spark, films):
    table = spark.createDataFrame(films, "n int, features array<double>, label string")
    prepared = train.prepare_rows(table, LABELS)
    return prepared.withColumn("fold", (F.col("n") % FOLDS).cast("int")).persist()


@pytest.fixture(scope="module")
def tuned(rows):
    return tune.tune(catalog.get("lr"), rows, FOLDS, train.HeadRecipe(seed=1), parallelism=2)


def test_every_point_of_the_grid_is_told_with_its_score(tuned):
    points = {point.setting: point.log_loss for point in tuned[1].points}
    assert set(points) == set(catalog.get("lr").grid)
    assert all(0 < loss < 10 for loss in points.values())


def test_the_best_point_is_the_one_of_least_log_loss(tuned):
    losses = {point.setting: point.log_loss for point in tuned[1].points}
    assert losses[tuned[1].best] == min(losses.values())
    assert tuned[1].best not in (catalog.get("lr").grid[0], catalog.get("lr").grid[-1])


def test_score_of_a_point_is_the_mean_log_loss_over_the_folds(tuned, rows, films):
    point = tuned[1].points[2]
    losses = []
    for fold in range(FOLDS):
        recipe = train.HeadRecipe(setting=point.setting)
        model = train.fit(catalog.get("lr"), rows.where(F.col("fold") != fold), recipe)
        scored = model.transform(rows.where(F.col("fold") == fold))
        told = scored.select("label", vector_to_array("probability").alias("p")).toPandas()
        given = [p[LABELS.index(label)] for label, p in zip(told["label"], told["p"], strict=True)]
        losses.append(-np.log(given).mean())
    assert point.log_loss == pytest.approx(np.mean(losses), abs=1e-9)
    assert point.spread == pytest.approx(np.std(losses), abs=1e-6)


def test_the_model_is_the_best_setting_fitted_on_all_rows(tuned, rows):
    model, found = tuned
    expected = train.fit(catalog.get("lr"), rows, train.HeadRecipe(setting=found.best))
    got, wanted = (
        np.stack(
            m.transform(rows).select(vector_to_array("probability").alias("p")).toPandas()["p"]
        )
        for m in (model, expected)
    )
    np.testing.assert_allclose(got, wanted, atol=1e-9)


@pytest.mark.parametrize("name", catalog.names())
def test_the_default_of_a_head_is_in_its_grid(name):
    head = catalog.get(name)
    assert head.default in head.grid
    assert len(set(head.grid)) == len(head.grid)


def test_folds_are_made_for_rows_that_train_and_come_to_all(rows, monkeypatch):
    def stand_in(images, by, k, seed):
        assert (by, k, seed, "features" in images.columns) == ("patient", 3, 7, False)
        return images.withColumn("fold", (F.col("n") % k).cast("int"))

    monkeypatch.setattr(tune, "folds", stand_in)
    parted = rows.drop("fold", "features").withColumns(
        {"is_test": F.col("n") >= 150, "path": F.col("n").cast("string")}
    )
    folds = {r["n"]: r["fold"] for r in tune.with_folds(parted, "patient", 3, 7).collect()}
    assert folds == {n: n % 3 if n < 150 else None for n in range(180)}


def test_dense_layers_refuse_balance_before_any_work():
    with pytest.raises(ConfigError) as caught:
        train.check_recipe(catalog.get("mlp"), train.HeadRecipe(balance=True))
    assert str(caught.value) == (
        "Expected a head that takes weights for --balance. Received: mlp. "
        "Leave --balance out, or take one of lr, rf, dt, gbt, svc."
    )
