"""What test_standalone_cluster.py submits: says where driver and executors have spark_cxr from.

spark-submit cluster_origin_program.py FILE: what was seen goes to FILE.
"""

import json
import os
import sys
import time
from pathlib import Path

import pandas as pd

import spark_cxr
from spark_cxr.config import conf_dir
from spark_cxr.pipeline.session import open_session

TASKS = 2
PATIENCE = 120
"""Seconds after which a task that is left alone fails."""


def seen():
    """Say what this process runs."""
    return {
        "executor": str(Path.cwd()),
        "origin": spark_cxr.__file__,
        "python": sys.prefix,
        "path": os.pathsep.join(sys.path),
        "cache": os.environ.get("SPARK_CXR_CACHE", ""),
    }


def by_executors(spark, meeting):
    """Have two tasks speak at the same time, so that each has an executor of its own."""

    def say(batches):
        for rows in batches:
            (meeting / str(rows.iat[0, 0])).touch()
            for _ in range(PATIENCE * 10):
                if len(list(meeting.iterdir())) == TASKS:
                    break
                time.sleep(0.1)
            else:
                raise TimeoutError("the other task did not start")
            yield pd.DataFrame([seen()])

    tasks = spark.range(TASKS, numPartitions=TASKS)
    columns = ", ".join(f"{name} string" for name in seen())
    return [row.asDict() for row in tasks.mapInPandas(say, columns).collect()]


def main(file):
    spark = open_session("cluster origin")
    meeting = Path(f"{file}.meeting")
    meeting.mkdir()
    said = {
        "driver": seen(),
        "executors": by_executors(spark, meeting),
        "conf": str(conf_dir()),
        "settings": (conf_dir() / "base.toml").is_file(),
    }
    Path(file).write_text(json.dumps(said))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
