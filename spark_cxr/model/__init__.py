"""A model directory without Spark: the whole recipe from an image file to probabilities."""

from spark_cxr.model.explanation import Explanation
from spark_cxr.model.judge import Prediction
from spark_cxr.model.manifest import FORMAT, Manifest
from spark_cxr.model.scoring import Model, load_model

__all__ = ["FORMAT", "Explanation", "Manifest", "Model", "Prediction", "load_model"]
