"""Feature vectors → a trained head, and its predictions on other films."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.ml import Model, PipelineModel
from pyspark.ml.feature import StandardScaler
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError
from spark_cxr.heads.catalog import HEADS, Head, Setting, Shape
from spark_cxr.heads.portable import PortableHead, read_stages
from spark_cxr.output import Output, locate
from spark_cxr.schemas import FEATURES, LABEL, PATH, SHA256, TEST_PREDICTIONS, columns

LABEL_INDEX = "label_index"
PREDICTION_INDEX = "prediction_index"
PROBABILITY = "probability"
BEST = f"array_position({PROBABILITY}, array_max({PROBABILITY})) - 1"
"""The index of the likeliest class. In SQL: in Python array_position of PySpark 3.5 looks for
literals only."""
WEIGHT = "film_weight"
SCALED = "scaled_features"
PARTITION = 1 << 22
"""Numbers in a partition of vectors, 32 MB. A fit goes through all partitions at each of its steps,
and a task costs some milliseconds however little there is to do: 351 vectors of 128 took
2.2 s as one partition and 8.5 s as eight."""
HEAD = "head"
"""Folder of a model directory with MLlib's own form."""
MARGIN = "margin_"
"""Begins the columns of the models for one class against the rest."""


@dataclass(frozen=True)
class HeadRecipe:
    """How a head is to be trained."""

    seed: int = 0
    setting: Setting = ()
    """Empty: the head's default."""
    balance: bool = False
    """Weigh films so that each class counts the same."""


class HeadModel(Model):
    """A trained head: adds `prediction_index` and `probability`, the same for all heads."""

    def __init__(self, head: Head, mllib: PipelineModel) -> None:
        """Keep the head's row and MLlib's trained pipeline, which is what gets saved."""
        super().__init__()
        self.head = head
        self.mllib = mllib

    @property
    def name(self) -> str:
        """Name the head."""
        return self.head.name

    def keep(self, directory: Output, folder: str = HEAD) -> PortableHead:
        """Save MLlib's own form below a directory, and read the portable one from it."""
        place = directory.table(folder)
        self.mllib.write().overwrite().save(place)
        return self.head.read(read_stages(*locate(place)))

    def _transform(self, dataset: DataFrame) -> DataFrame:
        scored = self.mllib.transform(dataset)
        if self.head.is_binary:
            scored = _share_margins(scored, len(self.mllib.stages), self.head.slope)
        return scored.select(*dataset.columns, PREDICTION_INDEX, PROBABILITY)


def prepare_rows(rows: DataFrame, labels: tuple[str, ...]) -> DataFrame:
    """Bring feature rows into the form that MLlib's heads take.

    The column of label indices names all labels, so that a fold without one of them still gives
    a probability for each.
    """
    numbers = F.create_map(*(F.lit(x) for i, label in enumerate(labels) for x in (label, float(i))))
    return rows.withColumns(
        {FEATURES: array_to_vector(F.col(FEATURES)), LABEL_INDEX: numbers[F.col(LABEL)]}
    ).withMetadata(LABEL_INDEX, {"ml_attr": {"type": "nominal", "vals": list(labels)}})


def settle(rows: DataFrame, numbers: int) -> DataFrame:
    """Put rows into partitions and an order of their own, once: forests draw films by their place.

    How many partitions depends on how many `numbers` the vectors have in all, not on the cluster.
    """
    partitions = max(1, round(numbers / PARTITION))
    return rows.repartition(partitions, SHA256).sortWithinPartitions(SHA256, PATH)


def check_recipe(head: Head, recipe: HeadRecipe) -> None:
    """Refuse what a head cannot do, before anything is read."""
    if recipe.balance and not head.is_weighted:
        able = ", ".join(name for name, row in HEADS.items() if row.is_weighted)
        way_out = f"Leave --balance out, or take one of {able}"
        raise ConfigError("a head that takes weights for --balance", head.name, way_out)


