"""`--mlflow`: what a run has left in --out → parameters, metrics, files and a model in MLflow."""

from spark_cxr.verbs.track.run import track
from spark_cxr.verbs.track.store import check_tracking

__all__ = ["check_tracking", "track"]
