"""`--mlflow`: what a run has left in --out → parameters, metrics, files and a model in MLflow."""

from spark_cxr.verbs.track.check import check_tracking
from spark_cxr.verbs.track.tracker import track

__all__ = ["check_tracking", "track"]
