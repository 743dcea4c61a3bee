"""What sparkdl promised of networks on columns: the numbers of Keras, and columns that stay."""

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

import spark_cxr.sparkdl.compat  # noqa: F401
from spark_cxr.backbones import keras_model
from spark_cxr.sparkdl import (
    DeepImageFeaturizer,
    DeepImagePredictor,
    KerasImageFileTransformer,
    KerasTransformer,
    imageIO,
    registerKerasImageUDF,
)

SIDES = {"ResNet50": 224, "VGG16": 224, "VGG19": 224, "InceptionV3": 299, "Xception": 299}
MODULES = {"ResNet50": "resnet50", "InceptionV3": "inception_v3"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Save three colour images of unlike sizes."""
    place, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(3)
    for number, shape in enumerate([(40, 30, 3), (32, 48, 3), (20, 20, 3)]):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(place / f"{number}.png")
    return place


@pytest.fixture(scope="module")
def network():
    """Build a small network with an answer for each of two classes, and keep its weights."""
    import keras

    keras.utils.set_random_seed(1)
    images = keras.Input((16, 16, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(images)
    means = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(means))


@pytest.fixture
def load_image():
    def load(uri):  # inside, so that it travels by value, as what a notebook defines does
        with Image.open(uri.removeprefix("file:")) as image:
            return np.asarray(image.convert("RGB").resize((16, 16)), np.float32)[None] / 255

    return load


# Networks by name


def at_size(spark, name):
    """Draw two images at the size of a network: as numbers, red first, and as rows."""
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (2, SIDES[name], SIDES[name], 3), np.uint8)
    rows = [
        (i, imageIO.imageArrayToStruct(np.ascontiguousarray(image[..., ::-1])))
        for i, image in enumerate(pixels)
    ]
    return pixels, spark.createDataFrame(rows, f"id int, image {imageIO.STRUCT.simpleString()}")


def of_keras(name, pixels, **more):
    """Run the network as whoever uses Keras alone does, with the weights of random:0."""
    from keras import applications

    model = getattr(applications, name)(weights=None, **more)
    keras_model.draw_weights(model, 0)
    prepare = getattr(applications, MODULES.get(name, name.lower())).preprocess_input
    return model.predict(prepare(pixels.astype(np.float32)), verbose=0).reshape(len(pixels), -1)


def in_order(rows, column):
    return np.array([row[column].toArray() for row in rows.orderBy("id").collect()])


@pytest.mark.slow
@pytest.mark.parametrize("name", SIDES)
def test_features_of_images_at_size_are_those_of_keras(spark, name):
    pixels, rows = at_size(spark, name)
    stage = DeepImageFeaturizer(
        inputCol="image", outputCol="y", modelName=name, weights="random:0", precision="f32"
    )
    pooling = "avg" if name == "ResNet50" else None
    expected = of_keras(name, pixels, include_top=False, pooling=pooling)
    made = in_order(stage.transform(rows), "y")
    np.testing.assert_allclose(made, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", SIDES)
def test_predictions_of_images_at_size_are_those_of_keras(spark, name):
    pixels, rows = at_size(spark, name)
    stage = DeepImagePredictor(inputCol="image", outputCol="y", modelName=name, weights="random:0")
    np.testing.assert_allclose(
        in_order(stage.transform(rows), "y"), of_keras(name, pixels), atol=1e-5
    )


def test_a_featurizer_comes_back_from_disk_with_its_name_and_params(spark, tmp_path):
    stage = DeepImageFeaturizer(
        inputCol="image", outputCol="y", modelName="InceptionV3", scaleHint="SCALE_FAST"
    )
    stage.save(str(tmp_path / "stage"))
    again = DeepImageFeaturizer.load(str(tmp_path / "stage"))
    assert again.uid == stage.uid
    assert again.extractParamMap() == stage.extractParamMap()
    assert {param.parent for param in again.params} == {stage.uid}


# Networks of one's own


def test_files_get_the_answers_of_keras_and_one_more_column(
    spark, folder, network, load_image, tmp_path
):
    network.save(tmp_path / "network.h5")
    stage = KerasImageFileTransformer(
        inputCol="uri",
        outputCol="preds",
        modelFile=str(tmp_path / "network.h5"),
        imageLoader=load_image,
        outputMode="vector",
    )
    files = sorted(str(path) for path in folder.iterdir())
    made = stage.transform(spark.createDataFrame(files, StringType()).toDF("uri"))
    assert made.columns == ["uri", "preds"]
    found = {row.uri: row.preds.toArray() for row in made.collect()}
    expected = network.predict(np.concatenate([load_image(file) for file in files]), verbose=0)
    np.testing.assert_allclose([found[file] for file in files], expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(10,), (2, 3)])
def test_arrays_get_the_answers_of_keras_and_keep_their_rows(spark, shape, tmp_path):
    import keras

    keras.utils.set_random_seed(2)
    numbers = keras.Input(shape)
    model = keras.Model(numbers, keras.layers.Dense(4, activation="sigmoid")(numbers))
    model.save(tmp_path / "network.h5")
    given = np.random.default_rng(4).normal(size=(20, *shape))
    kind = "array<" * len(shape) + "double" + ">" * len(shape)
    rows = spark.createDataFrame(
        [(i, x.tolist()) for i, x in enumerate(given)], f"id long, x {kind}"
    )
    stage = KerasTransformer(inputCol="x", outputCol="y", modelFile=str(tmp_path / "network.h5"))
    made = stage.transform(rows.repartition(3))
    assert made.columns == ["id", "x", "y"]
    found = np.array([row.y for row in made.orderBy("id").collect()])
    np.testing.assert_allclose(found, model.predict(given, verbose=0), atol=1e-5)


def test_functions_of_sql_follow_one_another(spark, folder, network):
    """A function that loads images, then the network: the answers of the network on images."""

    def load(path):
        with Image.open(path.removeprefix("file:")) as image:
            small = np.asarray(image.convert("RGB").resize((16, 16)))
        return imageIO.imageArrayToStruct(np.ascontiguousarray(small[..., ::-1]))

    spark.udf.register("contract_load", F.udf(load, imageIO.STRUCT))
    registerKerasImageUDF("contract_network", network)
    assert "contract_network" in {function.name for function in spark.catalog.listFunctions()}
    files = spark.read.format("binaryFile").load(str(folder)).select("path")
    files.createOrReplaceTempView("contract_files")
    rows = spark.sql(
        "SELECT path, contract_load(path) AS image, contract_network(contract_load(path)) AS y"
        " FROM contract_files ORDER BY path"
    ).collect()
    images = np.array([imageIO.imageStructToArray(row.image)[..., ::-1] for row in rows])
    expected = network.predict(images.astype(np.float32), verbose=0)
    np.testing.assert_allclose([row.y for row in rows], expected, atol=1e-5)
