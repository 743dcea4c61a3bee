"""Users' own networks over columns, with networks whose answers can be worked out by hand."""

import json

import numpy as np
import pytest
from PIL import Image
from pyspark.ml.linalg import DenseVector, Vectors
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, WeightsError
from spark_cxr.sparkdl import (
    KerasImageFileTransformer,
    KerasTransformer,
    imageIO,
    registerKerasImageUDF,
)
from spark_cxr.sparkdl.keras_network import (
    is_keras_file,
    load_network,
    loading,
    predict_rows,
    read_network,
)


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


def test_rows_that_the_network_does_not_take_are_refused(spark, adding_file):
    rows = spark.createDataFrame([([1.0, 2.0],)], "x array<double>")
    made = KerasTransformer(inputCol="x", outputCol="y", modelFile=adding_file).transform(rows)
    with pytest.raises(Exception, match=r"rows of shape \(3,\) for the network"):
        made.collect()


def saved(folder, output_of, shape, name="network.keras"):
    """Save the network that a function makes of its input."""
    import keras

    numbers = keras.Input(shape)
    model = keras.Model(numbers, output_of(keras, numbers))
    model.save(folder / name)
    return str(folder / name)


def test_nested_arrays_go_in_and_come_out(spark, tmp_path):
    file = saved(tmp_path, lambda keras, x: keras.layers.Rescaling(2.0)(x), (2, 3))
    rows = spark.createDataFrame(
        [([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],), (None,)], "x array<array<double>>"
    )
    made = KerasTransformer(inputCol="x", outputCol="y", modelFile=file).transform(rows)
    assert made.schema["y"].dataType.simpleString() == "array<array<float>>"
    assert [row.y for row in made.collect()] == [[[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]], None]


def test_vectors_go_in_and_single_numbers_come_out(spark, tmp_path):
    file = saved(tmp_path, lambda keras, x: keras.ops.sum(x, axis=1), (3,))
    vectors = [(Vectors.dense([1, 2, 3]),), (Vectors.sparse(3, {1: 5.0}),), (None,)]
    rows = spark.createDataFrame(vectors, ["x"])
    made = KerasTransformer(inputCol="x", outputCol="y", modelFile=file).transform(rows)
    assert made.schema["y"].dataType.simpleString() == "float"
    assert [row.y for row in made.collect()] == [6.0, 5.0, None]


def test_nested_arrays_of_unequal_lengths_are_refused(spark, tmp_path):
    file = saved(tmp_path, lambda keras, x: keras.layers.Rescaling(2.0)(x), (2, 3))
    rows = spark.createDataFrame([([[1.0, 2.0], [3.0]],)], "x array<array<double>>")
    made = KerasTransformer(inputCol="x", outputCol="y", modelFile=file).transform(rows)
    with pytest.raises(Exception, match="Expected nested arrays of equal lengths"):
        made.collect()


def test_images_come_out_as_structs_of_floating_point_numbers(spark, load_image, tmp_path):
    file = saved(tmp_path, lambda keras, x: keras.layers.Rescaling(-1.5)(x), (2, 3, 3))
    Image.new("RGB", (3, 2), (1, 2, 3)).save(tmp_path / "one.png")
    uris = spark.createDataFrame(
        [(str(tmp_path / "one.png"),), (str(tmp_path / "none.png"),)], "uri string"
    )
    stage = KerasImageFileTransformer(inputCol="uri", outputCol="y", modelFile=file)
    made = stage.setImageLoader(load_image).setOutputMode("image").transform(uris)
    assert made.schema["y"].dataType == imageIO.imageSchema["image"].dataType
    image, none = (row.y for row in made.collect())
    assert none is None
    assert (image.height, image.width, image.nChannels, image.mode) == (2, 3, 3, 21)
    np.testing.assert_array_equal(
        imageIO.imageStructToArray(image), np.full((2, 3, 3), [-1.5, -3, -4.5], np.float32)
    )


def test_a_network_of_vectors_gives_no_images(spark, averaging_file, load_image):
    stage = KerasImageFileTransformer(inputCol="x", modelFile=averaging_file, outputMode="image")
    with pytest.raises(ConfigError, match="a network that gives images"):
        stage.setImageLoader(load_image).transform(spark.createDataFrame([("x",)], "x string"))


def test_the_output_mode_is_checked_when_it_is_set():
    with pytest.raises(TypeError, match=r"Received: outputMode='vectr'\. Did you mean vector"):
        KerasImageFileTransformer(outputMode="vectr")


