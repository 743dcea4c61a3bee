"""Graphs over columns, with graphs whose answers can be worked out by hand."""

import numpy as np
import pytest
from pyspark.ml.linalg import DenseVector, Vectors, VectorUDT
from pyspark.sql.types import ArrayType, DoubleType, StructField, StructType

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.structs import FIELDS
from spark_cxr.sparkdl import imageIO
from spark_cxr.sparkdl import tf_graph as tfx
from spark_cxr.sparkdl.tf_graph import imageInputPlaceholder
from spark_cxr.sparkdl.tf_image import TFImageTransformer, pixels
from spark_cxr.sparkdl.tf_input import TFInputGraph
from spark_cxr.sparkdl.tf_run import frozen_graph, open_session
from spark_cxr.sparkdl.tf_tensor import TFTransformer


@pytest.fixture(scope="module")
def v1():
    with tfx.graph_mode() as found:
        yield found


def image(height, width, colour=(30, 20, 10), dtype=np.uint8):
    """Make one colour, blue first."""
    return imageIO.imageArrayToStruct(
        np.broadcast_to(np.array(colour, dtype), (height, width, len(colour))).copy(), "here"
    )


def images(spark, *rows):
    return in_one(spark.createDataFrame([(each,) for each in rows], imageIO.imageSchema))


def in_one(table):
    """Put all rows in one partition: one worker imports TensorFlow, not two."""
    return table.coalesce(1)


BROKEN = ("gone.png", -1, -1, -1, -1, bytearray())


@pytest.fixture(scope="module")
def means(v1):
    """Build a graph that gives the mean of each channel."""
    graph = v1.Graph()
    with graph.as_default():
        given = imageInputPlaceholder()
        v1.reduce_mean(given, axis=[1, 2], name="means")
    return graph


def run(rows, graph, tensor, **given):
    stage = TFImageTransformer(
        inputCol="image", outputCol="y", graph=graph, outputTensor=tensor, **given
    )
    return [row.y for row in stage.transform(rows).collect()]


def test_images_of_several_sizes_go_through_a_graph_and_nulls_stay(spark, means):
    rows = images(spark, image(2, 3), None, image(4, 4, (3, 2, 1)), BROKEN, image(2, 3))
    vectors = [DenseVector([30, 20, 10]), None, DenseVector([3, 2, 1]), None]
    assert run(rows, means, "means", channelOrder="BGR") == [*vectors, vectors[0]]


def test_colours_come_in_the_order_of_the_graph(spark, means):
    rows = images(spark, image(2, 2), image(1, 1, (9,)), image(1, 1, (4, 3, 2, 1)))
    wanted = [DenseVector([10, 20, 30]), DenseVector([9]), DenseVector([2, 3, 4, 1])]
    assert run(rows, means, "means:0", channelOrder="RGB") == wanted
    assert run(rows, means, "means") == wanted


def test_grey_images_are_taken_and_others_refused_where_the_order_is_one_channel(spark, means):
    rows = images(spark, image(2, 2, (7,)))
    assert run(rows, means, "means", channelOrder="L") == [DenseVector([7])]
    colours = image(2, 2)
    with pytest.raises(InputError, match="images of one channel for channelOrder='L'"):
        pixels(tuple(colours[name] for name in FIELDS), "L")


def test_images_of_floats_are_taken_as_they_are(spark, means):
    assert run(images(spark, image(2, 2, (0.5,), np.float32)), means, "means") == [
        DenseVector([0.5])
    ]


def test_a_frozen_graph_of_the_old_guide_resizes_images(spark, v1):
    graph = v1.Graph()
    with v1.Session(graph=graph) as sess:
        image_arr = imageInputPlaceholder()
        resized = v1.image.resize_images(image_arr, (5, 4))
        frozen = tfx.strip_and_freeze_until([resized], graph, sess, return_graph=True)
    stage = TFImageTransformer(
        inputCol="image",
        outputCol="y",
        graph=frozen,
        inputTensor=image_arr,
        outputTensor=resized,
        outputMode="image",
    )
    made = [row.y for row in stage.transform(images(spark, image(2, 3), None)).collect()]
    assert made[1] is None
    assert (made[0].height, made[0].width, made[0].nChannels, made[0].origin) == (5, 4, 3, "here")
    array = imageIO.imageStructToArray(made[0])
    assert array.dtype == np.float32
    assert np.allclose(array, [30, 20, 10])


