"""What test_killed_worker.py runs: features while a Python worker is killed, and then in peace.

python killed_worker_program.py FOLDER: films lie in FOLDER/films, what came of it goes to
FOLDER/said.json. SPARK_CXR_CACHE lies in FOLDER too: it tells these workers from all others.
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from spark_cxr.pipeline.featurizer import FilmFeaturizer
from spark_cxr.pipeline.session import open_session

PATIENCE = 120
"""Seconds to wait for a worker with a network."""


def kill_one(folder, killed):
    """Kill the first process that has mapped a network of this cache: a worker that loads it."""
    end = time.monotonic() + PATIENCE
    while not killed and time.monotonic() < end:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                maps = (process / "maps").read_text()
                if f"{folder}/cache/networks/" in maps:
                    os.kill(int(process.name), signal.SIGKILL)
                    killed.append(int(process.name))
                    return
        time.sleep(0.01)


def features(spark, folder):
    films = spark.read.format("binaryFile").load(f"{folder}/films").repartition(2)
    stage = FilmFeaturizer(
        modelName="MobileNetV2", weights="random:0", engine="openvino", precision="f32"
    )
    made = stage.transform(films).select("path", "features").collect()
    return {Path(row["path"]).name: row["features"].toArray().tolist() for row in made}


def failed_tasks(spark):
    """Count the tasks that failed in all stages so far."""
    tracker = spark.sparkContext.statusTracker()
    stages = {
        stage for job in tracker.getJobIdsForGroup() for stage in tracker.getJobInfo(job).stageIds
    }
    return sum(tracker.getStageInfo(stage).numFailedTasks for stage in stages)


def main(folder):
    # The second number is how often a task may run: once and no more is what local[2] means.
    spark = open_session("killed worker", {"spark.master": "local[2,3]"})
    killed = []
    killer = threading.Thread(target=kill_one, args=(folder, killed), daemon=True)
    killer.start()
    disturbed = features(spark, folder)
    said = {
        "killed": killed,
        "failed": failed_tasks(spark),
        "disturbed": disturbed,
        "undisturbed": features(spark, folder),
    }
    (Path(folder) / "said.json").write_text(json.dumps(said))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
