"""What counts of each film that may have several findings: only what is known of it.

A cell is a finding on a film. All known cells count alike, unless rare answers are weighed up, and
a film counts 1 on average: a loss is comparable whatever share of the cells is known.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import ConfigError, InputError, few
from spark_cxr.training.cache import CachedFilms
from spark_cxr.training.targets import check_image
from spark_cxr.training.task import Task

Truth: TypeAlias = NDArray[np.float32]
"""(films, findings): 1, 0, or -1 where it is unknown."""
Cells: TypeAlias = NDArray[np.float32]
"""(films, 2 x findings): how much counts that a film has a finding, then that it has it not."""


def finding_cells(task: Task) -> tuple[Cells, Cells, Cells]:
    """Give the targets of films that train, of the same without smoothing, and of validation.

    Raises:
        ConfigError: the recipe draws classes more often, which findings do not have.
        InputError: a finding is not known both ways, or the cache is one of classes.
    """
    recipe = task.recipe
    if recipe.balance == "sampling":
        way_out = "Say --balance-by weights, or none"
        raise ConfigError("weights that findings can have", "--balance-by sampling", way_out)
    train, val = (_truth(task, films, what) for films, what in (
        (task.train, "trains"), (task.val, "is kept for validation"),
    ))  # fmt: skip
    weights = cell_weights(train, recipe.balance)
    smoothing = recipe.label_smoothing
    return (
        weighed(train, weights, smoothing),
        weighed(train, weights, 0.0),
        weighed(val, weights, 0.0),
    )


def _truth(task: Task, films: CachedFilms, what: str) -> Truth:
    check_image(task, films, what)
    truth = films.targets()
    if (
        truth.ndim != 2
        or truth.shape[1] != len(task.labels)
        or not np.isin(truth, (-1, 0, 1)).all()
    ):
        expected = f"1, 0 or -1 for each of {len(task.labels)} findings"
        raise InputError(expected, f"{truth.dtype} {truth.shape}", "Cache them again")
    if films is task.train:
        sides = zip(task.labels, (truth == 1).any(axis=0), (truth == 0).any(axis=0), strict=True)
        missing = [name for name, has, has_not in sides if not (has and has_not)]
        if missing:
            received = f"no such films that train of {few(missing)}"
            way_out = "Name other --findings, or raise --least-positives"
            raise InputError("films with each finding, and without it", received, way_out)
    return truth.astype(np.float32)


def cell_weights(truth: Truth, balance: str) -> NDArray[np.float64]:
    """Weigh the cells of each finding, (with it, without it), so that a film counts 1 on average.

    With `weights` both answers to a finding count the same, however rare one of them is.
    """
    positive, negative = (truth == 1).sum(axis=0), (truth == 0).sum(axis=0)
    known = positive + negative
    each: NDArray[np.float64] = np.full((2, truth.shape[1]), len(truth) / known.sum())
    if balance == "none":
        return each
    each *= np.stack([known / (2 * positive), known / (2 * negative)])
    return each


def weighed(truth: Truth, weights: NDArray[np.float64], smoothing: float) -> Cells:
    """Turn what is known into targets; `smoothing` is the share of each spread over both."""
    has_it = np.where(truth == 1, 1 - smoothing / 2, smoothing / 2)
    weight = np.where(truth == 1, weights[0], weights[1]) * (truth >= 0)
    return np.concatenate([has_it * weight, (1 - has_it) * weight], axis=1).astype(np.float32)
