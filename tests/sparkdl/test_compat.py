"""The one line before an old notebook: its imports and Spark's former reader work as they did."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pyspark.ml.image import ImageSchema

import spark_cxr.sparkdl as ours
import spark_cxr.sparkdl.compat
from spark_cxr.sparkdl import imageIO

IMPORTS = """
import sparkdl
import sparkdl as dl
import sparkdl.image.imageIO
import sparkdl.image.imageIO as io
import sparkdl.transformers.named_image as named
import sparkdl.estimators.keras_image_file_estimator
from sparkdl.image import imageIO
from sparkdl import readImages, imageType, imageSchema
from sparkdl import DeepImageFeaturizer, DeepImagePredictor, KerasImageFileTransformer
from sparkdl import KerasImageFileEstimator, KerasTransformer, registerKerasImageUDF
from sparkdl.image.image import ImageSchema
from sparkdl.transformers.keras_image import KerasImageFileTransformer
from sparkdl.transformers.keras_tensor import KerasTransformer
from sparkdl.estimators.keras_image_file_estimator import KerasImageFileEstimator
from sparkdl.udf.keras_image_model import registerKerasImageUDF
from sparkdl import TFImageTransformer, TFTransformer, TFInputGraph, imageInputPlaceholder
from sparkdl.transformers.tf_image import TFImageTransformer
from sparkdl.transformers.tf_tensor import TFTransformer
from sparkdl.transformers.utils import imageInputPlaceholder
from sparkdl.transformers import utils
from sparkdl.graph.input import *
import sparkdl.graph.utils as tfx
from sparkdl import HorovodRunner
from sparkdl.horovod import log_to_driver
from sparkdl.horovod.tensorflow.keras import LogCallback
import sparkdl.xgboost
import sparkdl.horovod.tensorflow.keras as logs
from pyspark.ml.feature import OneHotEncoderEstimator
from PIL.Image import ANTIALIAS
"""


@pytest.mark.parametrize("line", IMPORTS.strip().splitlines())
def test_imports_of_old_notebooks_stay_as_they_are(line):
    exec(line, {})


def test_long_names_lead_where_short_ones_do():
    names = {}
    exec("import sparkdl, sparkdl.image.imageIO, sparkdl.transformers.named_image", names)
    package = names["sparkdl"]
    assert package.image.imageIO is imageIO
    assert package.transformers.named_image.DeepImagePredictor is ours.DeepImagePredictor
    assert package.image.image.ImageSchema is ImageSchema


def test_modules_keep_the_names_by_which_executors_find_them():
    assert (ours.__name__, imageIO.__name__) == ("spark_cxr.sparkdl", "spark_cxr.sparkdl.imageIO")
    assert {module for module in sys.modules if module.split(".")[0] == "sparkdl"} >= {
        *("sparkdl", "sparkdl.image", "sparkdl.udf.keras_image_model"),
    }


def test_nothing_is_registered_before_the_line():
    code = "import sys, spark_cxr.sparkdl; sys.exit('sparkdl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("images")
    (place / "below").mkdir()
    for number, name in enumerate(("a", "b", "below/c")):
        Image.new("RGB", (8 + number, 6), (number, 20, 30)).save(place / f"{name}.png")
    (place / "broken.png").write_bytes(b"nothing")
    return str(place)


def test_sparks_reader_is_back_with_its_arguments_by_position(spark, folder):
    own = spark.read.format("image").load(folder)
    rows = ImageSchema.readImages(folder)
    assert rows.schema.simpleString() == own.schema.simpleString()
    assert rows.count() == 3
    rows = ImageSchema.readImages(folder, True, 3, True, 1.0, 0)
    assert rows.rdd.getNumPartitions() == 3
    assert sorted(row.image.width for row in rows.collect()) == [8, 9, 10]


def test_spark_reads_and_makes_arrays_of_its_rows(spark, folder):
    image = ImageSchema.readImages(f"{folder}/b.png").first().image
    array = ImageSchema.toNDArray(image)
    np.testing.assert_array_equal(array[0, 0], [30, 20, 1])
    np.testing.assert_array_equal(array, imageIO.imageStructToArray(image))


def test_functions_that_use_the_old_package_run_on_the_executors(spark, folder):
    import sparkdl
    from pyspark.sql.functions import udf

    @udf("int")
    def red(image):
        return int(sparkdl.imageIO.imageStructToArray(image)[0, 0, 2])

    rows = ImageSchema.readImages(folder, dropImageFailures=True)
    assert sorted(row[0] for row in rows.select(red("image")).collect()) == [0, 1]


def test_types_are_known_by_number_and_name():
    kind = ours.imageType(imageIO.imageArrayToStruct(np.zeros((1, 1, 3), np.uint8)))
    assert kind == ("CV_8UC3", 16, 3, "uint8") == imageIO.imageTypeByName("CV_8UC3")
    assert (kind.nChannels, kind.dtype) == (3, "uint8")
    with pytest.raises(KeyError, match=r"Received: 99\. Known are: CV_8UC1 \(0\)"):
        imageIO.imageTypeByOrdinal(99)


def test_installing_twice_changes_nothing():
    before = {name: module for name, module in sys.modules.items() if name.startswith("sparkdl")}
    spark_cxr.sparkdl.compat.install()
    after = {name: module for name, module in sys.modules.items() if name.startswith("sparkdl")}
    assert after == before
