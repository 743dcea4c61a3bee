"""One of the processes that train together. Arguments: folder of the task, file of the network."""

import sys
from pathlib import Path

from training_tasks import opened_task

from spark_cxr.training.loop import train
from spark_cxr.training.team import joined

CHANGES = {"head": (8,), "dropout": 0.0, "distil": 0.1, "balance": "weights", "epochs": 3}

if __name__ == "__main__":
    folder, body = map(Path, sys.argv[1:])
    with joined() as group:
        train(opened_task(folder, body, **CHANGES), print, group)
