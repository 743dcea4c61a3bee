"""A model directory without Spark: the whole recipe from an image file to probabilities."""

from spark_cxr.model.explanation import Explanation
from spark_cxr.model.manifest import FORMAT, Manifest
from spark_cxr.model.model import Model, load_model
from spark_cxr.model.predictor import Prediction

__all__ = ["FORMAT", "Explanation", "Manifest", "Model", "Prediction", "load_model"]
