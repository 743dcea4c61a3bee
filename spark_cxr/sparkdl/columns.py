"""The column function of this package: image structs in, whatever a network says of them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.backbones import engines
from spark_cxr.backbones.featurize import FeatureRecipe, Made
from spark_cxr.errors import BadImage
from spark_cxr.images.film import Pixels
from spark_cxr.pipeline.networks import Ready, on_this_worker
from spark_cxr.sparkdl.structs import FIELDS, Preparing, to_film

Finish = Callable[[Any], Any]
VECTOR = "array<float>"


def fields_of(image: str) -> list[Column]:
    """Name the fields that the column function takes, in its order."""
    return [F.col(image).getField(name) for name in FIELDS]


def image_column(
    ready: Ready,
    preparing: Preparing,
    raise_bad: bool,
    finish: Finish = lambda vector: vector,
    returns: str = VECTOR,
) -> Callable[..., Column]:
    """Make the column function: the fields of structs in, finished vectors out, null where bad."""

    @pandas_udf(returns)
    def column(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        recipe = on_this_worker(ready)
        for fields in batches:
            made = list(vectors(list(zip(*fields, strict=True)), recipe, preparing))
            bad = next((each for each in made if isinstance(each, BadImage)), None)
            if raise_bad and bad is not None:
                raise bad
            yield pd.Series([_finished(each, finish) for each in made], dtype=object)

    return column


def vectors(
    rows: Sequence[Sequence[Any]], recipe: FeatureRecipe, preparing: Preparing
) -> Iterator[Made]:
    """Turn the fields of structs into vectors, one for one and in order."""
    size_hw = recipe.size_hw
    for start in range(0, len(rows), recipe.batch_size):
        films = [_film(row, size_hw, preparing) for row in rows[start : start + recipe.batch_size]]
        good = [film for film in films if not isinstance(film, BadImage)]
        made = iter(engines.load(recipe.plan).features(np.stack(good)) if good else ())
        yield from (film if isinstance(film, BadImage) else next(made) for film in films)


def _film(row: Sequence[Any], size_hw: tuple[int, int], preparing: Preparing) -> Pixels | BadImage:
    try:
        return to_film(row, size_hw, preparing)
    except BadImage as bad:
        return bad


def _finished(made: Made, finish: Finish) -> Any:
    return None if isinstance(made, BadImage) else finish(made)
