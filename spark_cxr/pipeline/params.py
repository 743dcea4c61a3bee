"""What our MLlib stages share: how a Param is declared, and how its columns are checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.sql import DataFrame
from pyspark.sql.types import DataType, StructType

from spark_cxr.errors import InputError
from spark_cxr.images.structs import FIELDS
from spark_cxr.settings import nearest


def one_of(name: str, known: Sequence[str], doc: str) -> Any:
    """Declare a Param that takes one of a few words."""

    def convert(value: Any) -> str:
        if value not in known:
            received, way_out = f"{name}={value!r}", nearest(str(value), known)
            raise TypeError(f"Expected {name} by name. Received: {received}. {way_out}")
        return str(value)

    return Param(Params._dummy(), name, f"{doc} ({', '.join(known)})", typeConverter=convert)


def text(name: str, doc: str) -> Any:
    """Declare a Param that takes any text."""
    return Param(Params._dummy(), name, doc, typeConverter=TypeConverters.toString)


def type_of_input(dataset: DataFrame, column: str) -> DataType:
    """Give the type of the input column, or refuse a table that does not have it."""
    kinds = {field.name: field.dataType for field in dataset.schema.fields}
    if column not in kinds:
        raise InputError("inputCol among the columns", column, nearest(column, list(kinds)))
    return kinds[column]


def is_image_struct(kind: DataType) -> bool:
    """Tell a struct of Spark's image schema, whatever else it may hold, from other types."""
    return isinstance(kind, StructType) and set(FIELDS) <= set(kind.fieldNames())


def check_output(dataset: DataFrame, column: str) -> None:
    """Refuse to write over a column."""
    if column in dataset.columns:
        raise InputError("outputCol that is not there yet", column, "Choose another name")
