"""One of the processes that train together.

Arguments: folder of the task, file of the network, classes or findings.
"""

import sys
from pathlib import Path

from training_tasks import opened_finding_task, opened_task

from spark_cxr.training.loop import train
from spark_cxr.training.team import joined

CHANGES = {"head": (8,), "dropout": 0.0, "distil": 0.1, "balance": "weights", "epochs": 3}
OPENED = {"classes": opened_task, "findings": opened_finding_task}

if __name__ == "__main__":
    folder, body, kind = *map(Path, sys.argv[1:3]), sys.argv[3]
    with joined() as group:
        train(OPENED[kind](folder, body, **CHANGES), print, group)
