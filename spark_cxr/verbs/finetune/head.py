"""A head that was trained together with its network, as Spark scores with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from pyspark.ml import Model
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.heads.catalog import Head
from spark_cxr.heads.portable import FindingHeads, PortableHead
from spark_cxr.output import Output
from spark_cxr.pipeline.finding_heads import ANSWERS, FindingModel
from spark_cxr.pipeline.heads import BEST, PREDICTION_INDEX, PROBABILITY
from spark_cxr.schemas import FEATURES


@dataclass(frozen=True)
class TrainedHead:
    """The names of such a head."""

    name: str
    title: str


def trained_head(units: tuple[int, ...]) -> TrainedHead:
    """Name a head by its hidden layers."""
    if not units:
        return TrainedHead("linear", "linear head")
    return TrainedHead("dense", f"dense head of {', '.join(map(str, units))} units")


def _never(*_: object, **__: object) -> Any:
    raise NotImplementedError("this head is trained with its network, and not by MLlib")


class PortableFindings(FindingModel):
    """Portable heads of findings: adds `finding_probabilities`, as `FindingModel` does."""

    def __init__(self, head: TrainedHead, portable: FindingHeads) -> None:
        """Keep its name and its arrays."""
        super().__init__(Head(head.name, head.title, _never, (), (), _never), {})
        self.portable = portable

    def keep(self, directory: Output) -> FindingHeads:
        """Give them as they are: MLlib has no form of them."""
        return self.portable

    def _transform(self, dataset: DataFrame) -> DataFrame:
        answers = _shares(self.portable)(vector_to_array(F.col(FEATURES)))
        return dataset.withColumn(ANSWERS, answers)


def _shares(portable: PortableHead) -> Callable[[Column], Column]:
    """Make of a head a function of a column of vectors."""

    @pandas_udf("array<double>")
    def shares(vectors: pd.Series) -> pd.Series:
        return pd.Series(list(portable.probabilities(np.stack(vectors.to_numpy()))))

    return cast(Callable[[Column], Column], shares)


class PortableModel(Model):
    """A portable head: adds `prediction_index` and `probability`, as `heads.HeadModel` does."""

    def __init__(self, head: TrainedHead, portable: PortableHead) -> None:
        """Keep its name and its arrays."""
        super().__init__()
        self.head = head
        self.portable = portable

    @property
    def name(self) -> str:
        """Name the head."""
        return self.head.name

    def keep(self, directory: Output) -> PortableHead:
        """Give it as it is: MLlib has no form of it."""
        return self.portable

    def _transform(self, dataset: DataFrame) -> DataFrame:
        shares = _shares(self.portable)(vector_to_array(F.col(FEATURES)))
        scored = dataset.withColumn(PROBABILITY, shares)
        return scored.withColumns(
            {
                PREDICTION_INDEX: F.expr(BEST).cast("double"),
                PROBABILITY: array_to_vector(F.col(PROBABILITY)),
            }
        )
