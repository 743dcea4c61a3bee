"""`--mlflow`: what a run has left in --out → parameters, metrics, files and a model in MLflow."""

from spark_cxr.pipeline.tracking.check import check_tracking
from spark_cxr.pipeline.tracking.tracker import track

__all__ = ["check_tracking", "track"]