def test_a_graph_for_one_image_at_a_time_is_given_one_at_a_time(spark, v1):
    graph = v1.Graph()
    with graph.as_default():
        given = v1.placeholder(v1.uint8, [1, None, None, 3], name="one")
        v1.reduce_max(given, axis=[1, 2], name="y")
    rows = images(spark, image(2, 2), image(2, 2, (1, 2, 3)))
    made = run(rows, graph, "y", inputTensor="one", channelOrder="BGR")
    assert made == [DenseVector([30, 20, 10]), DenseVector([1, 2, 3])]


def test_parameters_of_images_are_checked_and_given_back(spark, means):
    stage = TFImageTransformer(channelOrder="RGB", graph=means, outputTensor="means")
    stage.setInputCol("image").setOutputCol("y").setOutputMode("image").setChannelOrder("L")
    assert (stage.getInputCol(), stage.getOutputCol()) == ("image", "y")
    assert (stage.getOutputMode(), stage.getChannelOrder()) == ("image", "L")
    assert stage.getInputTensor().name == "sparkdl_image_input:0"
    assert stage.getOutputTensor() is tfx.get_tensor("means", means)
    with pytest.raises(TypeError, match="channelOrder"):
        stage.setChannelOrder("GBR")
    with pytest.raises(TypeError, match="outputMode"):
        stage.setParams(outputMode="matrix")
    with pytest.raises(TypeError, match=r"a tf\.Graph"):
        stage.setGraph("graph.pb")


def test_what_is_missing_or_taken_is_said_before_the_graph_runs(spark, means):
    rows = images(spark, image(2, 2))
    with pytest.raises(ConfigError, match="no outputTensor"):
        TFImageTransformer(inputCol="image", outputCol="y", graph=means).transform(rows)
    with pytest.raises(InputError, match="outputCol that is not there yet"):
        TFImageTransformer(
            inputCol="image", outputCol="image", graph=means, outputTensor="means"
        ).transform(rows)


@pytest.mark.parametrize(("given", "colour"), [({}, [31, 20, 10]), ({"channelOrder": "RGB"}, None)])
def test_images_come_back_as_they_went_in_where_no_order_is_said(spark, v1, given, colour):
    graph = v1.Graph()
    with graph.as_default():
        v1.add(imageInputPlaceholder(3), [0.0, 0.0, 1.0], name="bluer")
    (made,) = run(images(spark, image(1, 1)), graph, "bluer", outputMode="image", **given)
    assert imageIO.imageStructToArray(made)[0, 0].tolist() == (colour or [10, 20, 31])


def test_vectors_are_no_images(spark, means):
    with pytest.raises(InputError, match="Say outputMode='vector'"):
        run(images(spark, image(2, 2)), means, "means", outputMode="image")


@pytest.fixture(scope="module")
def inputs(v1):
    """Build a graph of three outputs of a row of two numbers and a number."""
    with v1.Session(graph=v1.Graph()) as sess:
        x = v1.placeholder(v1.float32, [None, 2], name="x")
        n = v1.placeholder(v1.int64, [None], name="n")
        v1.reduce_sum(x, axis=1, name="total")
        v1.identity(n + 1, name="next")
        v1.identity(v1.stack([x, 10.0 * x], axis=1), name="table")
        return TFInputGraph.fromGraph(sess.graph, sess, ["x", "n"], ["total", "next", "table"])


def test_columns_go_through_a_graph_and_rows_with_a_null_give_nulls(spark, inputs):
    rows = [([1.0, 2.0], 5), (None, 6), ([3.0, 4.0], None), ([5.0, 6.0], 7)]
    stage = TFTransformer(
        tfInputGraph=inputs,
        inputMapping={"a": tfx.tensor_name("x"), "b": "n:0"},
        outputMapping={"total:0": "sum", "next": "next", "table:0": "table"},
    )
    made = stage.transform(in_one(spark.createDataFrame(rows, "a array<double>, b int")))
    assert dict(made.dtypes)["sum"] == "float"
    assert dict(made.dtypes)["next"] == "bigint"
    assert dict(made.dtypes)["table"] == "array<array<float>>"
    assert [tuple(row)[2:] for row in made.select("a", "b", "next", "sum", "table").collect()] == [
        (6, 3.0, [[1.0, 2.0], [10.0, 20.0]]),
        (None, None, None),
        (None, None, None),
        (8, 11.0, [[5.0, 6.0], [50.0, 60.0]]),
    ]


