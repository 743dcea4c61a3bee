"""A head for each finding on the same films and split: the real results, and the shortcuts.

Each view of the films is read once and kept while the heads of all findings learn from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads import catalog as heads
from spark_cxr.heads.portable.findings import PortableHead, parts_of
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.metrics.finding_records import Estimate, FindingMetrics
from spark_cxr.metrics.grouped_means import grouped_means
from spark_cxr.output import Output
from spark_cxr.pipeline.finding_counts import FindingTally
from spark_cxr.pipeline.finding_heads import (
    finding_predictions,
    fit_findings,
    prepare_findings,
)
from spark_cxr.pipeline.finding_trial import (
    FindingPredictions,
    operating_points,
    predictions_of_findings,
)
from spark_cxr.pipeline.heads import HeadRecipe
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.trial import FittedHead
from spark_cxr.schemas import FEATURES, FINDINGS, GROUP, LABEL, PATH, SHA256, SOURCE, VIEW
from spark_cxr.settings import Config
from spark_cxr.verbs.audit.films import FOR_TEST, PLAIN
from spark_cxr.verbs.audit.probes import HEAD

KEPT = "_step_heads"
"""Folder of the heads while they are read."""


@dataclass(frozen=True)
class FindingSteadiness:
    """What a small change of the test films does to the answers on one finding."""

    finding: str
    films: int
    """Test films where it is known."""
    changed: Estimate
    """Share of the answers at the operating point that are not what they were."""
    right: Estimate
    before: float
    """Share of the answers that were right on the film as it is."""


@dataclass(frozen=True)
class RealFindings:
    """What heads on the whole films reach, and what they are."""

    metrics: FindingMetrics
    steadiness: Mapping[str, tuple[FindingSteadiness, ...]]
    """By view."""
    heads: Linear
    """One row of weights a finding: its margin against the finding's absence."""
    odds: NDArray[np.float64]
    """The margin of each finding at its operating point."""


def probe_findings(
    rows: DataFrame, column: str, trained: Sequence[FindingTally], cfg: Config
) -> FindingMetrics:
    """Fit and test a head for each finding on one column of vectors."""
    with _fitted(rows, column, trained, cfg) as (model, prepared):
        tested = prepared.where(F.col(IS_TEST))
        return _measured(_answers(model, tested, trained), cfg)


def probe_real_findings(
    rows: DataFrame, trained: Sequence[FindingTally], cfg: Config, output: Output
) -> RealFindings:
    """Fit and test on films as they are; then show the heads the test films a little changed."""
    with _fitted(rows, PLAIN, trained, cfg) as (model, prepared):
        plain = _answers(model, prepared.where(F.col(IS_TEST)), trained)
        tested = rows.where(F.col(IS_TEST))
        steadiness = {
            view: _steadiness(plain, _answers(model, _prepared(tested, view), trained), cfg)
            for view in FOR_TEST
        }
        points = np.asarray(plain.thresholds)
        odds = np.log(points) - np.log1p(-points)
        return RealFindings(_measured(plain, cfg), steadiness, _portable(model, output), odds)


def _prepared(rows: DataFrame, column: str) -> DataFrame:
    names = (PATH, SHA256, LABEL, SOURCE, GROUP, VIEW, IS_TEST, FINDINGS)
    return prepare_findings(rows.select(*names, F.col(column).alias(FEATURES)))


@contextmanager
def _fitted(
    rows: DataFrame, column: str, trained: Sequence[FindingTally], cfg: Config
) -> Iterator[tuple[FittedHead, DataFrame]]:
    prepared = _prepared(rows, column).persist()
    try:
        films, recipe = prepared.where(~F.col(IS_TEST)), HeadRecipe(cfg.run.seed)
        features = len(films.first()[FEATURES])
        found = fit_findings(
            heads.get(HEAD), films, trained, recipe, features, cfg.train.parallelism
        )
        yield found.model, prepared
    finally:
        prepared.unpersist()


def _answers(
    model: FittedHead, tested: DataFrame, trained: Sequence[FindingTally]
) -> FindingPredictions:
    points = operating_points(trained, balance=False)
    predictions = finding_predictions(model.transform(tested), points, HEAD)
    return predictions_of_findings(predictions, points)


def _measured(answers: FindingPredictions, cfg: Config) -> FindingMetrics:
    return answers.measured(cfg.run.seed, cfg.train.resamples, bands=False)


def _steadiness(
    plain: FindingPredictions, altered: FindingPredictions, cfg: Config
) -> tuple[FindingSteadiness, ...]:
    """Compare answers film by film, over the films where each finding is known."""
    points, known = np.asarray(plain.thresholds), ~np.isnan(plain.truth)
    before, after = plain.probabilities >= points, altered.probabilities >= points
    columns = (after != before, after == (plain.truth == 1), before == (plain.truth == 1))
    changed, right, was_right = (
        grouped_means(
            np.where(known, each, np.nan),
            plain.groups,
            seed=cfg.run.seed,
            resamples=cfg.train.resamples,
        )
        for each in columns
    )
    return tuple(
        FindingSteadiness(
            finding,
            int(known[:, place].sum()),
            changed[place],
            right[place],
            was_right[place].value or 0.0,
        )
        for place, finding in enumerate(plain.findings)
    )


def _portable(model: FittedHead, output: Output) -> Linear:
    """Lay the heads side by side, as MLlib saves them: a row of weights for each finding."""
    try:
        portable = model.keep(Output(output.table(KEPT)))
    finally:
        output.remove(KEPT)
    return side_by_side(portable)


def side_by_side(portable: PortableHead) -> Linear:
    """Make one linear head of those of two classes: with a finding against without it."""
    linear = [head for head in parts_of(portable) if isinstance(head, Linear)]
    weights = np.stack([head.weights[1] - head.weights[0] for head in linear])
    bias = np.array([head.bias[1] - head.bias[0] for head in linear])
    return Linear(weights, bias, "logistic")
