"""What test_cluster.py submits to a cluster: says which GPUs tasks saw, and makes features.

spark-submit cluster_program.py FOLDER [featurize]: films lie in FOLDER/films, what was
seen goes to FOLDER/said.json.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd

from spark_cxr.config import defaults
from spark_cxr.pipeline.featurizer import FilmFeaturizer
from spark_cxr.pipeline.networks import make_plan, on_this_worker
from spark_cxr.pipeline.session import open_session

TASKS = 2
PATIENCE = 120
"""Seconds after which a task that is left alone fails."""


def devices(spark, folder):
    """Give the device of two tasks that run at the same time, as our code resolves it."""
    asked = defaults(features={"backbone": "fake"}).features
    plan = make_plan(spark, asked)  # no device named: the cluster's GPUs are taken
    plan = replace(plan, network=replace(plan.network, engine="keras"))

    def say(batches):
        for rows in batches:
            met = Path(folder) / "met"
            met.mkdir(exist_ok=True)
            (met / str(rows.iat[0, 0])).touch()
            for _ in range(PATIENCE * 10):  # so that no executor runs both
                if len(list(met.iterdir())) == TASKS:
                    break
                time.sleep(0.1)
            else:
                raise TimeoutError("the other task did not start")
            yield pd.DataFrame(
                [{"executor": str(Path.cwd()), "device": on_this_worker(plan).device}]
            )

    tasks = spark.range(TASKS, numPartitions=TASKS)
    told = tasks.mapInPandas(say, "executor string, device string").collect()
    return [row.asDict() for row in told]


def features(spark, folder):
    """Featurize twice: a network is shipped with each use, and once is enough."""
    films = spark.read.format("binaryFile").load(f"{folder}/films")
    stage = FilmFeaturizer(
        modelName="MobileNetV2", weights="random:0", engine="openvino", precision="f32"
    )
    stage.transform(films.limit(1)).collect()
    made = stage.transform(films).select("path", "features").collect()
    return {Path(row["path"]).name: row["features"].toArray().tolist() for row in made}


def main(folder, *wanted):
    spark = open_session("cluster test")
    try:
        said = {"devices": devices(spark, folder)}
        if wanted:
            said["features"] = features(spark, folder)
        (Path(folder) / "said.json").write_text(json.dumps(said))
    finally:
        # A local cluster that is left to the exit of its JVM starts executors anew in its last
        # second, and "Failed to launch executor" drowns what really went wrong.
        spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