def test_vectors_and_arrays_within_arrays_are_fed(spark, v1):
    with v1.Session(graph=v1.Graph()) as sess:
        v = v1.placeholder(v1.float64, [None, 2], name="v")
        m = v1.placeholder(v1.float64, [None, None, 2], name="m")
        v1.reduce_sum(m, axis=[1, 2], name="y")
        v1.identity(v * 2, name="z")
        graph = TFInputGraph.fromGraph(sess.graph, sess, [v, m], ["y", "z"])
    rows = [
        (Vectors.dense(1, 2), [[1.0, 2.0]]),
        (Vectors.sparse(2, {1: 3.0}), [[1.0, 1.0], [2.0, 2.0]]),
        (None, [[1.0, 1.0]]),
    ]
    kinds = [("v", VectorUDT()), ("m", ArrayType(ArrayType(DoubleType())))]
    table = spark.createDataFrame(rows, StructType([StructField(*each) for each in kinds]))
    stage = TFTransformer(
        tfInputGraph=graph,
        inputMapping={"v": "v", "m": "m"},
        outputMapping={"y": "y", "z": "z"},
    )
    made = [(row.y, row.z) for row in stage.transform(in_one(table)).collect()]
    assert made == [(3.0, [2.0, 4.0]), (6.0, [0.0, 6.0]), (None, None)]


def test_bytes_are_fed_and_fetched(spark, v1):
    with v1.Session(graph=v1.Graph()) as sess:
        file = v1.placeholder(v1.string, [None], name="file")
        v1.strings.length(file, name="y")
        v1.identity(file, name="z")
        graph = TFInputGraph.fromGraph(sess.graph, sess, ["file"], ["y", "z"])
    table = spark.createDataFrame([(bytearray(b"ab\0"),), (None,)], "content binary")
    stage = TFTransformer(
        tfInputGraph=graph, inputMapping={"content": "file"}, outputMapping={"y": "y", "z": "z"}
    )
    file, nothing = stage.transform(in_one(table)).collect()
    assert (file.y, bytes(file.z)) == (3, b"ab\0")
    assert (nothing.y, nothing.z) == (None, None)


def test_rows_that_a_graph_does_not_take_are_refused(inputs):
    session = open_session(frozen_graph(inputs.graph_def, ["x"], ["total"]))
    with pytest.raises(InputError, match=r"rows of shape \(2,\) for x:0"):
        list(session.outputs([([1.0],)]))


def test_a_graph_of_a_fixed_count_of_rows_is_refused_when_it_runs(v1):
    with v1.Session(graph=v1.Graph()) as sess:
        x = v1.placeholder(v1.float32, [None, 2], name="x")
        v1.reshape(v1.reduce_sum(x), [1], name="y")
        frozen = frozen_graph(sess.graph.as_graph_def(), ["x"], ["y"])
    with pytest.raises(InputError, match=r"Received: \(1,\) for 3 rows"):
        list(open_session(frozen).outputs([([1.0, 2.0],)] * 3))


def test_a_graph_that_mixes_rows_is_refused(spark, v1):
    with v1.Session(graph=v1.Graph()) as sess:
        x = v1.placeholder(v1.float32, [None], name="x")
        v1.reduce_sum(x, name="y")
        graph = TFInputGraph.fromGraph(sess.graph, sess, ["x"], ["y"])
    stage = TFTransformer(tfInputGraph=graph, inputMapping={"x": "x"}, outputMapping={"y": "y"})
    with pytest.raises(InputError, match="a first dimension of y:0"):
        stage.transform(spark.createDataFrame([(1.0,)], "x double"))


def test_parameters_of_columns_are_checked_and_given_back(spark, inputs):
    stage = TFTransformer(tfInputGraph=inputs, tfHParms=None)
    stage.setInputMapping({"b": "n", "a": "x:0"}).setOutputMapping({"total": "y"})
    assert stage.getInputMapping() == [("a", "x:0"), ("b", "n:0")]
    assert stage.getOutputMapping() == [("total:0", "y")]
    assert stage.getTFInputGraph() is inputs
    assert stage.setTFHParams(3).getTFHParams() == 3
    with pytest.raises(TypeError, match="a TFInputGraph"):
        stage.setTFInputGraph("graph.pb")
    for no_pairs in ({"a": 7}, ["a1", "b2"], [("a", "b", "c")]):
        with pytest.raises(TypeError, match="names of columns and tensors"):
            stage.setInputMapping(no_pairs)
    with pytest.raises(ConfigError, match="no outputMapping"):
        TFTransformer(tfInputGraph=inputs, inputMapping={"a": "x"}).transform(spark.range(1))