def fit(
    head: Head,
    train_rows: DataFrame,
    recipe: HeadRecipe | None = None,
    counts: Mapping[float, int] | None = None,
    features: int = 0,
) -> HeadModel:
    """Fit a head on prepared rows.

    Args:
        head: Which.
        train_rows: As `prepare_rows` gives them.
        recipe: How.
        counts: The rows of each label index, where they are known; else they are counted.
        features: The numbers of a vector, where they are known.
    """
    recipe = recipe or HeadRecipe()
    check_recipe(head, recipe)
    if counts is None:
        by_label = train_rows.groupBy(LABEL_INDEX).count().collect()
        counts = {row[LABEL_INDEX]: row["count"] for row in by_label}
    rows = _weighted(train_rows, counts) if recipe.balance else train_rows
    classes = len(train_rows.schema[LABEL_INDEX].metadata["ml_attr"]["vals"])
    features = features or len(train_rows.first()[FEATURES])
    shape = Shape(sum(counts.values()), features, classes)
    estimator = head.build(shape, recipe.seed, **dict(recipe.setting or head.default))
    estimator = estimator.setLabelCol(LABEL_INDEX).setFeaturesCol(FEATURES)
    if recipe.balance:
        estimator = estimator.setWeightCol(WEIGHT)
    if head.is_binary:
        stages = _fit_each(estimator, rows, classes)
    else:
        stages = _fit_whole(head, estimator, rows)
    return HeadModel(head, PipelineModel(stages))


def _fit_whole(head: Head, estimator: Any, rows: DataFrame) -> list[Any]:
    estimator = estimator.setPredictionCol(PREDICTION_INDEX).setProbabilityCol(PROBABILITY)
    if not head.is_scaled:
        return [estimator.fit(rows)]
    scaler = StandardScaler(inputCol=FEATURES, outputCol=SCALED, withMean=True, withStd=True)
    scaling = scaler.fit(rows)
    return [scaling, estimator.setFeaturesCol(SCALED).fit(scaling.transform(rows))]


def _fit_each(estimator: Any, rows: DataFrame, classes: int) -> list[Any]:
    """Fit a model for each class against the rest; for the second of two alone.

    MLlib's OneVsRest gives neither probabilities nor a way to them that all its versions share.
    """
    models = []
    for label in range(classes) if classes > 2 else (1,):
        own = estimator.copy().setRawPredictionCol(f"{MARGIN}{label}")
        own = own.setPredictionCol(f"is_{label}")
        if own.hasParam("probabilityCol"):
            own = own.setProbabilityCol(f"share_{label}")
        is_label = (F.col(LABEL_INDEX) == label).cast("double")
        models.append(own.fit(rows.withColumn(LABEL_INDEX, is_label)))
    return models


def _share_margins(scored: DataFrame, models: int, slope: float) -> DataFrame:
    """Turn margins into probabilities, as heads/portable/links.py does with numpy."""
    if models == 1:
        margin = slope * vector_to_array(F.col(f"{MARGIN}1"))[1]
        margins = [-margin, margin]
    else:
        margins = [slope * vector_to_array(F.col(f"{MARGIN}{i}"))[1] for i in range(models)]
    logs = [F.least(m, F.lit(0.0)) - F.log1p(F.exp(-F.abs(m))) for m in margins]
    shares = scored.withColumn(PROBABILITY, F.array(*logs))
    top = F.array_max(PROBABILITY)
    shares = shares.withColumn(PROBABILITY, F.transform(PROBABILITY, lambda x: F.exp(x - top)))
    total = F.aggregate(PROBABILITY, F.lit(0.0), lambda done, x: done + x)
    shares = shares.withColumn(PROBABILITY, F.transform(PROBABILITY, lambda x: x / total))
    return shares.withColumns(
        {
            PREDICTION_INDEX: F.expr(BEST).cast("double"),
            PROBABILITY: array_to_vector(F.col(PROBABILITY)),
        }
    )


def _weighted(rows: DataFrame, counts: Mapping[float, int]) -> DataFrame:
    """Weigh each film by films / (classes x films of its class): on average 1."""
    whole = sum(counts.values()) / len(counts)
    pairs = [F.lit(x) for index, count in counts.items() for x in (index, whole / count)]
    return rows.withColumn(WEIGHT, F.create_map(*pairs)[F.col(LABEL_INDEX)])


def predictions_of(scored: DataFrame, labels: tuple[str, ...], model: str) -> DataFrame:
    """Give the predictions of a head: one row a film (`schemas.TEST_PREDICTIONS`)."""
    shares = vector_to_array(F.col(PROBABILITY))
    return scored.withColumns(
        {
            "prediction": F.element_at(_array(labels), F.col(PREDICTION_INDEX).cast("int") + 1),
            "confidence": F.array_max(shares),
            "probabilities": F.map_from_arrays(_array(labels), shares),
            "model": F.lit(model),
            "scored_at": F.current_timestamp(),
        }
    ).select(*columns(TEST_PREDICTIONS))


def _array(labels: tuple[str, ...]) -> Column:
    return F.array(*(F.lit(label) for label in labels))
