"""A head that was trained together with its network, as Spark scores with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.ml import Model
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.heads.portable import PortableHead
from spark_cxr.output import Output
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
        portable = self.portable

        @pandas_udf("array<double>")
        def shares(vectors: pd.Series) -> pd.Series:
            return pd.Series(list(portable.probabilities(np.stack(vectors.to_numpy()))))

        scored = dataset.withColumn(PROBABILITY, shares(vector_to_array(F.col(FEATURES))))
        return scored.withColumns(
            {
                PREDICTION_INDEX: F.expr(BEST).cast("double"),
                PROBABILITY: array_to_vector(F.col(PROBABILITY)),
            }
        )
