"""Heads of several findings → their predictions on the test, figures, and a model directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MultilabelClassificationEvaluator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics import Overlap
from spark_cxr.metrics.finding_parts import FindingPartTable, measure_finding_parts
from spark_cxr.metrics.finding_records import FindingLearningPoint, FindingMetrics
from spark_cxr.metrics.findings import measure_findings
from spark_cxr.metrics.net_benefit import DecisionCurve, decision_curves
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.model.decision import NO_DECISION, Decision
from spark_cxr.pipeline.decision_trial import (
    DecisionFilms,
    figures_of_findings,
    recalibrated_findings,
)
from spark_cxr.pipeline.evaluate import count_shared, marked, overlap_of
from spark_cxr.pipeline.finding_counts import FindingTally, known_text
from spark_cxr.pipeline.finding_heads import ANSWERS, FittedFindings, finding_predictions
from spark_cxr.pipeline.model_directory import reference_of, write_model
from spark_cxr.pipeline.partition import fingerprint
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.subgroups import Subgroups, missed_findings, subgroups_of
from spark_cxr.pipeline.trial import UNDECIDED, DecisionStep, FindingResult, HeadTitle, Trial
from spark_cxr.schemas import FINDINGS, GROUP, LABEL, PATH, SOURCE, TEST_FINDINGS, VIEW

HALF = 0.5
"""The operating point of heads whose films were weighed so that both answers count the same, and of
a network's own answers, which do not know these films."""


def try_out_findings(
    head: HeadTitle,
    fitted: FittedFindings,
    trial: Trial,
    trained: Sequence[FindingTally],
    left_out: Sequence[FindingTally],
    started: float,
    learning: Callable[[FindingMetrics], tuple[FindingLearningPoint, ...]] = lambda _: (),
    step: DecisionStep = UNDECIDED,
) -> FindingResult:
    """Score the films that test, measure, and leave `predictions/` and `model/`.

    Args:
        head: What the model is called.
        fitted: Its heads.
        trial: Films, settings, and where to write.
        trained: The findings, and what they were learned from.
        left_out: Findings without a head.
        started: When the fitting began, by the monotonic clock.
        learning: Says what fewer films would have brought.
        step: What was learned of how to decide.
    """
    cfg, partition, decision = trial.cfg, trial.partition, step.decision
    seed, resamples = cfg.run.seed, cfg.train.resamples
    thresholds = operating_points(trained, cfg.train.balance or not fitted.has_learned, decision)
    print_ = fingerprint(partition.rows.withColumn(LABEL, known_text(F.col(FINDINGS))))
    scored, predictions = _scored(fitted, trial, thresholds, f"{head.name}-{print_}", decision)
    answers = predictions_of_findings(predictions, thresholds, trial.images)
    metrics = answers.measured(seed, resamples)
    result = FindingResult(
        *(head, partition, print_, metrics),
        parts=answers.parts(seed, resamples),
        mllib=mllib_metrics_of(scored, thresholds, metrics),
        shared=count_shared(partition.rows),
        overlap=_overlap(trial, predictions),
        thresholds=thresholds,
        trained=tuple(trained),
        left_out=tuple(left_out),
        setting=fitted.setting,
        tuned=fitted.tuned,
        learning=learning(metrics),
        seconds=time.monotonic() - started,
        gaps=answers.missed_by_group(seed, resamples),
        net_benefit=answers.decision_curves(seed, resamples),
        decision=step,
        decision_figures=figures_of_findings(decision, scored, answers.films, metrics.rows, cfg),
    )
    scored.unpersist()
    _keep(fitted, result, trial, predictions)
    return result


def _overlap(trial: Trial, predictions: DataFrame) -> Overlap:
    """Count the test films that the network was trained on."""
    network = trial.features.plan.network
    marks = marked(trial.images, predictions, network)
    return overlap_of(marks, predictions, (), network, trial.cfg)


def _keep(
    fitted: FittedFindings, result: FindingResult, trial: Trial, predictions: DataFrame
) -> None:
    """Leave the model directory."""
    films, cfg = trial.prepared.where(~F.col(IS_TEST)), trial.cfg
    known = reference_of(
        films, predictions, result.labels, cfg.gate, cfg.run.seed, result.thresholds
    )
    write_model(fitted.model, result, trial, known, predictions)


def _scored(
    fitted: FittedFindings,
    trial: Trial,
    thresholds: Mapping[str, float],
    name: str,
    decision: Decision,
) -> tuple[DataFrame, DataFrame]:
    """Score the films that test, and leave `predictions/`; the first table is kept in memory."""
    scored = fitted.model.transform(trial.prepared.where(F.col(IS_TEST)))
    scored = recalibrated_findings(scored, decision).persist()
    trial.output.write_table(finding_predictions(scored, thresholds, name), "predictions")
    table = trial.output.table("predictions")
    return scored, scored.sparkSession.read.schema(TEST_FINDINGS).parquet(table)


def operating_points(
    trained: Sequence[FindingTally], balance: bool, decision: Decision = NO_DECISION
) -> dict[str, float]:
    """Choose where an answer becomes "has it": at the finding's share of the training films.

    There a calibrated head finds a film as likely to have it as before it has looked. The films of
    the test have no part in that. With `balance` it is one half of what the head states, wherever
    recalibration puts that; a point that was wanted takes the place of either.
    """
    halves = decision.probabilities(np.full((1, len(trained)), HALF), independent=True)[0].tolist()
    points = {
        count.finding: half if balance else count.share
        for count, half in zip(trained, halves, strict=True)
    }
    return points | decision.thresholds


