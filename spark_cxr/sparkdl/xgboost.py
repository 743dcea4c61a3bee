"""The names of Databricks' `sparkdl.xgboost` over `xgboost.spark`, which took its place.

`XgboostClassifier` and `XgboostRegressor` are the estimators of `xgboost.spark` that take the old
spelling of parameters, too (featuresCol for features_col); the models are those of
`xgboost.spark`. All four exist only where XGBoost is installed, so they are made when first used.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from spark_cxr.errors import ConfigError, SetupError

ESTIMATORS = {"XgboostClassifier": "SparkXGBClassifier", "XgboostRegressor": "SparkXGBRegressor"}
MODELS = {f"{old}Model": f"{new}Model" for old, new in ESTIMATORS.items()}
SPELLINGS = {
    "featuresCol": "features_col",
    "labelCol": "label_col",
    "weightCol": "weight_col",
    "predictionCol": "prediction_col",
    "probabilityCol": "probability_col",
    "rawPredictionCol": "raw_prediction_col",
    "validationIndicatorCol": "validation_indicator_col",
    "baseMarginCol": "base_margin_col",
}
GONE = ("use_external_storage", "external_storage_precision")


def __getattr__(name: str) -> Any:
    if name in ESTIMATORS:
        return _estimator(name)
    if name in MODELS:
        return getattr(_xgboost_spark(), MODELS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _xgboost_spark() -> ModuleType:
    try:
        return import_module("xgboost.spark")
    except ImportError as error:
        way_out = "pip install xgboost scikit-learn, on all nodes"
        raise SetupError("XGBoost for sparkdl.xgboost", str(error), way_out) from None


@cache
def _estimator(name: str) -> Any:
    base: Any = getattr(_xgboost_spark(), ESTIMATORS[name])

    def set_params(self: Any, **params: Any) -> Any:
        """Set several parameters by name, in the old spelling or in that of xgboost.spark."""
        return base.setParams(self, **today(params))

    members = {"setParams": set_params, "__doc__": base.__doc__, "__module__": __name__}
    return type(name, (base,), members)


def today(params: dict[str, Any]) -> dict[str, Any]:
    """Put parameters into the words of xgboost.spark.

    Raises:
        ConfigError: one of them is wanted that has no like any more.
    """
    found = {SPELLINGS.get(name, name): value for name, value in params.items()}
    if found.pop("use_gpu", False):
        found["device"] = "cuda"
    if found.get("use_external_storage"):
        way_out = "Leave it out, and raise num_workers: each holds its part of the rows"
        raise ConfigError("parameters of xgboost.spark", "use_external_storage", way_out)
    return {name: value for name, value in found.items() if name not in GONE}
