"""Folders as sparkdl 1.x on Spark 2.x wrote them, written here by hand, and read by Spark today."""

import json
import sys

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression, LogisticRegressionModel
from pyspark.ml.linalg import DenseMatrix, DenseVector, MatrixUDT, VectorUDT
from pyspark.ml.pipeline import PipelineModelReader, PipelineReader
from pyspark.sql.types import BooleanType, IntegerType, StructField, StructType

from spark_cxr.errors import InputError
from spark_cxr.sparkdl import (
    DeepImageFeaturizer,
    DeepImagePredictor,
    KerasTransformer,
    imageIO,
)
from spark_cxr.sparkdl.saved_pipelines import load_pipeline, register

LENGTH = 2048
FEATURIZER = "com.databricks.sparkdl.DeepImageFeaturizer"
REGRESSION = "org.apache.spark.ml.classification.LogisticRegressionModel"


def write_metadata(folder, kind, uid, params, defaults=None, version="2.4.5"):
    (folder / "metadata").mkdir(parents=True)
    said = {
        "class": kind,
        "timestamp": 1571234567890,
        "sparkVersion": version,
        "uid": uid,
        "paramMap": params,
    }
    if defaults is not None:
        said["defaultParamMap"] = defaults
    (folder / "metadata" / "part-00000").write_text(json.dumps(said) + "\n")
    (folder / "metadata" / "_SUCCESS").touch()


def write_featurizer(folder, **more):
    params = {"inputCol": "image", "outputCol": "features", "modelName": "ResNet50", **more}
    uid = "DeepImageFeaturizer_4d1c8a0bb2e1"
    write_metadata(folder, FEATURIZER, uid, params, {"scaleHint": "SCALE_AREA_AVERAGING"})


def write_regression(spark, folder, kind=REGRESSION):
    """Write weights of which every one is 0, so that the intercept alone decides: class 1."""
    fields = [
        ("numClasses", IntegerType()),
        ("numFeatures", IntegerType()),
        ("interceptVector", VectorUDT()),
        ("coefficientMatrix", MatrixUDT()),
        ("isMultinomial", BooleanType()),
    ]
    weights = DenseMatrix(1, LENGTH, [0.0] * LENGTH, True)
    row = (2, LENGTH, DenseVector([3.0]), weights, False)
    schema = StructType([StructField(*field) for field in fields])
    spark.createDataFrame([row], schema).coalesce(1).write.parquet(str(folder / "data"))
    defaults = {"featuresCol": "features", "labelCol": "label", "threshold": 0.5}
    write_metadata(folder, kind, "LogisticRegression_4c9a", {"maxIter": 20}, defaults)


