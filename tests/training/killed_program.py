"""Trains a small network in a process of its own, and is killed in the middle of an epoch.

Arguments: folder of a task that `make_task` has made, file of the network, precision.
"""

import os
import signal
import sys
from pathlib import Path

from training_tasks import opened_task

from spark_cxr.training import checkpoint, epoch, loop

EPOCH, KEPT, KILLED = 1, 3, 5
"""In the second epoch the state after step 3 is the last that is written, and step 5 the last."""
CHANGES = {"head": (8,), "dropout": 0.4, "batch_norm": True, "distil": 0.1, "calm_epochs": 1}


def kill_in_the_second_epoch() -> None:
    learn = epoch.learn

    def learned(course, state, rate, keep):  # type: ignore[no-untyped-def]
        def kept(state):  # type: ignore[no-untyped-def]
            if (state.epoch, state.step) <= (EPOCH, KEPT):
                keep(state)
            if (state.epoch, state.step) == (EPOCH, KILLED):
                os.kill(os.getpid(), signal.SIGKILL)

        return learn(course, state, rate, kept)

    epoch.learn = learned


if __name__ == "__main__":
    checkpoint.SECONDS = 0.0
    kill_in_the_second_epoch()
    folder, body, precision = sys.argv[1:]
    loop.train(opened_task(Path(folder), Path(body), precision=precision, **CHANGES), print)
