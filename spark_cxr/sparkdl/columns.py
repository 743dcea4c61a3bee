"""The column function of this package: image structs in, whatever a network says of them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import ImageStruct, Made, struct_pass
from spark_cxr.errors import BadImage
from spark_cxr.images.structs import FIELDS, StructPreparation
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.vectors import raise_first

Finish = Callable[[Any], Any]
VECTOR = "array<float>"


def fields_of(image: str) -> list[Column]:
    """Name the fields that the column function takes, in its order."""
    return [F.col(image).getField(name) for name in FIELDS]


def image_column(
    plan: Plan,
    preparing: StructPreparation,
    raise_bad: bool,
    finish: Finish = lambda vector: vector,
    returns: str = VECTOR,
) -> Callable[..., Column]:
    """Make the column function: the fields of structs in, finished vectors out, null where bad."""

    @pandas_udf(returns)
    def column(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        parts = (list(map(ImageStruct, zip(*fields, strict=True))) for fields in batches)
        for made in struct_pass(on_this_worker(plan), preparing).rows(parts):
            if raise_bad:
                raise_first(made)
            yield pd.Series([_finished(each, finish) for each in made], dtype=object)

    # Else the optimizer copies the call into a filter on its result, and each image is run twice.
    return column.asNondeterministic()


def _finished(made: Made, finish: Finish) -> Any:
    return None if isinstance(made, BadImage) else finish(made)
