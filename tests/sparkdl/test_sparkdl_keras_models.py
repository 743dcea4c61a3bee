"""Users' own networks over columns, with networks whose answers can be worked out by hand."""

import numpy as np
import pytest
from PIL import Image
from pyspark.ml.linalg import DenseVector

from spark_cxr.errors import ConfigError, WeightsError
from spark_cxr.sparkdl import (
    KerasImageFileTransformer,
    KerasTransformer,
    imageIO,
    registerKerasImageUDF,
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CXR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def averaging():
    """Build a network that gives the mean of each channel of an image of 2 x 2."""
    import keras

    films = keras.Input((2, 2, 3))
    return keras.Model(films, keras.layers.GlobalAveragePooling2D()(films))


@pytest.fixture(scope="module")
def averaging_file(averaging, tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "averaging.keras"
    averaging.save(path)
    return str(path)


@pytest.fixture(scope="module")
def adding_file(tmp_path_factory):
    """Save a network that gives the sum of three numbers, and ten times that."""
    import keras

    numbers = keras.Input((3,))
    dense = keras.layers.Dense(2, use_bias=False)
    model = keras.Model(numbers, dense(numbers))
    dense.set_weights([np.array([[1, 10]] * 3, np.float32)])
    path = tmp_path_factory.mktemp("networks") / "adding.keras"
    model.save(path)
    return str(path)


@pytest.fixture(scope="module")
def structs(spark):
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 0], pixels[0, :, 2] = 30, 100  # blue 30; red 100 in the upper half
    rows = [(imageIO.imageArrayToStruct(pixels),), (None,)]
    return spark.createDataFrame(rows, imageIO.imageSchema)


@pytest.fixture
def load_image():
    def load(uri):  # inside, so that it travels by value, as what a notebook defines does
        with Image.open(uri) as image:
            return np.asarray(image.convert("RGB"), np.float32)[None]

    return load


def test_arrays_go_through_a_network(spark, adding_file):
    rows = spark.createDataFrame([([1.0, 2.0, 3.0],), (None,)], "x array<double>")
    made = KerasTransformer(inputCol="x", outputCol="y", modelFile=adding_file).transform(rows)
    assert [row.y for row in made.collect()] == [[6.0, 60.0], None]


def test_a_transformer_of_arrays_can_be_saved(spark, adding_file, tmp_path):
    stage = KerasTransformer(inputCol="x", outputCol="y", modelFile=adding_file)
    stage.save(str(tmp_path / "stage"))
    assert KerasTransformer.load(str(tmp_path / "stage")).getModelFile() == adding_file


def test_files_go_through_a_network_and_missing_ones_give_null(
    spark, averaging_file, load_image, tmp_path
):
    Image.new("RGB", (2, 2), (1, 2, 3)).save(tmp_path / "one.png")
    uris = [(str(tmp_path / "one.png"),), (str(tmp_path / "none.png"),), (None,)]
    stage = KerasImageFileTransformer(
        inputCol="uri", outputCol="y", modelFile=averaging_file, imageLoader=load_image
    )
    made = stage.transform(spark.createDataFrame(uris, "uri string")).collect()
    assert [row.y for row in made] == [DenseVector([1, 2, 3]), None, None]


def test_a_network_becomes_a_function_of_sql(spark, averaging, structs):
    registerKerasImageUDF("averages", averaging)
    rows = structs.selectExpr("averages(image) AS y").collect()
    assert [row.y for row in rows] == [[50.0, 0.0, 30.0], None]


def test_a_file_becomes_a_function_of_sql_with_a_preprocessor(
    spark, averaging_file, load_image, structs
):
    def doubled(path):
        return load_image(path) * 2

    registerKerasImageUDF("doubles", averaging_file, doubled)
    rows = structs.selectExpr("doubles(image) AS y").collect()
    assert [row.y for row in rows] == [[100.0, 0.0, 60.0], None]


def test_a_file_that_is_no_network_is_refused_when_it_is_set():
    with pytest.raises(TypeError, match=r"modelFile='model.pb'. It ends in .keras"):
        KerasTransformer(modelFile="model.pb")


def test_a_missing_file_is_said(spark):
    stage = KerasTransformer(inputCol="x", outputCol="y", modelFile="none.keras")
    with pytest.raises(WeightsError, match=r"none\.keras"):
        stage.transform(spark.createDataFrame([([1.0],)], "x array<double>"))


def test_images_as_output_are_refused(spark, averaging_file):
    stage = KerasImageFileTransformer(
        inputCol="x", outputCol="y", modelFile=averaging_file, outputMode="image"
    )
    with pytest.raises(ConfigError, match="outputMode vector"):
        stage.transform(spark.createDataFrame([("x",)], "x string"))


def test_rows_that_the_network_does_not_take_are_refused(spark, adding_file):
    rows = spark.createDataFrame([([1.0, 2.0],)], "x array<double>")
    made = KerasTransformer(inputCol="x", outputCol="y", modelFile=adding_file).transform(rows)
    with pytest.raises(Exception, match=r"rows of shape \(3,\) for the network"):
        made.collect()