def test_each_param_can_be_set_and_got(load_image):
    stage = KerasImageFileTransformer().setInputCol("i").setOutputCol("o").setModelFile("m.h5")
    stage.setImageLoader(load_image).setOutputMode("image").setKerasFitParams({"epochs": 2})
    assert (stage.getInputCol(), stage.getOutputCol()) == ("i", "o")
    assert (stage.getModelFile(), stage.getImageLoader()) == ("m.h5", load_image)
    assert (stage.getOutputMode(), stage.getKerasFitParams()) == ("image", {"epochs": 2})
    arrays = KerasTransformer().setInputCol("i").setOutputCol("o").setModelFile("/tmp/model")
    assert (arrays.getInputCol(), arrays.getModelFile()) == ("i", "/tmp/model")
    assert arrays.getKerasFitParams() == {"verbose": 1}


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", ["full.h5", "full.keras"])
def test_a_network_is_known_by_its_content_whatever_its_suffix(name, tmp_path):
    saved(tmp_path, lambda keras, x: keras.layers.Rescaling(2.0)(x), (3,), name)
    (tmp_path / name).rename(tmp_path / "full.model")
    stage = KerasTransformer(modelFile=str(tmp_path / "full.model"))
    assert is_keras_file(stage.getModelFile())


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("form", ["of 2.1", "of 2.2"])
def test_a_sequential_of_keras_2_takes_what_it_took(form, tmp_path):
    import h5py
    import keras

    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 3)])
    model.save(tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        first = config["config"]["layers"].pop(0)
        shape = first["config"]["batch_shape"]
        config["config"]["layers"][0]["config"]["batch_input_shape"] = shape
        if form == "of 2.1":
            config["config"] = config["config"]["layers"]
        file.attrs["model_config"] = json.dumps(config)
    again = load_network(read_network(str(tmp_path / "old.h5")))
    assert again.input_shape == (None, 4, 4, 3)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_of_weights_alone_is_refused(tmp_path):
    import keras

    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(
        tmp_path / "net.weights.h5"
    )
    with pytest.raises(WeightsError, match="Expected a Keras file of known layers"):
        load_network(read_network(str(tmp_path / "net.weights.h5")))


def test_a_network_of_one_channel_becomes_a_function_of_sql(spark, structs, tmp_path):
    file = saved(tmp_path, lambda keras, x: keras.layers.GlobalMaxPooling2D()(x), (2, 2, 1))
    registerKerasImageUDF("brightest", file)
    grey = imageIO.imageArrayToStruct(np.array([[[7], [9]], [[8], [6]]], np.uint8))
    rows = spark.createDataFrame([(grey,)], imageIO.imageSchema).unionByName(structs)
    luma = round(0.299 * 100 + 0.114 * 30)
    assert [row.y for row in rows.selectExpr("brightest(image) AS y").collect()] == [
        [9.0],
        [luma],
        None,
    ]


def test_a_network_of_any_size_gets_images_at_their_own(spark, tmp_path):
    def heights(keras, x):
        return keras.ops.sum(keras.ops.ones_like(x[:, :, 0, 0]), axis=1)

    file = saved(tmp_path, heights, (None, None, 3))
    registerKerasImageUDF("heights", file)
    sizes = [(5, 2), (3, 7), (5, 2), (1, 1)]
    images = [(imageIO.imageArrayToStruct(np.zeros((*size, 3), np.uint8)),) for size in sizes]
    rows = spark.createDataFrame(images, imageIO.imageSchema).repartition(1)
    made = rows.select("image.height", F.expr("heights(image) AS y")).collect()
    assert [row.y for row in made] == [[float(row.height)] for row in made]


def test_rows_keep_their_places_among_rows_of_other_shapes():
    class Counting:
        input_shape = (None, None)

        def predict_on_batch(self, batch):
            return batch.sum(axis=1, keepdims=True)

    rows = [np.ones(3), None, np.ones(5), np.ones(3) * 2]
    found = list(predict_rows(Counting(), rows, lambda row: row))
    assert [None if each is None else each.tolist() for each in found] == [[3], None, [5], [6]]


def test_an_image_on_which_a_loader_fails_is_none_and_why_is_logged(caplog):
    def load(uri):
        raise IndexError(f"nothing in {uri}")

    assert loading(load)("a.png") is None
    assert "no image from a.png: IndexError('nothing in a.png')" in caplog.text
    with pytest.raises(IndexError):
        loading(load, skip=False)("a.png")


def test_a_loader_that_cannot_work_at_all_fails():
    with pytest.raises(NameError):
        loading(lambda uri: missing_function(uri))("a.png")  # noqa: F821


def test_a_loader_of_2019_finds_the_filter_that_pillow_renamed():
    def load(uri):
        return np.asarray(Image.new("RGB", (4, 4)).resize((2, 2), Image.ANTIALIAS))

    assert loading(load)("a.png").shape == (2, 2, 3)
