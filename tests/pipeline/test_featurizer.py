import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.linalg import VectorUDT
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import functions as F

from spark_cxr.backbones.featurize import featurize
from spark_cxr.errors import BadImage, InputError
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.featurizer import DeepImageFeaturizer, FilmFeaturizer
from tests.quick import fake_plan


@pytest.fixture(scope="module")
def drawn():
    return list(phantoms(24, seed=3, size=64, bad=2))


@pytest.fixture(scope="module")
def table(spark, drawn):
    rows = [(i, p.label, bytearray(p.data)) for i, p in enumerate(drawn)]
    return spark.createDataFrame(rows, "id int, label string, content binary")


def vectors(rows):
    return {r["id"]: r["features"] for r in rows.select("id", "features").collect()}


@pytest.mark.parametrize("parts", [1, 2, 7, 40])
def test_features_through_spark_equal_features_without(drawn, table, parts):
    recipe = fake_plan(5)
    expected = featurize([p.data for p in drawn], recipe)
    got = vectors(
        FilmFeaturizer(modelName="fake", batchSize=5, handleInvalid="keep").transform(
            table.repartition(parts)
        )
    )
    for i, made in enumerate(expected):
        if isinstance(made, BadImage):
            assert got[i] is None
        else:
            np.testing.assert_allclose(got[i].toArray(), made, atol=1e-6)


def test_rows_columns_and_partitions_are_kept(table):
    parted = table.repartition(3).withColumn("more", F.lit(1))
    made = FilmFeaturizer(modelName="fake", handleInvalid="keep").transform(parted)
    assert made.columns == ["id", "label", "content", "more", "features"]
    assert made.rdd.getNumPartitions() == 3
    assert isinstance(made.schema["features"].dataType, VectorUDT)


def test_skip_drops_the_bad_rows(table, drawn):
    good = {i for i, p in enumerate(drawn) if not p.expected_reason}
    assert (
        set(vectors(FilmFeaturizer(modelName="fake", handleInvalid="skip").transform(table)))
        == good
    )


def test_keep_says_why_in_the_error_column(table, drawn):
    made = FilmFeaturizer(modelName="fake", handleInvalid="keep", errorCol="why").transform(table)
    reasons = {r["id"]: r["why"]["reason"] for r in made.where("why is not null").collect()}
    assert reasons == {i: p.expected_reason for i, p in enumerate(drawn) if p.expected_reason}


def test_error_names_the_reason(table):
    with pytest.raises(Exception, match=r"empty"):
        FilmFeaturizer(modelName="fake").transform(table).select("features").collect()


def test_it_trains_and_is_saved_within_a_pipeline(table, tmp_path):
    rows = table.withColumn("y", F.when(F.col("label") == "Pneumonia", 1.0).otherwise(0.0))
    stages = [
        FilmFeaturizer(modelName="fake", handleInvalid="skip"),
        LogisticRegression(labelCol="y", maxIter=5),
    ]
    model = Pipeline(stages=stages).fit(rows)
    model.write().overwrite().save(str(tmp_path / "m"))
    loaded = PipelineModel.load(str(tmp_path / "m"))
    expected = [r["probability"] for r in model.transform(rows).orderBy("id").collect()]
    assert [r["probability"] for r in loaded.transform(rows).orderBy("id").collect()] == expected


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"modelName": "fak"},
            "Expected modelName by name. Received: modelName='fak'. Did you mean fake?",
        ),
        ({"engine": "gpu"}, "Expected engine by name. Received: engine='gpu'"),
        ({"batchSize": 0}, "Expected a whole number of 1 or more. Received: batchSize=0. Try 32."),
        (
            {"handleInvalid": "drop"},
            "Expected handleInvalid by name. Received: handleInvalid='drop'",
        ),
    ],
)
def test_a_wrong_param_is_refused_when_it_is_set(spark, params, message):
    with pytest.raises(TypeError) as error:
        FilmFeaturizer(**params)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"inputCol": "contents"}, "Expected inputCol among the columns. Received: contents. Did"),
        (
            {"inputCol": "label"},
            "Expected inputCol of type binary, or structs of the image schema. Received: label",
        ),
        ({"outputCol": "id"}, "Expected outputCol that is not there yet. Received: id."),
    ],
)
def test_a_table_that_does_not_fit_is_refused_before_work(table, params, message):
    with pytest.raises(InputError) as error:
        FilmFeaturizer(modelName="fake", **params).transform(table)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("count", [0, 1, 6])
def test_a_last_batch_of_one_film_and_an_empty_table_work(table, drawn, count):
    some = table.where(F.col("id") < count).repartition(1)
    got = vectors(
        FilmFeaturizer(modelName="fake", batchSize=5, handleInvalid="keep").transform(some)
    )
    expected = featurize([p.data for p in drawn[:count]], fake_plan(1))
    assert [got[i] is None for i in range(count)] == [isinstance(v, BadImage) for v in expected]
    for i, vector in enumerate(expected):
        if got[i] is not None:
            np.testing.assert_allclose(got[i].toArray(), vector, atol=1e-6)


def test_nothing_is_shuffled(table, capsys):
    FilmFeaturizer(modelName="fake", handleInvalid="skip").transform(table).explain()
    assert "Exchange" not in capsys.readouterr().out


@pytest.mark.slow
# Spark leaves its pool of threads to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_is_tuned_by_cross_validation(table):
    rows = table.withColumn("y", F.when(F.col("label") == "Pneumonia", 1.0).otherwise(0.0))
    lr = LogisticRegression(labelCol="y", maxIter=5)
    validator = CrossValidator(
        estimator=Pipeline(stages=[FilmFeaturizer(modelName="fake", handleInvalid="skip"), lr]),
        estimatorParamMaps=ParamGridBuilder().addGrid(lr.regParam, [0.01, 100.0]).build(),
        evaluator=BinaryClassificationEvaluator(labelCol="y"),
        numFolds=2,
        seed=1,
    )
    best = validator.fit(rows).bestModel
    assert best.stages[1].numFeatures == 128
    assert best.transform(rows).where("prediction IS NOT NULL").count() == 22


@pytest.mark.parametrize("invalid", ["error", "skip", "keep"])
def test_the_network_runs_once_a_film(table, invalid, capsys):
    stage = FilmFeaturizer(modelName="fake", handleInvalid=invalid, errorCol="why")
    stage.transform(table).select("features", "why").explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") == 1


def test_a_stage_that_an_earlier_version_has_saved_is_loaded_by_its_old_name(spark, tmp_path):
    place = tmp_path / "stage"
    FilmFeaturizer(modelName="fake").write().session(spark).save(str(place))
    (part,) = (place / "metadata").glob("part-*")
    text = part.read_text()
    old = "spark_cxr.pipeline.featurizer.DeepImageFeaturizer"
    for check in (place / "metadata").glob(".*.crc"):
        check.unlink()
    part.write_text(text.replace("spark_cxr.pipeline.featurizer.FilmFeaturizer", old))
    assert old in part.read_text()
    assert DeepImageFeaturizer.load(str(place)).getOrDefault("modelName") == "fake"
