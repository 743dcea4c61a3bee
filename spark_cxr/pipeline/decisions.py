"""Held-out answers → the decision of a model, what it says of the test, and what that is worth.

Everything is learned from training films that the head had not learned from when it answered. The
test only shows what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.metrics.conformal import ConformalSets, conformal_sets, coverage_of
from spark_cxr.metrics.decision_results import (
    DecisionFigures,
    PointFigures,
    Trust,
    sizes_of,
    trust_of_classes,
    trust_of_findings,
)
from spark_cxr.metrics.finding_records import FindingFigures
from spark_cxr.metrics.findings import measure_findings
from spark_cxr.metrics.net_benefit import predictive_values
from spark_cxr.metrics.operating_points import (
    SENSITIVITY,
    SPECIFICITY,
    OperatingPoint,
    operating_point,
)
from spark_cxr.metrics.recalibration import Recalibration, recalibrate
from spark_cxr.model.decision import Decision
from spark_cxr.pipeline.evaluate import answers_of
from spark_cxr.pipeline.finding_heads import ANSWERS
from spark_cxr.pipeline.heads import BEST, PREDICTION_INDEX, PROBABILITY
from spark_cxr.pipeline.held_out import (
    HeldOut,
    HeldOutFolds,
    answers_of_findings,
    drawn,
    held_out_folds,
)
from spark_cxr.pipeline.point_settings import Target, point_settings
from spark_cxr.pipeline.trial import UNDECIDED, DecisionStep, FittedHead
from spark_cxr.schemas import PATH
from spark_cxr.settings import Config, Train

STATED = "stated"
"""Column of what the head says, beside the recalibrated probabilities."""
AUTO, NONE = "auto", "none"
FOLDS = 5
"""Of held-out films, when points and limits are chosen: a film has no part in its own curve."""
Floats = NDArray[np.float64]


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
    """Recalibrate films by what the patients of other folds show."""
    if found is None:
        return films
    names = sorted(set(films.groups))
    dealt = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    fold_of = dict(zip(names, dealt.tolist(), strict=True))
    folds = np.array([fold_of[group] for group in films.groups])
    shares, independent = films.probabilities.copy(), films.truth.ndim == 2
    for fold in range(FOLDS):
        rows = folds == fold
        rest = films.part(~rows)
        own = _recalibration(rest, labels, found.kind, train, seed) or found
        shares[rows] = own.apply(films.probabilities[rows], independent)
    return HeldOut(films.truth, shares, films.groups)


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


# Films that test


def recalibrated_classes(scored: DataFrame, decision: Decision) -> DataFrame:
    """Recalibrate what a head of classes has added, and keep its own word in `stated`."""
    if decision.recalibration is None:
        return scored
    stated = vector_to_array(F.col(PROBABILITY))
    both = scored.withColumn(STATED, F.col(PROBABILITY))
    both = both.withColumn(PROBABILITY, _applied(decision, independent=False)(stated))
    if not decision.keeps_order:
        both = both.withColumn(PREDICTION_INDEX, F.expr(BEST).cast("double"))
    return both.withColumn(PROBABILITY, array_to_vector(F.col(PROBABILITY)))


def recalibrated_findings(scored: DataFrame, decision: Decision) -> DataFrame:
    """Do the same with the answers of heads of findings."""
    if decision.recalibration is None:
        return scored
    both = scored.withColumn(STATED, F.col(ANSWERS))
    return both.withColumn(ANSWERS, _applied(decision, independent=True)(F.col(STATED)))


def _applied(decision: Decision, independent: bool) -> Callable[[Column], Column]:
    """Make a function of a column: a film at a time, to give the last bits that `predict` gives."""

    @pandas_udf("array<double>")
    def shares(stated: pd.Series) -> pd.Series:
        rows = (np.asarray(each, dtype=np.float64)[None] for each in stated)
        return pd.Series([decision.probabilities(row, independent)[0] for row in rows])

    return cast(Callable[[Column], Column], shares)


@dataclass(frozen=True)
class TestFilms:
    """Films of a test on the driver: what they are, what the head states, what the model says."""

    labels: tuple[str, ...]
    truth: Floats
    """As in `HeldOut`."""
    stated: Floats
    answered: Floats
    groups: Sequence[str]


def decision_figures(
    decision: Decision,
    films: TestFilms,
    train: Train,
    seed: int,
    rows: Sequence[FindingFigures] = (),
) -> DecisionFigures:
    """Measure a decision on a test.

    Args:
        decision: As `learn_decision` gave it.
        films: Of the test.
        train: The prevalence for PPV and NPV, and the number of resamples.
        seed: Of the resampling.
        rows: Figures of the findings at their operating points, where they are measured already.
    """
    before, after = _trust(films, seed) if decision.recalibration else (None, None)
    verdicts = decision.sets.verdicts(films.answered) if decision.sets else None
    covered = (
        ()
        if verdicts is None
        else coverage_of(
            *(verdicts, films.truth, films.labels, films.groups),
            seed=seed,
            resamples=train.resamples,
        )
    )
    is_of_classes = films.truth.ndim == 1
    return DecisionFigures(
        films=decision.films,
        patients=decision.patients,
        kind=decision.recalibration.kind if decision.recalibration else "",
        before=before,
        after=after,
        points=_point_figures(decision, films, train, seed, rows),
        coverage=decision.coverage,
        covered=covered,
        left=sizes_of(verdicts) if verdicts is not None and is_of_classes else {},
        too_few=decision.sets.too_few if decision.sets else (),
        temperature=decision.recalibration.temperature if decision.recalibration else (),
    )


def _trust(films: TestFilms, seed: int) -> tuple[Trust, Trust]:
    measured = trust_of_classes if films.truth.ndim == 1 else trust_of_findings
    return measured(films.truth, films.stated, seed), measured(films.truth, films.answered, seed)


def _point_figures(
    decision: Decision,
    films: TestFilms,
    train: Train,
    seed: int,
    rows: Sequence[FindingFigures],
) -> tuple[PointFigures, ...]:
    """Give what each operating point gives on the test."""
    if not decision.points:
        return ()
    points = decision.thresholds
    if not rows:
        places = [films.labels.index(label) for label in points]
        has = (films.truth[:, None] == np.array(places)).astype(np.float64)
        rows = measure_findings(
            *(has, films.answered[:, places], tuple(points), films.groups, tuple(points.values())),
            seed=seed,
            resamples=train.resamples,
            bands=False,
        ).rows
    measured = {row.finding: row for row in rows}
    return tuple(_worth(point, measured[point.label], train) for point in decision.points)


def _worth(point: OperatingPoint, row: FindingFigures, train: Train) -> PointFigures:
    found, prevalence = row.figures, train.prevalence or row.prevalence or 0.0
    sides, worth = (found.sensitivity, found.specificity), None
    if 0 < prevalence < 1:
        worth = predictive_values(*sides, prevalence)
    return PointFigures(point, *sides, worth)


def figures_of_classes(
    decision: Decision,
    scored: DataFrame,
    predictions: DataFrame,
    labels: tuple[str, ...],
    cfg: Config,
) -> DecisionFigures | None:
    """Bring the predictions of a test to the driver, and measure the decision on them.

    Args:
        decision: Of the model.
        scored: As `recalibrated_classes` gave it.
        predictions: `schemas.TEST_PREDICTIONS`.
        labels: In the order of the probabilities.
        cfg: Seed, resamples, prevalence.
    """
    if not decision:
        return None
    said = answers_of(predictions, labels)
    stated = said.probabilities
    if decision.recalibration:
        shares = vector_to_array(F.col(STATED))
        columns = [shares[n].alias(f"p{n}") for n in range(len(labels))]
        stated = _in_order(scored, columns)
    truth = np.array([labels.index(label) for label in said.truth], dtype=np.float64)
    films = TestFilms(labels, truth, stated, said.probabilities, said.groups)
    return decision_figures(decision, films, cfg.train, cfg.run.seed)


def figures_of_findings(
    decision: Decision,
    scored: DataFrame,
    films: TestFilms,
    rows: Sequence[FindingFigures],
    cfg: Config,
) -> DecisionFigures | None:
    """Do the same with predictions of findings, which are on the driver and measured already."""
    if not decision:
        return None
    if decision.recalibration:
        columns = [F.col(STATED)[n].alias(f"p{n}") for n in range(len(films.labels))]
        films = replace(films, stated=_in_order(scored, columns))
    return decision_figures(decision, films, cfg.train, cfg.run.seed, rows)


def _in_order(scored: DataFrame, columns: Sequence[Column]) -> Floats:
    """Bring numbers of films to the driver, in the order of paths."""
    rows = scored.select(PATH, *columns).orderBy(PATH).toPandas()
    return np.asarray(rows.drop(columns=PATH), dtype=np.float64)
