"""Images as rows of Spark's image schema: sparkdl's `imageIO`, under its old names.

Red, green and blue are stored blue first. A file that does not decode keeps its row, marked the
way that Spark's own `image` source marks it: origin, all numbers -1, no bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from spark_cxr.images.structs import INVALID, array_of, type_of

__all__ = [
    "PIL_decode",
    "PIL_to_imageStruct",
    "imageArrayToStruct",
    "imageSchema",
    "imageStructToArray",
    "imageStructToPIL",
    "readImages",
    "readImagesWithCustomFn",
]

STRUCT = StructType(
    [
        StructField("origin", StringType(), True),
        StructField("height", IntegerType(), True),
        StructField("width", IntegerType(), True),
        StructField("nChannels", IntegerType(), True),
        StructField("mode", IntegerType(), True),
        StructField("data", BinaryType(), True),
    ]
)
"""One image; equal to what Spark's `image` source gives."""
IMAGES = StructType([StructField("image", STRUCT, True)])
Decode = Callable[[bytes], NDArray[Any]]


def array_to_struct(imgArray: NDArray[Any], origin: str = "") -> Row:
    """Make a row of the image schema from an array, blue first, with or without a batch of 1."""
    if imgArray.ndim == 4:
        if imgArray.shape[0] != 1:
            received = f"shape={imgArray.shape}"
            raise ValueError(f"Expected a batch of 1. Received: {received}. Give one image.")
        imgArray = imgArray[0]
    kind = type_of(imgArray)
    height, width, channels = imgArray.shape
    return Row(
        origin=origin,
        height=height,
        width=width,
        nChannels=channels,
        mode=kind.ord,
        data=bytearray(imgArray.tobytes()),
    )


def struct_to_array(imageRow: Row) -> NDArray[Any]:
    """Give the array of a row of the image schema, blue first: (height, width, channels)."""
    numbers = (imageRow.height, imageRow.width, imageRow.nChannels, imageRow.mode)
    return array_of(*numbers, bytes(imageRow.data))


def struct_to_pil(imageRow: Row) -> Image.Image:
    """Give a Pillow image of a row of the image schema; only 8 bits a sample."""
    array = struct_to_array(imageRow)
    if array.dtype != np.uint8:
        raise ValueError(f"Expected 8 bits a sample. Received: {array.dtype}. Scale and cast it.")
    if array.shape[2] == 1:
        return Image.fromarray(array[..., 0])
    order = [2, 1, 0, 3][: array.shape[2]]
    return Image.fromarray(np.ascontiguousarray(array[..., order]))


def pil_to_array(img: Image.Image) -> NDArray[Any]:
    """Give the array of a Pillow image, blue first, for `imageArrayToStruct`."""
    array = np.asarray(img)
    if array.ndim == 2:
        return array[..., None]
    return np.ascontiguousarray(array[..., [2, 1, 0, 3][: array.shape[2]]])


def pil_decode(raw_bytes: bytes) -> NDArray[Any]:
    """Decode a file by Pillow, for `readImagesWithCustomFn`."""
    with Image.open(BytesIO(raw_bytes)) as image:
        return pil_to_array(image)


def film_decode(raw_bytes: bytes) -> NDArray[Any]:
    """Decode PNG, JPEG, TIFF, BMP, WebP or DICOM, grey as one channel, 16 bits scaled to 8."""
    pixels = decode(raw_bytes, Limits(min_side=1)).pixels
    return pixels[..., None] if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])


def read_images(
    path: str,
    numPartitions: int | None = None,
    recursive: bool = False,
    dropImageFailures: bool = False,
) -> DataFrame:
    """Read a folder, a glob or a file into rows with the one column `image`.

    Args:
        path: Where the images are.
        numPartitions: In how many parts the rows are to lie; as the files come if not given.
        recursive: Whether folders below are read too.
        dropImageFailures: Whether files that do not decode lose their row. Otherwise they keep
            it, with their origin, numbers of -1 and no bytes.
    """
    images = read_with(path, film_decode, numPartitions, recursive)
    return images.where(F.col("image.height") != INVALID) if dropImageFailures else images


def read_with(
    path: str, decode_f: Decode, numPartition: int | None = None, recursive: bool = False
) -> DataFrame:
    """Read images with a decoder of your own: bytes in, array (blue first) out."""

    def decoded(origin: str, content: bytes) -> Row:
        try:
            return array_to_struct(decode_f(bytes(content)), origin)
        except (BadImage, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return Row(origin, INVALID, INVALID, INVALID, INVALID, bytearray())

    spark = SparkSession.active()
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", str(recursive).lower())
    files = reader.load(path)
    if numPartition:
        files = files.repartition(numPartition)
    # A row at a time: Arrow would gather thousands of decoded images in one batch.
    image = F.udf(decoded, STRUCT, useArrow=False)(F.col("path"), F.col("content"))
    return files.select(image.alias("image"))


imageSchema = IMAGES
imageArrayToStruct = array_to_struct
imageStructToArray = struct_to_array
imageStructToPIL = struct_to_pil
PIL_to_imageStruct = pil_to_array
PIL_decode = pil_decode
readImages = read_images
readImagesWithCustomFn = read_with