@dataclass(frozen=True)
class FindingPredictions:
    """Predictions of several findings on the driver, in the order of paths."""

    findings: tuple[str, ...]
    thresholds: tuple[float, ...]
    truth: NDArray[np.float64]
    """(films, findings): 1, 0, or NaN where it is unknown."""
    probabilities: NDArray[np.float64]
    groups: tuple[str, ...]
    """Each named by the first of its films: patients' pseudonyms hang on a key, and what is drawn
    from groups in the order of their names must not."""

    subgroups: Subgroups
    """Sources and views, and what the table of images knows beside them."""

    @property
    def films(self) -> DecisionFilms:
        """Give them as a decision is measured on them."""
        shares = self.probabilities
        return DecisionFilms(self.findings, self.truth, shares, shares, self.groups)

    def measured(self, seed: int, resamples: int, bands: bool = True) -> FindingMetrics:
        """Measure them, with intervals from resampling groups; bands are for curves of a page."""
        return measure_findings(
            *(self.truth, self.probabilities, self.findings, self.groups, self.thresholds),
            seed=seed,
            resamples=resamples,
            bands=bands,
        )

    def parts(self, seed: int, resamples: int) -> tuple[FindingPartTable, ...]:
        """Measure by source, view and subgroup, where the films have several of them."""
        tables = []
        for by, names in self.subgroups.several().items():
            parts = measure_finding_parts(
                *(self.truth, self.probabilities, self.findings, self.groups, names),
                seed=seed,
                resamples=resamples,
            )
            tables.append(FindingPartTable(by, parts, names.count(None)))
        return tuple(tables)

    def decision_curves(self, seed: int, resamples: int) -> tuple[DecisionCurve, ...]:
        """Trace what acting on the answers would be worth, finding by finding."""
        given = (self.truth, self.probabilities, self.findings, self.groups)
        return decision_curves(*given, seed=seed, resamples=resamples)

    def missed_by_group(self, seed: int, resamples: int) -> SubgroupGaps | None:
        """Hold the missed films of each subgroup, source and view against those of the others."""
        return missed_findings(
            *(self.truth, self.probabilities, self.thresholds, self.groups, self.subgroups),
            seed=seed,
            resamples=resamples,
        )


def predictions_of_findings(
    predictions: DataFrame, thresholds: Mapping[str, float], images: DataFrame | None = None
) -> FindingPredictions:
    """Bring predictions (`schemas.TEST_FINDINGS`) to the driver, with what `images` knows of them.

    Args:
        predictions: Of one model, a row a film.
        thresholds: The operating point of each finding.
        images: `schemas.IMAGES`; without it only sources and views are known.
    """
    cells = list[Column]()
    for number, name in enumerate(thresholds):
        cells.append(F.col(FINDINGS)[name].cast("double").alias(f"t{number}"))
        cells.append(F.col("probabilities")[name].alias(f"p{number}"))
    columns = (PATH, GROUP, SOURCE, VIEW)
    rows = predictions.select(*columns, *cells).orderBy(PATH).toPandas()
    truth, answers = (
        rows[[f"{letter}{number}" for number in range(len(thresholds))]].to_numpy(np.float64)
        for letter in "tp"
    )
    groups = tuple(rows.groupby(GROUP)[PATH].transform("min"))
    known = Subgroups() if images is None else subgroups_of(predictions, images)
    return FindingPredictions(
        *(tuple(thresholds), tuple(thresholds.values()), truth, answers, groups),
        subgroups=known.beside(tuple(rows[SOURCE]), tuple(rows[VIEW])),
    )


def mllib_metrics_of(
    scored: DataFrame, thresholds: Mapping[str, float], metrics: FindingMetrics
) -> dict[str, float]:
    """Measure with MLlib's own evaluators: an AUC a finding, and the sets of findings of films."""
    has_auc = {row.finding for row in metrics.rows if row.figures.auc.value is not None}
    found = {}
    area = BinaryClassificationEvaluator(
        rawPredictionCol="answer", labelCol="has_it", metricName="areaUnderROC", numBins=0
    )
    for number, name in enumerate(thresholds):
        if name in has_auc:
            has_it = F.col(FINDINGS)[name].cast("double").alias("has_it")
            cells = scored.select(F.col(ANSWERS)[number].alias("answer"), has_it)
            found[f"areaUnderROC {name}"] = area.evaluate(cells.where(F.col("has_it").isNotNull()))
    return {**found, **_sets(scored, thresholds)}


def _sets(scored: DataFrame, thresholds: Mapping[str, float]) -> dict[str, float]:
    """Compare whole sets of findings; none where no film has all of its findings known."""
    cells = [F.col(FINDINGS)[name] for name in thresholds]
    above = [F.col(ANSWERS)[n] >= least for n, least in enumerate(thresholds.values())]

    def numbers(holds: Sequence[Column]) -> Column:
        places = (F.when(each, F.lit(float(n))) for n, each in enumerate(holds))
        return F.array_compact(F.array(*places))

    whole = F.forall(F.array(*cells), lambda cell: cell.isNotNull())
    sets = scored.where(whole).select(numbers(above).alias("answer"), numbers(cells).alias("truth"))
    if not sets.limit(1).count():
        return {}
    measure = MultilabelClassificationEvaluator(predictionCol="answer", labelCol="truth")
    names = ("subsetAccuracy", "hammingLoss", "microF1Measure")
    return {name: measure.evaluate(sets, {measure.metricName: name}) for name in names}
