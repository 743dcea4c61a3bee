"""The class of each film, and a look at the films before hours are spent on them."""

from __future__ import annotations

import numpy as np

from spark_cxr.errors import InputError
from spark_cxr.training.batches import Numbers
from spark_cxr.training.cache import CachedFilms
from spark_cxr.training.task import Task


def training_targets(task: Task) -> Numbers:
    """Give the number of the class of each film that trains."""
    numbers = _checked(task, task.train, "trains")
    missing = [task.labels[i] for i in set(range(len(task.labels))) - set(numbers.tolist())]
    if missing:
        received = f"none that trains of {', '.join(missing)}"
        raise InputError("films of each class", received, "Choose others with --classes")
    return numbers


def checking_targets(task: Task) -> Numbers:
    """Give the number of the class of each film that validation is made with."""
    return _checked(task, task.val, "is kept for validation")


def _checked(task: Task, films: CachedFilms, what: str) -> Numbers:
    if not films.count:
        raise InputError(f"a film that {what}", "none", "Give more --images, or --val-fraction")
    image = films.read(0, 1)[0][0]
    if image.dtype != np.uint8 or image.shape != task.backbone.size_hw:
        expected = f"grey uint8 films of {task.backbone.size_hw} in the cache"
        raise InputError(expected, f"{image.dtype} {image.shape}", "Cache them again")
    numbers = films.targets()
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= len(task.labels):
        received = f"{numbers.dtype} from {numbers.min()} to {numbers.max()}"
        raise InputError(f"numbers of {len(task.labels)} classes", received, "Cache them again")
    return numbers.astype(np.int64)
