"""The class of each film, and how rare classes come to count as much as others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import ConfigError, InputError, few, nearest
from spark_cxr.training.cache import CachedFilms
from spark_cxr.training.recipe import BALANCES
from spark_cxr.training.task import Task

Numbers = NDArray[np.int64]
_OF_BALANCE = 2
"""Keeps these seeds apart from those of the draw."""


def training_targets(task: Task) -> Numbers:
    """Give the number of the class of each film that trains."""
    numbers = _checked(task, task.train, "trains")
    missing = [task.labels[i] for i in set(range(len(task.labels))) - set(numbers.tolist())]
    if missing:
        received = f"none that trains of {few(missing)}"
        raise InputError("films of each class", received, "Choose others with --classes")
    return numbers


def checking_targets(task: Task) -> Numbers:
    """Give the number of the class of each film that validation is made with."""
    return _checked(task, task.val, "is kept for validation")


def check_image(task: Task, films: CachedFilms, what: str) -> None:
    """Refuse a cache without films, or with films that the network does not take."""
    if not films.count:
        raise InputError(f"a film that {what}", "none", "Give more --images, or --val-fraction")
    image = films.read(0, 1)[0][0]
    if image.dtype != np.uint8 or image.shape != task.backbone.size_hw:
        expected = f"grey uint8 films of {task.backbone.size_hw} in the cache"
        raise InputError(expected, f"{image.dtype} {image.shape}", "Cache them again")


def _checked(task: Task, films: CachedFilms, what: str) -> Numbers:
    check_image(task, films, what)
    numbers = films.targets()
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= len(task.labels):
        received = f"{numbers.dtype} from {numbers.min()} to {numbers.max()}"
        raise InputError(f"numbers of {len(task.labels)} classes", received, "Cache them again")
    return numbers.astype(np.int64)


def check_balance(balance: str) -> str:
    """Refuse what is no way to balance."""
    if balance not in BALANCES:
        raise ConfigError("finetune.balance_by by name", balance, nearest(balance, BALANCES))
    return balance


def class_weights(targets: Numbers, classes: int, balance: str) -> NDArray[np.float32]:
    """Weigh a film of each class so that all classes count alike and a film counts 1 on average."""
    if balance == "none":
        return np.ones(classes, np.float32)
    films = np.bincount(targets, minlength=classes)
    return (len(targets) / (classes * np.maximum(films, 1))).astype(np.float32)


def rows_of_epoch(targets: Numbers, weights: NDArray[np.float32], seed: int, epoch: int) -> Numbers:
    """Draw each film as often as its class weighs: 2.3 is twice, and a third time for 30 %.

    In the order of the rows, a film drawn twice behind itself.
    """
    wanted = weights[targets]
    chance = np.random.default_rng([seed, epoch, 0, _OF_BALANCE]).random(len(targets))
    times = np.floor(wanted) + (chance < wanted % 1)
    return np.repeat(np.arange(len(targets)), times.astype(np.int64))
