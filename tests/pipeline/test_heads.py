import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_cxr.heads import catalog as heads
from spark_cxr.pipeline import evaluate
from spark_cxr.pipeline import heads as train
from spark_cxr.pipeline.splits import split
from spark_cxr.schemas import TEST_PREDICTIONS, columns

LABELS = ("COVID-19", "No_findings", "Pneumonia")


@pytest.fixture(scope="module")
def rows(spark):
    draw = np.random.default_rng(0)
    made = []
    for i in range(240):
        label = LABELS[i % 3]
        vector = (draw.standard_normal(6) + 2 * (i % 3) * np.eye(6)[i % 3]).tolist()
        made.append((f"f{i}", f"s{i}", label, "x", f"p{i // 2}", None, vector))
    ddl = (
        "path string, sha256 string, label string, source string, group_id string, view string, "
        "features array<float>"
    )
    return spark.createDataFrame(made, ddl)


@pytest.fixture(scope="module")
def scored(rows):
    parted = train.prepare_rows(split(rows, "image", 0.25, 0), LABELS)
    model = train.fit(heads.get("lr"), parted.where("not is_test"))
    return model.transform(parted.where("is_test")).persist()


@pytest.fixture(scope="module")
def predictions(scored):
    return train.predictions_of(scored, LABELS, "lr-test").persist()


def test_predictions_have_the_columns_of_the_contract(predictions):
    assert predictions.columns == columns(TEST_PREDICTIONS)


def test_prediction_is_the_label_of_the_highest_probability(predictions):
    for row in predictions.collect():
        best = max(row["probabilities"], key=row["probabilities"].get)
        assert row["prediction"] == best
        assert row["confidence"] == row["probabilities"][best]


def test_probabilities_name_every_label_and_add_up(predictions):
    for row in predictions.limit(20).collect():
        assert set(row["probabilities"]) == set(LABELS)
        assert sum(row["probabilities"].values()) == pytest.approx(1)


def test_mllibs_evaluator_and_our_measures_agree(scored, predictions):
    ours = evaluate.measure_predictions(predictions, LABELS, seed=0, resamples=100)
    theirs = evaluate.mllib_metrics(scored)
    assert ours.accuracy == pytest.approx(theirs["accuracy"])
    assert ours.log_loss == pytest.approx(theirs["logLoss"])
    support = np.array(ours.support)
    weighted_f1 = (np.array(ours.f1) * support).sum() / support.sum()
    assert weighted_f1 == pytest.approx(theirs["f1"])


def test_intervals_do_not_hang_on_the_key_of_the_pseudonyms(predictions):
    other = predictions.withColumn("group_id", F.sha2(F.concat("group_id", F.lit("key")), 256))
    one, two = (
        evaluate.measure_predictions(each, LABELS, seed=0, resamples=100).intervals
        for each in (predictions, other)
    )
    assert one == two


def test_a_separable_set_is_learnt_but_not_perfectly(predictions):
    right = predictions.where("label = prediction").count() / predictions.count()
    assert 0.6 < right <= 1.0


def test_shared_patients_are_counted(rows):
    parted = split(rows, "image", 0.25, 0).collect()
    trained = {r["group_id"] for r in parted if not r["is_test"]}
    expected = sum(r["is_test"] and r["group_id"] in trained for r in parted)
    assert evaluate.count_shared(split(rows, "image", 0.25, 0)) == expected > 0
