"""Held-out answers → the decision of a model.

Everything is learned from training films that the head had not learned from when it answered. The
test only shows what came of it (`decision_trial`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from spark_cxr.metrics.conformal import ConformalSets, conformal_sets
from spark_cxr.metrics.isotonic import UNCHANGED
from spark_cxr.metrics.operating_points import (
    SENSITIVITY,
    SPECIFICITY,
    OperatingPoint,
    operating_point,
)
from spark_cxr.metrics.recalibration import TEMPERATURE, Recalibration, recalibrate
from spark_cxr.model.decision import Decision
from spark_cxr.pipeline.held_out import (
    HeldOut,
    HeldOutFolds,
    answers_of_findings,
    drawn,
    held_out_folds,
)
from spark_cxr.pipeline.point_settings import Target, point_settings
from spark_cxr.pipeline.trial import UNDECIDED, DecisionStep, FittedHead
from spark_cxr.settings import Train

AUTO, NONE = "auto", "none"
FOLDS = 5
"""Of held-out films, when points and limits are chosen: a film has no part in its own curve."""


def decides(train: Train) -> bool:
    """Tell whether anything is to be learned from held-out films."""
    return bool(train.recalibrate != NONE or train.coverage or point_settings(train))


def folds_to_decide(films: DataFrame, train: Train, seed: int) -> HeldOutFolds:
    """Deal the films that train into folds, where anything is to be learned from them."""
    return held_out_folds(films, train, seed) if decides(train) else HeldOutFolds()


def decision_step(
    folds: HeldOutFolds,
    held_out: Callable[[], HeldOut],
    labels: Sequence[str],
    train: Train,
    seed: int,
) -> DecisionStep:
    """Learn how to decide, where that is wanted and there are patients enough.

    Args:
        folds: As `folds_to_decide` gave them.
        held_out: Fits heads without each fold, and gives what they say of it.
        labels: Those of the model.
        train: What is wanted.
        seed: Of what is resampled.
    """
    if folds.obstacle:
        return undecided(folds.obstacle)
    return learn_decision(held_out(), labels, train, seed) if folds.rows is not None else UNDECIDED


def own_decision_step(
    model: FittedHead, rows: DataFrame, findings: Sequence[str], train: Train, seed: int
) -> DecisionStep:
    """Learn from training films directly how to decide by a network's own answers to findings.

    Nothing has learned from these films. Its probabilities stay as the network gives them, unless
    a kind of recalibration is named.
    """
    wanted = replace(train, recalibrate=NONE) if train.recalibrate == AUTO else train
    if not decides(wanted):
        return UNDECIDED
    some = drawn(rows, rows.count(), seed)
    held_out = answers_of_findings(model.transform(some), findings)
    return learn_decision(held_out, findings, wanted, seed)


def undecided(why: str) -> DecisionStep:
    """Say why nothing was learned."""
    what = "Probabilities are those of the head, and there are neither operating points nor sets"
    return DecisionStep(Decision(), (f"{what}: {why}.",))


def learn_decision(
    held_out: HeldOut, labels: Sequence[str], train: Train, seed: int
) -> DecisionStep:
    """Learn recalibration, operating points and sets from films that a head has not learned from.

    Raises:
        ConfigError: An operating point is wanted for a label that there is not.
    """
    targets, groups = point_settings(train).of(labels), held_out.groups
    recalibration, notes = None, list[str]()
    if train.recalibrate != NONE:
        recalibration = _recalibration(held_out, labels, train.recalibrate, train, seed)
        if recalibration is None and train.recalibrate != AUTO:
            notes.append("Probabilities are not recalibrated: there are too few patients.")
    films = _recalibrated(held_out, labels, recalibration, train, seed)
    points, unreached = _points(films, labels, targets, train, seed)
    sets = _sets(films, labels, train.coverage) if train.coverage else None
    if train.coverage and sets is None:
        notes.append("Nothing is ruled in or out: there are too few patients of each label.")
    found = Decision(recalibration, points, sets, len(groups), len(set(groups)))
    return DecisionStep(found, (*notes, *unreached))


def _recalibration(
    films: HeldOut, labels: Sequence[str], kind: str, train: Train, seed: int
) -> Recalibration | None:
    return recalibrate(
        *(films.truth, films.probabilities, labels, films.groups),
        kind=kind,
        seed=seed,
        resamples=train.resamples,
    )


def _recalibrated(
    films: HeldOut,
    labels: Sequence[str],
    found: Recalibration | None,
    train: Train,
    seed: int,
) -> HeldOut:
    """Recalibrate the films on which points and limits are chosen.

    A curve follows its own films, so each fold of patients gets those that the others show. A
    temperature hardly does.
    """
    if found is None:
        return films
    stated, independent = films.probabilities, films.truth.ndim == 2
    if found.kind == TEMPERATURE:
        return replace(films, probabilities=found.apply(stated, independent))
    shares, as_it_was = stated.copy(), [steps == UNCHANGED for steps in found.steps]
    folds = _folds(films.groups, seed)
    for fold in range(FOLDS):
        rows = folds == fold
        own = _recalibration(films.part(~rows), labels, found.kind, train, seed) or found
        curves = (
            UNCHANGED if is_kept else steps
            for is_kept, steps in zip(as_it_was, own.steps, strict=True)
        )
        shares[rows] = replace(own, steps=tuple(curves)).apply(stated[rows], independent)
    return replace(films, probabilities=shares)


def _folds(groups: Sequence[str], seed: int) -> NDArray[np.int64]:
    names, places = np.unique(np.array(groups), return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(names))[places] % FOLDS)


def _points(
    films: HeldOut, labels: Sequence[str], targets: Mapping[str, Target], train: Train, seed: int
) -> tuple[tuple[OperatingPoint, ...], Iterator[str]]:
    points, notes = list[OperatingPoint](), list[str]()
    for place, label in enumerate(labels):
        if label not in targets:
            continue
        kind, wanted = targets[label]
        known, has = films.of(place)
        groups = [group for group, is_known in zip(films.groups, known, strict=True) if is_known]
        shares = films.probabilities[known, place]
        point = operating_point(
            *(has, shares, groups),
            label=label,
            sensitivity=wanted if kind == SENSITIVITY else None,
            specificity=wanted if kind == SPECIFICITY else None,
            seed=seed,
            resamples=train.resamples,
        )
        if point is None:
            notes.append(f"No operating point of {label}: the held-out films are all of one kind.")
            continue
        points.append(point)
        if not point.is_reached:
            notes.append(f"No threshold of {label} reaches a {kind} of {wanted:.1%}.")
    return tuple(points), iter(notes)


def _sets(films: HeldOut, labels: Sequence[str], coverage: float) -> ConformalSets | None:
    args = films.truth, films.probabilities, labels, films.groups
    found = conformal_sets(*args, coverage=coverage)
    limits = [*found.limits.values(), *found.absent.values()]
    return found if any(limit is not None for limit in limits) else None
