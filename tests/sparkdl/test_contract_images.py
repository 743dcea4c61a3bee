"""What sparkdl promised of images in rows: functions over them, on the driver and in Spark."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import functions as F

import spark_cxr.sparkdl.compat  # noqa: F401
from spark_cxr.sparkdl import imageIO

STRUCT = imageIO.imageSchema["image"].dataType


@pytest.fixture
def image():
    """Draw a colour image, blue first."""
    return np.random.default_rng(2).integers(0, 256, (10, 11, 3), np.uint8)


def test_a_function_takes_and_gives_images(spark, image, tmp_path):
    Image.fromarray(np.ascontiguousarray(image[..., ::-1])).save(tmp_path / "image.png")
    (tmp_path / "bad.png").write_bytes(b"no image")

    def turned(row):
        array = imageIO.imageStructToArray(row)
        return imageIO.imageArrayToStruct(np.ascontiguousarray(array[::-1]))

    rows = imageIO.readImagesWithCustomFn(str(tmp_path), imageIO.PIL_decode, 2)
    good = rows.where(F.col("image").isNotNull())
    assert (rows.count(), good.count()) == (2, 1)
    made = good.select(F.udf(turned, STRUCT)("image").alias("turned")).first().turned
    assert made.data == image[::-1].tobytes()
    assert imageIO.imageTypeByOrdinal(made.mode).nChannels == 3


def test_resizing_is_a_function_of_the_driver_too(image):
    row = imageIO.imageArrayToStruct(image)
    small = imageIO.createResizeImageUDF([4, 5]).func(row)
    assert (small.height, small.width) == (4, 5)
    assert list(small.asDict()) == STRUCT.names
    assert imageIO.createResizeImageUDF((10, 11)).func(row) == row


@pytest.mark.parametrize("size", [[1, 2, 3], [4], ()])
def test_resizing_takes_a_height_and_a_width(size):
    with pytest.raises(ValueError, match="height"):
        imageIO.createResizeImageUDF(size)


@pytest.mark.slow
def test_a_context_without_a_session_is_enough(image, tmp_path):
    """So scripts of 2017 began: SparkContext, then readImages."""
    Image.fromarray(image).save(tmp_path / "image.png")
    script = (
        "import sys, spark_cxr.sparkdl.compat\n"
        "from pyspark import SparkContext\n"
        "from sparkdl import readImages\n"
        "SparkContext('local[1]')\n"
        "print(readImages(sys.argv[1]).count())"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    own = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    ended = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | own, timeout=240, check=False
    )
    assert (ended.returncode, ended.stdout.strip()[-1:]) == (0, "1"), ended.stderr[-2000:]
