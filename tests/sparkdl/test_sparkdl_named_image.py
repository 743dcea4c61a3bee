"""The old names through Spark: what a notebook of 2019 did, and what it must get."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.linalg import DenseVector
from pyspark.sql import functions as F

from spark_cxr.backbones import engines
from spark_cxr.backbones.catalog import PublishedWeights
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.prepare import to_network
from spark_cxr.pipeline.networks import make_plan
from spark_cxr.sparkdl import (
    DeepImageFeaturizer,
    DeepImagePredictor,
    imageIO,
    imagenet,
    readImages,
)
from tests.quick import wanted

MODELS = ("InceptionV3", "Xception", "ResNet50", "VGG16", "VGG19")
LENGTHS = {"InceptionV3": 131_072, "Xception": 204_800, "VGG16": 25_088, "VGG19": 25_088}


@pytest.fixture(scope="module")
def folder(spark, tmp_path_factory):
    """Draw dark and light colour images, one grey, one that is no image, one folder below."""
    place, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(5)
    for number in range(4):
        low = 120 * (number % 2)
        pixels = rng.integers(low, low + 120, (240, 260, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{'dark' if low == 0 else 'light'}{number}.png")
    Image.fromarray(np.full((40, 50), 64, np.uint8)).save(place / "grey.png")
    (place / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    (place / "below").mkdir()
    Image.new("RGB", (32, 32)).save(place / "below" / "deep.png")
    return place


@pytest.fixture(scope="module")
def images(spark, folder):
    rows = readImages(str(folder), age="1.x")
    return rows.withColumn("name", F.substring_index("image.origin", "/", -1))


def by_name(rows, column="features"):
    return {row["name"]: row[column] for row in rows.select("name", column).collect()}


# Reading


def test_images_have_the_schema_of_sparks_own_source(spark, folder):
    own = spark.read.format("image").load(str(folder))
    assert readImages(str(folder), age="1.x").schema.simpleString() == own.schema.simpleString()


def test_the_columns_of_the_first_age_are_the_default(folder):
    """Which sparkdl 0.x read, also by position; without an image where there is none."""
    rows = readImages(str(folder))
    assert rows.columns == ["filePath", "image"]
    order = ["mode", "height", "width", "nChannels", "data", "origin"]
    assert rows.schema["image"].dataType.names == order
    found = {row[0].rsplit("/", 1)[-1]: row[1] for row in rows.collect()}
    assert found.pop("broken.png") is None
    assert {name: tuple(image)[:4] for name, image in found.items()} == {
        **dict.fromkeys(("dark0.png", "dark2.png", "light1.png", "light3.png"), (16, 240, 260, 3)),
        "grey.png": (0, 40, 50, 1),
    }


def test_an_age_that_never_was_is_refused(folder):
    with pytest.raises(ConfigError, match=r"Received: 2\.x\. Say 0\.x or 1\.x"):
        readImages(str(folder), age="2.x")


def test_images_have_the_pixels_of_sparks_own_source(spark, folder, images):
    own = spark.read.format("image").option("dropInvalid", True).load(f"{folder}/*.png")
    expected = {row.image.origin.rsplit("/", 1)[-1]: row.image for row in own.collect()}
    got = by_name(images, "image")
    assert set(got) - set(expected) == {"broken.png"}
    for name, image in expected.items():
        assert image.data == got[name].data
        assert image.mode == got[name].mode


def test_a_file_that_does_not_decode_keeps_its_row(images):
    image = by_name(images, "image")["broken.png"]
    assert image.asDict() | {"origin": ""} == {
        "origin": "",
        **dict.fromkeys(("height", "width", "nChannels", "mode"), -1),
        "data": bytearray(),
    }


def test_files_that_do_not_decode_can_be_dropped(folder):
    assert readImages(str(folder), dropImageFailures=True).count() == 5


def test_folders_below_are_read_where_that_is_asked_for(folder):
    assert readImages(str(folder), recursive=True).count() == 7
    assert readImages(str(folder), True).count() == 7  # as Spark's reader took it


def test_images_lie_in_as_many_parts_as_asked_for(folder):
    for rows in (readImages(str(folder), numPartitions=3), readImages(str(folder), 3)):
        assert rows.rdd.getNumPartitions() == 3


def test_a_sample_of_files_is_the_same_each_time(folder):
    def names(seed, parts):
        rows = readImages(str(folder), parts, True, sampleRatio=0.5, seed=seed)
        return {row.filePath for row in rows.select("filePath").collect()}

    first = names(1, 1)
    assert 0 < len(first) < 7
    assert names(1, 3) == first
    assert any(names(seed, 1) != first for seed in (2, 3, 4))


def test_a_decoder_of_ones_own_is_used(folder):
    def five(content):
        return np.full((1, 1, 1), 5, np.uint8)

    rows = imageIO.readImagesWithCustomFn(str(folder), five, 2).collect()
    assert [bytes(row.image.data) for row in rows] == [b"\x05"] * 6


@pytest.mark.parametrize("fault", ["none", "error", "no array", "two channels"])
def test_where_a_decoder_of_ones_own_fails_the_image_is_null(folder, fault):
    def broken(content):
        if fault == "error":
            raise LookupError("a fault of the user's own")
        given = {"none": None, "no array": "text", "two channels": np.zeros((1, 1, 2), np.uint8)}
        return given[fault]

    rows = imageIO.readImagesWithCustomFn(f"{folder}/*.png", broken).collect()
    assert [row.image for row in rows] == [None] * 6


def test_images_are_resized_by_the_nearest_pixel_as_pillow_did(images, folder):
    resize = imageIO.createResizeImageUDF((30, 45))
    rows = images.select("name", resize("image").alias("small"))
    found = {row["name"]: row["small"] for row in rows.collect()}
    assert found.pop("broken.png") is None
    for name, image in found.items():
        with Image.open(folder / name) as whole:
            expected = np.asarray(whole.resize((45, 30), Image.Resampling.NEAREST))
        got = np.asarray(imageIO.imageStructToPIL(image))
        np.testing.assert_array_equal(got, expected)


def test_files_become_a_table(spark, folder):
    files = imageIO.filesToDF(spark.sparkContext, f"{folder}/*.png", 2)
    assert files.dtypes == [("filePath", "string"), ("fileData", "binary")]
    assert files.where("filePath LIKE '%broken.png'").first().fileData.startswith(b"\x89PNG")


# Params


@pytest.mark.parametrize("stage", [DeepImageFeaturizer, DeepImagePredictor])
@pytest.mark.parametrize("name", MODELS)
def test_models_are_those_of_sparkdl(stage, name):
    assert stage(modelName=name).getModelName() == name


@pytest.mark.parametrize("stage", [DeepImageFeaturizer, DeepImagePredictor])
def test_a_wrong_model_is_refused_when_it_is_set(stage):
    with pytest.raises(TypeError, match=r"modelName='ResNet5'. Did you mean ResNet50\?"):
        stage(modelName="ResNet5")
    with pytest.raises(TypeError, match="modelName='DenseNet121'"):
        stage().setModelName("DenseNet121")


def test_a_wrong_hint_is_refused_when_it_is_set():
    with pytest.raises(TypeError, match="scaleHint='SCALE_NOT'"):
        DeepImageFeaturizer(scaleHint="SCALE_NOT")


def test_only_the_predictor_resizes_by_pillow():
    assert DeepImagePredictor(scaleHint="PILLOW_NEAREST").getScaleHint() == "PILLOW_NEAREST"
    with pytest.raises(TypeError, match="scaleHint='PILLOW_NEAREST'"):
        DeepImageFeaturizer(scaleHint="PILLOW_NEAREST")


def test_only_keywords_are_taken():
    with pytest.raises(TypeError):
        DeepImageFeaturizer("image", "features", "ResNet50")


def test_each_param_can_be_set_and_got():
    stage = DeepImageFeaturizer().setInputCol("i").setOutputCol("o").setModelName("VGG16")
    assert stage.getScaleHint() == "SCALE_AREA_AVERAGING"
    stage.setScaleHint("SCALE_FAST").setParams(weights="random:0")
    got = (stage.getInputCol(), stage.getOutputCol(), stage.getModelName(), stage.getScaleHint())
    assert got == ("i", "o", "VGG16", "SCALE_FAST")


def test_a_predictor_gives_a_vector_by_default():
    stage = DeepImagePredictor()
    assert stage.getOrDefault("decodePredictions") is False
    assert stage.getOrDefault("topK") == 5


def test_a_stage_without_a_model_says_so(images):
    with pytest.raises(ConfigError, match="modelName by name"):
        DeepImageFeaturizer(inputCol="image", outputCol="features").transform(images)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"inputCol": "imag"}, "Did you mean image"),
        ({"inputCol": "name"}, "Read with readImages"),
        ({"inputCol": "image", "outputCol": "name"}, "Choose another name"),
    ],
)
def test_columns_are_checked_before_work_begins(images, columns, text):
    stage = DeepImageFeaturizer(**{"outputCol": "out", "modelName": "ResNet50"} | columns)
    with pytest.raises(InputError, match=text):
        stage.transform(images)


# Features


def featurizer(name="ResNet50", **more):
    return DeepImageFeaturizer(
        inputCol="image", outputCol="features", modelName=name, weights="random:0", **more
    )


@pytest.fixture(scope="module")
def made(images):
    return by_name(featurizer(handleInvalid="keep").transform(images))


def test_features_equal_the_network_run_without_spark(spark, folder, made):
    asked = wanted("ResNet50", weights="random:0")
    engine = engines.load(make_plan(spark, asked))
    names = ["dark0.png", "light1.png", "grey.png"]
    films = [to_network(np.asarray(Image.open(folder / name)), (224, 224)) for name in names]
    for name, expected in zip(names, engine.features(np.stack(films)), strict=True):
        assert isinstance(made[name], DenseVector)
        np.testing.assert_allclose(made[name].toArray(), expected, atol=1e-4)


def test_resnet50_is_pooled(made):
    assert len(made["dark0.png"]) == 2048


def test_a_file_that_did_not_decode_gets_a_null_vector(made):
    assert [name for name, vector in made.items() if vector is None] == ["broken.png"]


def test_rows_and_columns_are_kept(images, made):
    assert featurizer().transform(images).columns == ["image", "name", "features"]
    assert len(made) == 6


def test_a_null_image_gets_a_null_vector(spark):
    nothing = spark.createDataFrame([(None,)], imageIO.imageSchema)
    assert featurizer(handleInvalid="keep").transform(nothing).first().features is None


def test_bad_images_are_skipped_as_no_classifier_takes_them(images):
    skipped = by_name(featurizer().transform(images))
    assert len(skipped) == 5
    assert "broken.png" not in skipped


def test_the_network_runs_once_an_image_when_bad_ones_are_skipped(images, capsys):
    featurizer().transform(images).select("features").explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") == 1


def test_bad_images_can_fail_the_job_as_they_did(images):
    with pytest.raises(Exception, match=r"a null or invalid image struct, from .*/broken.png"):
        featurizer(handleInvalid="error").transform(images).collect()


def test_sparks_own_source_gives_the_same_features(spark, folder, made):
    own = spark.read.format("image").load(f"{folder}/light1.png")
    vector = featurizer().transform(own).first().features
    np.testing.assert_allclose(vector.toArray(), made["light1.png"].toArray(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LENGTHS))
def test_other_networks_give_all_of_their_last_maps(folder, name):
    one = readImages(f"{folder}/dark0.png")
    assert len(featurizer(name, batchSize=1).transform(one).first().features) == LENGTHS[name]


# A notebook of 2019


def test_a_notebook_of_2019_runs(folder, tmp_path):
    # from sparkdl import DeepImageFeaturizer, readImages: the one line that changes, above
    dark = readImages(f"{folder}/dark*.png").withColumn("label", F.lit(0))
    light = readImages(f"{folder}/[bl]*.png").withColumn("label", F.lit(1))
    train = dark.unionAll(light)  # one of them does not decode
    features = featurizer()
    lr = LogisticRegression(maxIter=5, regParam=0.05, elasticNetParam=0.3, labelCol="label")
    model = Pipeline(stages=[features, lr]).fit(train)
    predicted = model.transform(train).select("prediction", "label").cache()
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    assert evaluator.evaluate(predicted) == 1.0

    model.save(str(tmp_path / "model"))
    again = PipelineModel.load(str(tmp_path / "model")).transform(train)
    assert again.select("prediction", "label").collect() == predicted.collect()


# Predictions


def predictor(**more):
    return DeepImagePredictor(
        inputCol="image", outputCol="said", modelName="ResNet50", weights="random:0", **more
    )


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    index = {str(n): [f"n{n:08}", f"thing_{n}"] for n in range(1000)}
    text = json.dumps(index).encode()
    (tmp_path / "imagenet_class_index.json").write_bytes(text)
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(imagenet, "CLASSES", PublishedWeights(imagenet.CLASSES.url, md5))
    return str(tmp_path)


def test_predictions_are_probabilities_of_a_thousand_classes(images):
    said = by_name(predictor().transform(images), "said")
    assert said["broken.png"] is None
    assert len(said["dark0.png"]) == 1000
    assert said["dark0.png"].toArray().sum() == pytest.approx(1, abs=1e-4)


def test_decoded_predictions_name_the_likeliest_first(images, mirror):
    one = images.where("name = 'dark0.png'")
    probabilities = predictor().transform(one).first().said.toArray()
    stage = predictor(decodePredictions=True, topK=3, mirror=mirror)
    decoded = stage.transform(one).first().said
    assert [row["class"] for row in decoded] == [f"n{n:08}" for n in np.argsort(-probabilities)[:3]]
    assert decoded[0]["description"] == f"thing_{probabilities.argmax()}"
    likeliest = np.sort(probabilities)[::-1][:3]
    np.testing.assert_allclose([row["probability"] for row in decoded], likeliest, atol=1e-5)


def test_decoded_predictions_of_a_bad_image_are_null(images, mirror):
    stage = predictor(decodePredictions=True, mirror=mirror)
    assert stage.transform(images.where("name = 'broken.png'")).first().said is None