@pytest.fixture(scope="module")
def saved(spark, tmp_path_factory):
    """Write a fitted pipeline as Java wrote it: it says no language."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    uids = ["DeepImageFeaturizer_4d1c8a0bb2e1", "LogisticRegression_4c9a"]
    kind = "org.apache.spark.ml.PipelineModel"
    write_metadata(folder, kind, "PipelineModel_1a", {"stageUids": uids}, {})
    write_featurizer(folder / "stages" / f"0_{uids[0]}", scaleHint="SCALE_FAST")
    write_regression(spark, folder / "stages" / f"1_{uids[1]}")
    return str(folder)


@pytest.fixture
def registered(spark, monkeypatch):
    for reader in (PipelineReader, PipelineModelReader):
        monkeypatch.setattr(reader, "load", reader.load)
    monkeypatch.delitem(sys.modules, "com.databricks.sparkdl", raising=False)
    register()
    yield
    monkeypatch.delitem(sys.modules, "com.databricks.sparkdl")


def check(model):
    featurizer, regression = model.stages
    assert isinstance(featurizer, DeepImageFeaturizer)
    assert (featurizer.getInputCol(), featurizer.getOutputCol()) == ("image", "features")
    assert (featurizer.getModelName(), featurizer.getScaleHint()) == ("ResNet50", "SCALE_FAST")
    assert featurizer.getOrDefault("precision") == "f32"
    assert featurizer.getOrDefault("liftGrey") is True
    assert featurizer.uid == "DeepImageFeaturizer_4d1c8a0bb2e1"
    assert isinstance(regression, LogisticRegressionModel)
    assert (regression.numFeatures, regression.intercept) == (LENGTH, 3.0)
    assert model.uid == "PipelineModel_1a"


def test_a_fitted_pipeline_is_read(saved):
    check(load_pipeline(saved + "/"))


def test_a_fitted_pipeline_is_read_by_its_own_class_once_registered(registered, saved):
    check(PipelineModel.load(saved))
    register()
    check(PipelineModel.read().load(saved))


def test_a_pipeline_that_was_read_is_saved_anew(spark, saved, tmp_path):
    model = load_pipeline(saved)
    said = model.stages[1].predictProbability(DenseVector([0.0] * LENGTH))
    assert said[1] == pytest.approx(1 / (1 + np.exp(-3)))
    model.save(str(tmp_path / "anew"))
    check(PipelineModel.load(str(tmp_path / "anew")))


@pytest.mark.slow
def test_a_pipeline_that_was_read_predicts(spark, saved):
    model = load_pipeline(saved)
    model.stages[0].setParams(weights="random:0")
    pixels = np.full((30, 20, 1), 64, np.uint8)
    rows = spark.createDataFrame([(imageIO.imageArrayToStruct(pixels),)], imageIO.imageSchema)
    assert model.transform(rows.coalesce(1)).first().prediction == 1.0


def test_a_pipeline_without_defaults_of_an_older_spark_is_read(registered, tmp_path):
    uids = ["DeepImageFeaturizer_4d1c8a0bb2e1", "LogisticRegression_77"]
    params = {"stageUids": uids}
    write_metadata(tmp_path, "org.apache.spark.ml.Pipeline", "Pipeline_2b", params, None, "2.3.0")
    write_featurizer(tmp_path / "stages" / f"0_{uids[0]}")
    LogisticRegression(maxIter=7).save(str(tmp_path / "stages" / f"1_{uids[1]}"))
    for pipeline in (load_pipeline(str(tmp_path)), Pipeline.load(str(tmp_path))):
        assert isinstance(pipeline, Pipeline)
        featurizer, regression = pipeline.getStages()
        assert featurizer.getScaleHint() == "SCALE_AREA_AVERAGING"
        assert regression.getMaxIter() == 7


def test_a_pipeline_within_a_pipeline_is_read(registered, saved, tmp_path):
    outer = {"stageUids": ["PipelineModel_1a"]}
    write_metadata(tmp_path / "outer", "pyspark.ml.pipeline.PipelineModel", "Outer_3", outer, {})
    (tmp_path / "outer" / "stages").mkdir()
    (tmp_path / "outer" / "stages" / "0_PipelineModel_1a").symlink_to(saved)
    check(PipelineModel.load(str(tmp_path / "outer")).stages[0])


def test_a_featurizer_alone_is_read_once_registered(registered, tmp_path):
    write_featurizer(tmp_path)
    assert DeepImageFeaturizer.load(str(tmp_path)).getModelName() == "ResNet50"


def test_stages_of_python_that_were_made_writable_are_read(spark, tmp_path):
    params = {"stageUids": ["a", "b"]}
    write_metadata(tmp_path, "pyspark.ml.pipeline.Pipeline", "Pipeline_1", params, {})
    path = "sparkdl.transformers.named_image.DeepImagePredictor"
    given = {"inputCol": "image", "modelName": "VGG16", "topK": 3}
    write_metadata(tmp_path / "stages" / "0_a", path, "a", given, {"decodePredictions": False})
    path = "sparkdl.transformers.keras_tensor.KerasTransformer"
    given = {"modelFile": "net.h5", "unknown": 1}
    write_metadata(tmp_path / "stages" / "1_b", path, "b", given, {"kerasFitParams": {}})
    predictor, network = load_pipeline(str(tmp_path)).getStages()
    assert isinstance(predictor, DeepImagePredictor)
    assert (predictor.getModelName(), predictor.getOrDefault("topK")) == ("VGG16", 3)
    assert isinstance(network, KerasTransformer)
    assert network.getModelFile() == "net.h5"


def test_pipelines_of_today_are_read_as_ever(registered, tmp_path):
    path = str(tmp_path / "today")
    Pipeline(stages=[LogisticRegression(maxIter=3)]).save(path)
    assert Pipeline.load(path).getStages()[0].getMaxIter() == 3


def test_a_folder_that_is_not_there_is_said_by_spark(registered, tmp_path):
    with pytest.raises(Exception, match=r"(does not exist|PATH_NOT_FOUND).*none/metadata"):
        PipelineModel.load(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("kind", "way_out"),
    [
        ("sparkdl.xgboost.xgboost.XgboostClassifierModel", "xgboost.spark"),
        ("sparkdl.transformers.keras_image.KerasImageFileTransformer", "Build the stage anew"),
        ("com.databricks.sparkdl.OtherStage", "Build the stage anew"),
    ],
)
def test_a_stage_that_cannot_be_read_is_named_with_the_way_out(registered, tmp_path, kind, way_out):
    params = {"stageUids": ["a"]}
    write_metadata(tmp_path, "pyspark.ml.pipeline.PipelineModel", "PipelineModel_1", params, {})
    write_metadata(tmp_path / "stages" / "0_a", kind, "a", {}, {})
    with pytest.raises(InputError, match=rf"Received: {kind} in .*{way_out}"):
        PipelineModel.load(str(tmp_path))


def test_what_is_no_pipeline_is_said(spark, tmp_path):
    kind = "org.apache.spark.ml.tuning.CrossValidatorModel"
    write_metadata(tmp_path, kind, "cv", {}, {})
    with pytest.raises(InputError, match=r"CrossValidatorModel\. Give its folder bestModel"):
        load_pipeline(str(tmp_path))
