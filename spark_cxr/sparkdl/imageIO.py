"""Images as rows of Spark's image schema: sparkdl's `imageIO`, under its old names.

Red, green and blue are stored blue first. Two ages of readers are known by their columns: sparkdl
0.x gave `filePath` and `image`, Spark's `ImageSchema.readImages` of 2.3 and 2.4 `image` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pyspark.ml.image import ImageSchema
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

from spark_cxr.errors import ConfigError
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from spark_cxr.images.structs import INVALID, TYPES, array_of, type_of

__all__ = [
    "ImageSchema",
    "PIL_decode",
    "PIL_decode_and_resize",
    "PIL_to_imageStruct",
    "createResizeImageUDF",
    "filesToDF",
    "imageArrayToStruct",
    "imageSchema",
    "imageStructToArray",
    "imageStructToPIL",
    "imageType",
    "imageTypeByName",
    "imageTypeByOrdinal",
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
OLDER_STRUCT = StructType(
    [STRUCT[name] for name in ("mode", "height", "width", "nChannels", "data", "origin")]
)
"""The order of sparkdl 0.x, which had no origin: it comes last."""
STRUCTS = {"0.x": OLDER_STRUCT, "1.x": STRUCT}
"""By the age of the reader."""
IMAGES = StructType([StructField("image", STRUCT, True)])
Decode = Callable[[bytes], NDArray[Any] | None]


class ImageType(NamedTuple):
    """An OpenCV type, under the names that sparkdl gave its parts."""

    name: str
    ord: int
    nChannels: int
    dtype: str


IMAGE_TYPES = [ImageType(kind.name, kind.ord, kind.channels, kind.dtype) for kind in TYPES]


def type_by_ordinal(ord: int) -> ImageType:
    """Find an OpenCV type by its number, which is the field `mode` of a struct."""
    return _only([kind for kind in IMAGE_TYPES if kind.ord == ord], ord)


def type_by_name(name: str) -> ImageType:
    """Find an OpenCV type by its name."""
    return _only([kind for kind in IMAGE_TYPES if kind.name == name], name)


def type_of_row(imageRow: Row) -> ImageType:
    """Say of which type an image is."""
    return type_by_ordinal(imageRow.mode)


def _only(kinds: list[ImageType], key: object) -> ImageType:
    if not kinds:
        known = ", ".join(f"{kind.name} ({kind.ord})" for kind in IMAGE_TYPES)
        raise KeyError(f"Expected an OpenCV type. Received: {key!r}. Known are: {known}")
    return kinds[0]


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
    """Give the array of a Pillow image, blue first, for `imageArrayToStruct`.

    Palettes, black and white, and what a printer mixes become red, green and blue or grey.
    """
    if img.mode in ("1", "LA", "La", "P", "PA", "CMYK", "YCbCr", "RGBX"):
        grey, is_clear = img.mode == "1", img.has_transparency_data
        img = img.convert("L" if grey else "RGBA" if is_clear else "RGB")
    array = np.asarray(img)
    if array.ndim == 2:
        return array[..., None]
    return np.ascontiguousarray(array[..., [2, 1, 0, 3][: array.shape[2]]])


def pil_decode(raw_bytes: bytes) -> NDArray[Any]:
    """Decode a file by Pillow, for `readImagesWithCustomFn`."""
    with Image.open(BytesIO(raw_bytes)) as image:
        return pil_to_array(image)


def pil_decode_and_resize(size: tuple[int, int]) -> Decode:
    """Make a decoder that resizes to (width, height), by the nearest pixel as Pillow did then."""

    def decoded(raw_bytes: bytes) -> NDArray[Any]:
        with Image.open(BytesIO(raw_bytes)) as image:
            return pil_to_array(image.resize(size, Image.Resampling.NEAREST))

    return decoded


def film_decode(raw_bytes: bytes) -> NDArray[Any]:
    """Decode PNG, JPEG, TIFF, BMP, WebP or DICOM, grey as one channel, 16 bits scaled to 8."""
    pixels = decode(raw_bytes, Limits(min_side=1)).pixels
    return pixels[..., None] if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])


def resize_udf(size: Sequence[int]) -> Callable[..., Any]:
    """Make a function of columns that resizes images to (height, width), by the nearest pixel."""
    if len(size) != 2:
        raise ValueError(f"Expected a size of (height, width). Received: {size}. Give two numbers.")
    width_height = (int(size[1]), int(size[0]))

    def resized(image: Row | None) -> Row | None:
        if image is None or image.height in (None, INVALID):
            return None
        small = struct_to_pil(image).resize(width_height, Image.Resampling.NEAREST)
        return array_to_struct(pil_to_array(small), image.origin)

    return F.udf(resized, STRUCT, useArrow=False)


def read_images(
    path: str,
    numPartition: int | None = None,
    recursive: bool = False,
    dropImageFailures: bool = False,
    sampleRatio: float = 1.0,
    seed: int = 0,
    *,
    numPartitions: int | None = None,
    age: str = "0.x",
) -> DataFrame:
    """Read a folder, a glob or a file into rows with the columns `filePath` and `image`.

    Args:
        path: Where the images are.
        numPartition: In how many parts the rows are to lie; as the files come if not given.
            True or False is taken for `recursive`, which stood here in Spark.
        recursive: Whether folders below are read too.
        dropImageFailures: Whether files that do not decode lose their row. Otherwise their image
            is null, or with age 1.x marked: its origin, numbers of -1 and no bytes.
        sampleRatio: Which share of the files to take, drawn by their path.
        seed: Draws other files.
        numPartitions: The same as numPartition, which Spark called so.
        age: "0.x" for the columns of sparkdl's own `readImages`, "1.x" for those of Spark's
            `ImageSchema.readImages`: `image` alone, with the fields of Spark's `image` source.
    """
    if age not in STRUCTS:
        raise ConfigError("age of the columns", age, "Say 0.x or 1.x")
    is_recursive = numPartition if isinstance(numPartition, bool) else recursive
    parts = numPartitions if isinstance(numPartition, bool) else numPartitions or numPartition
    files = _files(path, parts, is_recursive)
    if sampleRatio < 1:
        share = F.pmod(F.xxhash64("filePath", F.lit(seed)), F.lit(2**32)) / 2**32
        files = files.where(share < sampleRatio)
    images = _with_images(files, film_decode, STRUCTS[age], marks_bad=age == "1.x")
    columns = ["image"] if age == "1.x" else ["filePath", "image"]
    rows = images.select(*columns)
    return rows.where(F.col("image.height") != INVALID) if dropImageFailures else rows


def read_with(
    path: str, decode_f: Decode, numPartition: int | None = None, recursive: bool = False
) -> DataFrame:
    """Read images with a decoder of your own: bytes in, array (blue first) out.

    Where it raises, or gives None or what is no image, the image is null.
    """
    files = _files(path, numPartition, recursive)
    return _with_images(files, decode_f, STRUCT, marks_bad=False).select("image")


def files_to_df(sc: Any, path: str, numPartitions: int | None = None) -> DataFrame:
    """Read files into rows with the columns `filePath` and `fileData`.

    Args:
        sc: The context, which sparkdl wanted; the active session is used.
        path: Where the files are.
        numPartitions: In how many parts the rows are to lie.
    """
    return _files(path, numPartitions, recursive=False)


def session_of_context() -> SparkSession:
    """Give the active session; scripts of 2017 often began a context alone, which gets one here."""
    return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()


def _files(path: str, parts: int | None, recursive: bool) -> DataFrame:
    reader = session_of_context().read.format("binaryFile")
    files = reader.option("recursiveFileLookup", str(recursive).lower()).load(path)
    named = files.select(F.col("path").alias("filePath"), F.col("content").alias("fileData"))
    return named.repartition(parts) if parts and parts > 0 else named


def _with_images(
    files: DataFrame, decode_f: Decode, struct: StructType, marks_bad: bool
) -> DataFrame:
    names = struct.names

    def decoded(origin: str, content: bytes) -> tuple[Any, ...] | None:
        try:
            array = decode_f(bytes(content))
            image = None if array is None else array_to_struct(array, origin)
        except Exception:  # noqa: BLE001 - a user's own function may raise anything
            image = None
        if image is None and marks_bad:
            numbers = dict.fromkeys(("height", "width", "nChannels", "mode"), INVALID)
            image = Row(origin=origin, data=bytearray(), **numbers)
        return None if image is None else tuple(image[name] for name in names)

    # A row at a time: Arrow would gather thousands of decoded images in one batch. And else the
    # optimizer copies the call into a filter on its result, and each file is decoded twice.
    image = F.udf(decoded, struct, useArrow=False).asNondeterministic()
    return files.withColumn("image", image("filePath", "fileData"))


imageSchema = IMAGES
imageArrayToStruct = array_to_struct
imageStructToArray = struct_to_array
imageStructToPIL = struct_to_pil
imageType = type_of_row
imageTypeByName = type_by_name
imageTypeByOrdinal = type_by_ordinal
PIL_to_imageStruct = pil_to_array
PIL_decode = pil_decode
PIL_decode_and_resize = pil_decode_and_resize
createResizeImageUDF = resizeImage = resize_udf
filesToDF = files_to_df
readImages = read_images
readImagesWithCustomFn = read_with
