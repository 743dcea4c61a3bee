"""One epoch: its steps, what is said of them, and validation at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.images.altered import mirrored, without_corners
from spark_cxr.images.film import Pixels
from spark_cxr.training import network, optimisation
from spark_cxr.training.batches import Batch, Feed, Floats
from spark_cxr.training.checkpoint import State, Sums
from spark_cxr.training.finding_refit import refit_findings_if_better, refit_findings_on
from spark_cxr.training.network import CLASSES, MEMORY, Trainee
from spark_cxr.training.recipe import Recipe
from spark_cxr.training.refit import FoldedHead, LabelledVectors, refit_if_better, refit_on
from spark_cxr.training.task import Epoch, Say
from spark_cxr.training.team import Team

SECONDS_BETWEEN_LINES = 5.0
Change = Callable[[Pixels], Pixels]
Rate = Callable[[int], float]
"""Gives the learning rate of a step of this epoch."""
Keep = Callable[[State], None]
"""Receives the state after each step, and may write it down."""


@dataclass(frozen=True)
class Course:
    """What stays the same from epoch to epoch."""

    recipe: Recipe
    trainee: Trainee
    train: Feed
    still: Feed
    """Films that train, as they are; all of them in each process."""
    val: Feed
    memory: Floats | None
    """What the network said of each film before it learned."""
    team: Team
    say: Say


def learn(course: Course, state: State, rate: Rate, keep: Keep) -> State:
    """Take the steps of an epoch that are not taken yet."""
    optimiser, steps = course.trainee.model.optimizer, course.train.steps(state.epoch)
    since = said_at = time.monotonic() - state.sums.seconds
    for batch in course.train.batches(state.epoch, state.step):
        optimiser.learning_rate = rate(state.step)
        results = _step(course, batch)
        now = time.monotonic()
        state = replace(state, step=state.step + 1, sums=_added(state.sums, results, batch))
        state = replace(state, sums=replace(state.sums, seconds=now - since))
        if now - said_at >= SECONDS_BETWEEN_LINES:
            said_at = now
            course.say(line(course.recipe, state, steps, course.team.share.of))
        keep(state)
    return state


def _step(course: Course, batch: Batch) -> dict[str, float]:
    targets: dict[str, Any] = {CLASSES: batch.targets}
    if course.memory is not None:
        targets[MEMORY] = course.memory[batch.rows]
    counts = dict.fromkeys(targets, batch.counts)
    model = course.trainee.model
    return dict(model.train_on_batch(batch.films, targets, counts, return_dict=True))


def _added(sums: Sums, results: dict[str, float], batch: Batch) -> Sums:
    films = float(batch.counts.sum())
    hits = next(
        value for name, value in results.items() if name.endswith(optimisation.hits.__name__)
    )
    return replace(
        sums,
        loss=sums.loss + float(results["loss"]) * len(batch.films),
        hits=sums.hits + float(hits) * films,
        films=sums.films + films,
        rows=sums.rows + len(batch.films),
    )


def line(recipe: Recipe, state: State, steps: int, processes: int) -> str:
    """Word how far a training is; the time left is that of all its epochs."""
    sums, epochs = state.sums, recipe.warm_epochs + recipe.epochs + recipe.calm_epochs
    rate = processes * sums.rows / sums.seconds if sums.seconds else 0.0
    steps_left = steps - state.step + (epochs - state.epoch - 1) * steps
    parts = [
        f"epoch {state.epoch + 1} of {epochs}: step {state.step:,} of {steps:,}",
        f"{rate:,.1f} images/s",
        f"loss {sums.loss / sums.films:.4f}",
        f"accuracy {100 * sums.hits / sums.films:.1f} %",
        f"{clock(steps_left * recipe.batch_size / rate)} left",
    ]
    return ", ".join(parts)


def summary(epoch: Epoch) -> str:
    """Word what an epoch has given."""
    return (
        f"epoch {epoch.number} is over after {clock(epoch.seconds)} "
        f"({epoch.images_per_second:,.1f} images/s): "
        f"loss {epoch.loss:.4f}, accuracy {100 * epoch.accuracy:.1f} %, "
        f"validation loss {epoch.val_loss:.4f}, accuracy {100 * epoch.val_accuracy:.1f} %"
    )


def clock(seconds: float) -> str:
    """Word a length of time."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def validate(course: Course) -> tuple[float, float]:
    """Give loss and accuracy on the films that do not train, each class weighed as in training."""
    ops, of_findings = import_keras().ops, course.trainee.of_findings
    measures = (
        optimisation.get_loss(course.recipe, of_findings),
        optimisation.get_hits(of_findings),
    )
    sums: NDArray[np.float64] = np.zeros(3)
    for batch in course.val.batches(0):
        margins = network.said(course.trainee.model, batch.films)[CLASSES]
        pair = (ops.convert_to_tensor(batch.targets), ops.convert_to_tensor(margins))
        each, hits = (ops.convert_to_numpy(measure(*pair)) for measure in measures)
        # In f64, so that the order of the batches does not show.
        sums += np.stack([each, hits, np.ones_like(each)]).astype(np.float64) @ batch.counts
    total, right, films = course.team.total(sums)
    return float(total / films), float(right / films)


def known(trainee: Trainee, films: Feed, change: Change = np.asarray) -> LabelledVectors:
    """Ask the network about all films in their order, each changed in one way."""
    parts = (
        network.said(trainee.features, np.stack([*map(change, batch.films)]))[batch.counts > 0]
        for batch in films.batches(0)
    )
    targets = films.labels if films.cells is None else films.cells
    return LabelledVectors(np.concatenate(list(parts)), targets)


def remember(trainee: Trainee, films: Feed) -> Floats:
    """Ask the network about all films before it learns: standardised vectors, row by row."""
    vectors = known(trainee, films).vectors
    spread = vectors.std(axis=0) + 1e-3
    return np.asarray((vectors - vectors.mean(axis=0)) / spread, np.float32)


def refit(course: Course, head: FoldedHead) -> tuple[FoldedHead, FoldedHead | None]:
    """Solve the last layer for what the network now says of films as they are.

    Where the recipe erases corners or mirrors films, it is also shown them so.

    Returns:
        The head, and the one that was solved without the films that validate; None where `head`
        was kept.
    """
    augment = course.recipe.augment
    others = ((augment.erase, without_corners), (augment.mirror, mirrored))
    ways: list[Change] = [np.asarray, *(change for is_wanted, change in others if is_wanted)]
    val = replace(course.val, share=course.still.share)
    train, check = (
        reduce(add, (known(course.trainee, films, change) for change in ways))
        for films in (course.still, val)
    )
    if course.trainee.of_findings:
        first = refit_findings_on(head, train)
        found, is_refitted = refit_findings_if_better(head, train, check, first)
    else:
        first = refit_on(head, train, course.train.weights)
        found, is_refitted = refit_if_better(head, train, check, course.train.weights, first)
    return found, first if is_refitted else None
