"""The training itself: phases, epochs, the best network; resumed where it was killed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spark_cxr.backbones import keras_model
from spark_cxr.backbones.cache import whole
from spark_cxr.errors import ConfigError, SparkCxrError
from spark_cxr.heads.portable import PortableHead
from spark_cxr.training import artifacts, checkpoint, epoch, network, optimisation, targets
from spark_cxr.training.batches import Feed, checking_feed, finding_feeds, training_feed
from spark_cxr.training.checkpoint import Saved, State
from spark_cxr.training.epoch import Course
from spark_cxr.training.finding_targets import finding_cells
from spark_cxr.training.network import ALL, CALM, HEAD
from spark_cxr.training.optimisation import Moment
from spark_cxr.training.recipe import Recipe
from spark_cxr.training.refit import FoldedHead, fold, split_findings
from spark_cxr.training.task import Epoch, History, Say, Task, TrainedNetwork
from spark_cxr.training.team import Alone, Team, align

CALM_RATE = 0.05
"""Of the learning rate, in the last phase."""
CHECKPOINT, HISTORY, WEIGHTS, SHEET = "checkpoint", "history.json", "weights.keras", "films.png"


@dataclass
class _Keeper:
    """Writes down how far the training is: after each epoch, and now and then within one."""

    folder: Path
    key: str
    best_by: str
    model: Any
    is_writer: bool
    written_at: float

    def maybe(self, state: State) -> None:
        if time.monotonic() - self.written_at >= checkpoint.SECONDS:
            self.write(state)

    def write(self, state: State) -> None:
        """Replace the last state; the best network is on disk before a state speaks of it."""
        if not self.is_writer:
            return
        parts = (self.model.variables, self.model.optimizer.variables)
        checkpoint.write(self.folder, self.key, Saved(state, *map(checkpoint.values, parts)))
        if best := state.history.best(self.best_by):
            checkpoint.forget(self.folder, best.number)
        self.written_at = time.monotonic()

    def write_if_best(self, history: History) -> None:
        """Keep the network if its epoch, the last one, is the best so far."""
        if self.is_writer and history.best(self.best_by) == history.epochs[-1]:
            values = checkpoint.values(self.model.variables)
            checkpoint.write_best(self.folder, history.epochs[-1].number, values)


def train(task: Task, say: Say, members: Team | None = None) -> TrainedNetwork:
    """Train, and leave weights.keras, history.json and films.png in the task's folder.

    A training that was killed goes on from its last checkpoint, to the same weights; one that was
    finished gives its result again. With `members` this is one of several processes, each of which
    calls it with the same task and sees the same folder.

    Raises:
        ConfigError: the recipe names something that is not there.
        InputError: the films are none, or do not fit the network.
        SparkCxrError: the loss is no number any more.
    """
    members = members or Alone()
    _check(task.recipe, members.share.of)
    key, folder = checkpoint.key(task), task.folder / CHECKPOINT
    course = _course(task, say, members)
    saved = checkpoint.read(folder, key)
    if saved is not None:
        checkpoint.assign(course.trainee.model.variables, saved.model)
    members.total(np.zeros(1))  # nobody writes before all have read
    parts = (course.trainee.model, not members.share.number, time.monotonic())
    keeper = _Keeper(folder, key, task.recipe.best_by, *parts)
    history = _epochs(course, saved, keeper, task.folder)
    return _finish(task, course, history, folder)


def _check(recipe: Recipe, processes: int) -> None:
    """Refuse what would only be found out later."""
    targets.check_balance(recipe.balance)
    optimisation.get_schedule(recipe.schedule)
    if recipe.warm_epochs + recipe.epochs + recipe.calm_epochs < 1:
        raise ConfigError("at least one epoch", "0", "Say --epochs 10")
    if recipe.batch_size % processes:
        expected = f"a batch that {processes} processes can share evenly"
        way_out = f"Say --train-batch-size with a multiple of {processes}"
        raise ConfigError(expected, f"{recipe.batch_size} films", way_out)


def _course(task: Task, say: Say, members: Team) -> Course:
    """Build the network, and what feeds it."""
    recipe = task.recipe
    feed, still, check = _feeds(task)
    feed = replace(feed, share=members.share)
    trainee = network.build(task.backbone, task.weights, recipe, len(task.labels))
    trainee = replace(trainee, of_findings=task.of_findings)
    memory = epoch.remember(trainee, still) if recipe.distil else None
    if not members.share.number:
        _write(
            task.folder / SHEET, artifacts.contact_sheet(replace(feed, share=still.share), still)
        )
    check = replace(check, share=members.share)
    only_first = say if not members.share.number else lambda line: None
    return Course(recipe, trainee, feed, still, check, memory, members, only_first)


def _feeds(task: Task) -> tuple[Feed, Feed, Feed]:
    """Give the films that train, the same as they are, and those that validate."""
    recipe = task.recipe
    if task.of_findings:
        return finding_feeds(task.train, task.val, finding_cells(task), recipe)
    numbers = targets.training_targets(task)
    weights = targets.class_weights(numbers, len(task.labels), recipe.balance)
    check = checking_feed(task.val, targets.checking_targets(task), weights, recipe)
    still = checking_feed(task.train, numbers, weights, recipe)
    return training_feed(task.train, numbers, weights, recipe), still, check


def _epochs(course: Course, saved: Saved | None, keeper: _Keeper, folder: Path) -> History:
    """Train epoch by epoch until the recipe is at its end, or nothing gets better."""
    state, phase = saved.state if saved else State(), ""
    if state != State():
        course.say(f"training goes on after epoch {state.epoch}, step {state.step}")
    while next_phase := _phase(course.recipe, state.history):
        if phase != next_phase:
            phase = next_phase
            course = _begin(course, phase, saved)
        state = _one_epoch(course, phase, state, keeper)
        if not course.team.share.number:
            _write(folder / HISTORY, json.dumps(state.history.to_json(), indent=1).encode())
    return state.history


def _phase(recipe: Recipe, history: History) -> str:
    """Say which phase the coming epoch belongs to; "" when all are over."""
    calm = len(history.of(CALM))
    if len(history.of(HEAD)) < recipe.warm_epochs:
        return HEAD
    if not calm and not _is_enough(recipe, history):
        return ALL
    return CALM if calm < recipe.calm_epochs else ""


def _is_enough(recipe: Recipe, history: History) -> bool:
    """Tell whether the epochs of all layers are over, or nothing has got better for too long."""
    best, learned = history.best(recipe.best_by), len(history.of(ALL))
    if learned >= recipe.epochs:
        return True
    if best is None or not recipe.patience or learned < recipe.patience:
        return False
    return len(history.epochs) - best.number >= recipe.patience


def _begin(course: Course, phase: str, saved: Saved | None) -> Course:
    """Start a phase with a new optimiser, or with the one that was saved in the middle of it."""
    recipe, trainee = course.recipe, course.trainee
    rate, epochs = {
        HEAD: (recipe.warm_learning_rate, recipe.warm_epochs),
        ALL: (recipe.learning_rate, recipe.epochs),
        CALM: (CALM_RATE * recipe.learning_rate, recipe.calm_epochs),
    }[phase]
    steps = epochs * course.train.steps(0)
    scaled = optimisation.scaled(optimisation.get_optimiser(recipe, rate, steps), trainee.policy)
    trainee.learn(phase, recipe, course.team.averaging(scaled))
    trainee.model.optimizer.build(trainee.model.trainable_variables)
    if saved is not None and phase == _phase_of(saved.state, recipe):
        checkpoint.assign(trainee.model.optimizer.variables, saved.optimiser)
    if phase == CALM:
        return replace(course, train=replace(course.train, strengths=(recipe.augment.calm,)))
    return course


def _phase_of(state: State, recipe: Recipe) -> str:
    """Say in which phase a state was saved."""
    return _phase(recipe, state.history) if state.step else state.history.epochs[-1].phase


def _one_epoch(course: Course, phase: str, state: State, keeper: _Keeper) -> State:
    rate = _rates(course, phase, state)
    state = epoch.learn(course, state, rate, keeper.maybe)
    align(course.trainee.model.non_trainable_variables, course.team)
    with course.trainee.averaged():
        over = _summed_up(course, phase, state, rate(state.step - 1))
        history = History((*state.history.epochs, over))
        keeper.write_if_best(history)
    course.say(epoch.summary(over))
    state = State(epoch=state.epoch + 1, history=history)
    keeper.write(state)
    return state


def _rates(course: Course, phase: str, state: State) -> epoch.Rate:
    """Say how the learning rate goes in the coming epoch."""
    recipe = course.recipe
    if phase == HEAD:
        return lambda step: recipe.warm_learning_rate
    if phase == CALM:
        return lambda step: CALM_RATE * recipe.learning_rate
    schedule, steps = optimisation.get_schedule(recipe.schedule), course.train.steps(state.epoch)
    losses = [each.val_loss for each in state.history.of(ALL)]
    before = len(losses) * steps

    def rate(step: int) -> float:
        return recipe.learning_rate * schedule(Moment(before + step, recipe.epochs * steps, losses))

    return rate


def _summed_up(course: Course, phase: str, state: State, rate: float) -> Epoch:
    """Put together what an epoch has given."""
    sums = state.sums
    loss, hits, films, rows = course.team.total(
        np.array([sums.loss, sums.hits, sums.films, sums.rows])
    )
    val_loss, val_accuracy = epoch.validate(course)
    if not math.isfinite(loss + val_loss):
        received = f"{loss / films} in training, {val_loss} in validation"
        raise SparkCxrError("a loss that is a number", received, "Lower --learning-rate")
    return Epoch(
        number=state.epoch + 1,
        phase=phase,
        learning_rate=rate,
        loss=float(loss / films),
        accuracy=float(hits / films),
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        seconds=sums.seconds,
        images_per_second=float(rows / sums.seconds),
    )


def _finish(task: Task, course: Course, history: History, folder: Path) -> TrainedNetwork:
    """Take the best network apart: its body into a file of its own, its head into arrays."""
    best = history.best(task.recipe.best_by)
    if best is None:
        raise ConfigError("at least one epoch", "none", "Say --epochs 10")
    course.team.total(np.zeros(1))  # the best is written
    trainee, target = course.trainee, task.folder / WEIGHTS
    checkpoint.assign(trainee.model.variables, checkpoint.read_best(folder, best.number))
    if not course.team.share.number:
        # Built again, in f32 and without what training has set in its layers.
        plain = keras_model.build(task.backbone, task.weights)
        plain.set_weights(trainee.body.get_weights())
        artifacts.write_weights(plain, task, target)
    course.team.total(np.zeros(1))
    last, first = fold(trainee.head), None
    if task.recipe.refit and not course.team.share.number:
        last, first = epoch.refit(course, last)
    split: Callable[[FoldedHead], PortableHead] = (
        split_findings if task.of_findings else lambda head: head
    )
    early = split(first) if first else None
    return TrainedNetwork(target, split(last), history, best.number, first is not None, early)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as half:
        half.write_bytes(content)
