"""What the decision of a model gives on a test: its probabilities, and what these are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.metrics.conformal import coverage_of
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
from spark_cxr.metrics.operating_points import OperatingPoint
from spark_cxr.model.decision import Decision
from spark_cxr.pipeline.evaluate import TestAnswers
from spark_cxr.pipeline.finding_heads import ANSWERS
from spark_cxr.pipeline.heads import BEST, PREDICTION_INDEX, PROBABILITY
from spark_cxr.schemas import PATH
from spark_cxr.settings import Config, Train

STATED = "stated"
"""Column of what the head says, beside the recalibrated probabilities."""
Floats = NDArray[np.float64]


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
class DecisionFilms:
    """Films of a test on the driver: what they are, what the head states, what the model says."""

    labels: tuple[str, ...]
    truth: Floats
    """As in `HeldOut`."""
    stated: Floats
    answered: Floats
    groups: Sequence[str]


def decision_figures(
    decision: Decision,
    films: DecisionFilms,
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


def _trust(films: DecisionFilms, seed: int) -> tuple[Trust, Trust]:
    measured = trust_of_classes if films.truth.ndim == 1 else trust_of_findings
    return measured(films.truth, films.stated, seed), measured(films.truth, films.answered, seed)


def _point_figures(
    decision: Decision,
    films: DecisionFilms,
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
        of_classes = films.truth.ndim == 1
        has = films.truth[:, None] == np.array(places) if of_classes else films.truth[:, places]
        rows = measure_findings(
            *(
                has.astype(np.float64),
                films.answered[:, places],
                tuple(points),
                films.groups,
                tuple(points.values()),
            ),
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
    scored: DataFrame | None,
    said: TestAnswers,
    labels: tuple[str, ...],
    cfg: Config,
) -> DecisionFigures | None:
    """Measure a decision on the answers to the films of a test.

    Args:
        decision: Of the model.
        scored: As `recalibrated_classes` gave it; None: what the head stated is not asked.
        said: The predictions.
        labels: In the order of the probabilities.
        cfg: Seed, resamples, prevalence.
    """
    if not decision:
        return None
    stated = said.probabilities
    if decision.recalibration and scored is not None:
        shares = vector_to_array(F.col(STATED))
        columns = [shares[n].alias(f"p{n}") for n in range(len(labels))]
        stated = _in_order(scored, columns)
    truth = np.array([labels.index(label) for label in said.truth], dtype=np.float64)
    films = DecisionFilms(labels, truth, stated, said.probabilities, said.groups)
    return decision_figures(decision, films, cfg.train, cfg.run.seed)


def figures_of_findings(
    decision: Decision,
    scored: DataFrame,
    films: DecisionFilms,
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
