"""What the schedules are tried on: one small model."""

from pathlib import Path

import pytest

from jobs.train_lr import JOB as TRAIN_LR
from spark_cxr import job
from tests.quick import defaults


@pytest.fixture(scope="session")
def trained_model(spark, films: Path, tmp_path_factory) -> Path:
    """Train on the drawn films, without what only a report needs."""
    out = tmp_path_factory.mktemp("trained") / "R"
    ingest = {"images": [str(films)], "labels": str(films / "manifest.csv")}
    train = {"learning_curve": False, "explained": 0, "resamples": 100}
    job.run(TRAIN_LR, spark, defaults(run={"out": str(out)}, ingest=ingest, train=train))
    return out / "model"
