"""The training itself: epochs, steps, validation; resumed where it was killed."""

from __future__ import annotations

from spark_cxr.training.task import Say, Task, Trained


def train(task: Task, say: Say) -> Trained:
    """Train, and leave weights.keras, history.json and films.png in the task's folder.

    A training that was killed goes on from its last checkpoint, to the same weights.

    Raises:
        ConfigError: the recipe names something that is not there.
        InputError: the films are none, or do not fit the network.
    """
    raise NotImplementedError
