"""The classifiers that work on feature vectors, one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest


@dataclass(frozen=True)
class Head:
    """A classifier of MLlib, and how it is set up for features of a network."""

    name: str
    title: str
    build: Callable[[], Any]
    """Makes the estimator: features `features`, label index `label_index`."""


def _logistic_regression() -> Any:
    from pyspark.ml.classification import LogisticRegression

    # With about as many features as films some shrinkage is needed; 0.01 on standardised features.
    return LogisticRegression(
        featuresCol="features", labelCol="label_index", maxIter=200, regParam=0.01
    )


HEADS = {"lr": Head("lr", "Logistic regression", _logistic_regression)}


def names() -> tuple[str, ...]:
    """Give the short names of all heads."""
    return tuple(HEADS)


def get(name: str) -> Head:
    """Find a head by its short name."""
    if name not in HEADS:
        raise ConfigError("a head by name", name, nearest(name, names()))
    return HEADS[name]
