"""The classifiers that work on feature vectors, one row each.

A `Setting` names what `--tune` may turn. The weights of linear heads are drawn towards 0 by
`shrinkage` x features / films: what the films say grows with their number while what is held
against them stays, and the spread of margins that it allows is the same for 512 and 2048 features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spark_cxr.errors import ConfigError, nearest
from spark_cxr.heads.portable import PortableHead, Stage
from spark_cxr.heads.portable.layers import read_perceptron
from spark_cxr.heads.portable.linear import SVC_SLOPE, read_linear_svc, read_logistic_regression
from spark_cxr.heads.portable.trees import BOOSTING_SLOPE, read_boosted, read_forest, read_tree

Setting = tuple[tuple[str, float], ...]
"""Names and values of what can be tuned, in the order of the row's default."""
DENSE = (512, 256, 64)
"""Hidden layers of the dense head that the field puts on frozen networks."""
MEMORY = 1024
"""Megabytes for the histograms of trees: 512 and more features x bins x nodes of a level."""


@dataclass(frozen=True)
class Shape:
    """What a head has to know of the data that it is to be fitted on."""

    films: int
    features: int
    classes: int


@dataclass(frozen=True)
class Head:
    """A classifier of MLlib, and how it is set up for features of a network."""

    name: str
    title: str
    build: Callable[..., Any]
    """Makes MLlib's estimator from a shape, a seed and the values of a setting."""
    default: Setting
    grid: tuple[Setting, ...]
    """What `--tune` tries, the default among them."""
    read: Callable[[Sequence[Stage]], PortableHead]
    """Reads the portable form from what MLlib has saved."""
    is_scaled: bool = False
    """Wants a StandardScaler before it; the others standardise inside, or need not."""
    is_weighted: bool = True
    """Takes a weight for each film."""
    slope: float = 0.0
    """Tells two classes apart and gives a margin m, so it is fitted for each class against the
    rest; the probabilities are in proportion to logistic(slope x m). 0: it gives them itself."""

    @property
    def is_binary(self) -> bool:
        """Tell whether it needs a model for each class."""
        return self.slope > 0


def _logistic_regression(shape: Shape, seed: int, shrinkage: float) -> Any:
    from pyspark.ml.classification import LogisticRegression

    return LogisticRegression(maxIter=200, regParam=_held(shape, shrinkage))


def _linear_svc(shape: Shape, seed: int, shrinkage: float) -> Any:
    from pyspark.ml.classification import LinearSVC

    return LinearSVC(maxIter=100, regParam=_held(shape, shrinkage))


def _held(shape: Shape, shrinkage: float) -> float:
    return shrinkage * shape.features / max(1, shape.films)


def _random_forest(shape: Shape, seed: int, max_depth: float, min_films: float) -> Any:
    from pyspark.ml.classification import RandomForestClassifier

    return RandomForestClassifier(
        numTrees=100,
        maxDepth=int(max_depth),
        minInstancesPerNode=int(min_films),
        maxMemoryInMB=MEMORY,
        seed=seed,
    )


def _decision_tree(shape: Shape, seed: int, max_depth: float, min_films: float) -> Any:
    from pyspark.ml.classification import DecisionTreeClassifier

    return DecisionTreeClassifier(
        maxDepth=int(max_depth),
        minInstancesPerNode=int(min_films),
        maxMemoryInMB=MEMORY,
        seed=seed,
    )


def _boosted_trees(shape: Shape, seed: int, max_depth: float, trees: float) -> Any:
    from pyspark.ml.classification import GBTClassifier

    return GBTClassifier(
        maxIter=int(trees),
        maxDepth=int(max_depth),
        stepSize=0.1,
        subsamplingRate=0.7,
        featureSubsetStrategy="sqrt",
        maxMemoryInMB=MEMORY,
        seed=seed,
    )


def _perceptron(shape: Shape, seed: int, iterations: float) -> Any:
    from pyspark.ml.classification import MultilayerPerceptronClassifier

    layers = [shape.features, *DENSE, shape.classes]
    return MultilayerPerceptronClassifier(layers=layers, maxIter=int(iterations), seed=seed)


def _grid(*axes: tuple[str, tuple[float, ...]]) -> tuple[Setting, ...]:
    """Combine all values of all axes."""
    points: tuple[Setting, ...] = ((),)
    for name, values in axes:
        points = tuple((*point, (name, value)) for point in points for value in values)
    return points


HEADS = {
    "lr": Head(
        "lr",
        "Logistic regression",
        _logistic_regression,
        default=(("shrinkage", 0.16),),
        grid=_grid(("shrinkage", (0.01, 0.04, 0.16, 0.6, 2.5, 10.0))),
        read=read_logistic_regression,
    ),
    "rf": Head(
        "rf",
        "Random forest",
        _random_forest,
        default=(("max_depth", 12), ("min_films", 1)),
        grid=_grid(("max_depth", (8, 12)), ("min_films", (1, 5))),
        read=read_forest,
    ),
    "dt": Head(
        "dt",
        "Decision tree",
        _decision_tree,
        default=(("max_depth", 12), ("min_films", 20)),
        grid=_grid(("max_depth", (4, 8, 12)), ("min_films", (5, 20))),
        read=read_tree,
    ),
    "gbt": Head(
        "gbt",
        "Gradient-boosted trees",
        _boosted_trees,
        default=(("max_depth", 4), ("trees", 60)),
        grid=_grid(("max_depth", (3, 4)), ("trees", (30, 60))),
        read=read_boosted,
        slope=BOOSTING_SLOPE,
    ),
    "svc": Head(
        "svc",
        "Linear support vectors",
        _linear_svc,
        default=(("shrinkage", 0.4),),
        grid=_grid(("shrinkage", (0.025, 0.1, 0.4, 1.6))),
        read=read_linear_svc,
        slope=SVC_SLOPE,
    ),
    "mlp": Head(
        "mlp",
        "Dense layers 512, 256, 64",
        _perceptron,
        default=(("iterations", 60),),
        grid=_grid(("iterations", (30, 60, 120))),
        read=read_perceptron,
        is_scaled=True,
        is_weighted=False,
    ),
}


def names() -> tuple[str, ...]:
    """Give the short names of all heads."""
    return tuple(HEADS)


def get(name: str) -> Head:
    """Find a head by its short name."""
    if name not in HEADS:
        raise ConfigError("a head by name", name, nearest(name, names()))
    return HEADS[name]
