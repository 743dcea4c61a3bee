"""Answers of a model to labelled films, on the driver: a few numbers a film, and their figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError, few
from spark_cxr.metrics import FindingMetrics, Metrics
from spark_cxr.metrics.class_alignment import ClassAlignment, Part, align_classes
from spark_cxr.metrics.decision_results import DecisionFigures
from spark_cxr.metrics.finding_parts import FindingPartTable
from spark_cxr.metrics.matrix_films import FALSE_ALARM, MISSED
from spark_cxr.metrics.net_benefit import DecisionCurve
from spark_cxr.metrics.results import PartTable
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.model.decision import Decision
from spark_cxr.model.predictor import REFUSALS
from spark_cxr.pipeline.data_summary import parts_of
from spark_cxr.pipeline.decision_trial import decision_figures, figures_of_classes
from spark_cxr.pipeline.evaluate import TestAnswers, missed_by_group
from spark_cxr.pipeline.finding_trial import FindingPredictions
from spark_cxr.pipeline.subgroups import AGE_BAND, Subgroups, common, with_band
from spark_cxr.schemas import DEVICE, FINDINGS, GROUP, LABEL, MAKER, PATH, SEX, SOURCE, VIEW
from spark_cxr.settings import Config

if TYPE_CHECKING:
    import pandas as pd

REFUSED = "refused"


@dataclass(frozen=True)
class EvaluatedFilms:
    """Films in the order of their paths."""

    labels: tuple[str, ...]
    """Classes, or findings, in the order of the columns of `probabilities`."""
    thresholds: Mapping[str, float]
    """Of findings; empty: they are classes."""
    truth: NDArray[np.object_] | NDArray[np.float64]
    """The class of each; of findings (films, findings) of 1, 0, or NaN where it is unknown."""
    probabilities: NDArray[np.float64]
    """NaN where nobody knows what a film that is refused would have been called."""
    groups: NDArray[np.object_]
    """Each named by the first of its films."""
    answered: NDArray[np.bool_]
    paths: NDArray[np.object_]
    subgroups: Subgroups

    def __len__(self) -> int:
        """Count the films."""
        return len(self.paths)

    @property
    def are_known(self) -> bool:
        """Tell whether there is an answer to each film, also to those that are refused."""
        return not np.isnan(self.probabilities).any()

    def where(self, chosen: NDArray[np.bool_]) -> EvaluatedFilms:
        """Take some of the films."""
        return replace(
            self,
            truth=self.truth[chosen],
            probabilities=self.probabilities[chosen],
            groups=self.groups[chosen],
            answered=self.answered[chosen],
            paths=self.paths[chosen],
            subgroups=self.subgroups.where(chosen.tolist()),
        )

    def measured(self, cfg: Config) -> Metrics | FindingMetrics:
        """Measure them as the test of a training is measured."""
        seed, resamples = cfg.run.seed, cfg.train.resamples
        if self.thresholds:
            return self._findings.measured(seed, resamples)
        return self._classes.measured(self.labels, seed, resamples)

    def part_tables(
        self, cfg: Config
    ) -> tuple[tuple[PartTable, ...], tuple[FindingPartTable, ...]]:
        """Measure by source, view and subgroup, where the films have several of them."""
        if self.thresholds:
            return (), self._findings.parts(cfg.run.seed, cfg.train.resamples)
        return parts_of(self._classes, self.labels, cfg, self.subgroups), ()

    def net_benefit(self, cfg: Config) -> tuple[DecisionCurve, ...]:
        """Trace what acting on the answers would be worth, label by label."""
        if self.thresholds:
            return self._findings.decision_curves(cfg.run.seed, cfg.train.resamples)
        return self._classes.decision_curves(self.labels, cfg)

    def decided(self, decision: Decision, cfg: Config) -> DecisionFigures | None:
        """Measure what operating points and sets of the model give on these films."""
        # Probabilities are recalibrated already; what the head stated before is not known here.
        plain, done = replace(decision, recalibration=None), decision.recalibration
        if not plain:
            return None
        found: DecisionFigures | None
        if self.thresholds:
            found = decision_figures(plain, self._findings.films, cfg.train, cfg.run.seed)
        else:
            found = figures_of_classes(plain, None, self._classes, self.labels, cfg)
        if found is None or done is None:
            return found
        return replace(found, kind=done.kind, temperature=done.temperature)

    def missed(self, cfg: Config) -> SubgroupGaps | None:
        """Hold the share of missed disease in each group against that of the others."""
        if self.thresholds:
            return self._findings.missed_by_group(cfg.run.seed, cfg.train.resamples)
        return missed_by_group(self._classes, self.labels, self.subgroups, cfg)

    def named_classes(self) -> Iterator[tuple[str, str, str, float]]:
        """Give of each film truth, answer, path and the probability of the answer."""
        for row, place in enumerate(self.probabilities.argmax(axis=1)):
            share = float(self.probabilities[row, place])
            yield self.truth[row], self.labels[place], self.paths[row], share

    def wrong_findings(self) -> Iterator[tuple[str, str, str, float]]:
        """Give of each wrong answer finding, kind of mistake, path and probability."""
        for column, finding in enumerate(self.labels):
            has, shares = self.truth[:, column], self.probabilities[:, column]
            yes = shares >= self.thresholds[finding]
            for kind, wrong in ((MISSED, (has == 1) & ~yes), (FALSE_ALARM, (has == 0) & yes)):
                for row in np.flatnonzero(wrong):
                    yield finding, kind, self.paths[row], float(shares[row])

    @property
    def _classes(self) -> TestAnswers:
        """Give them as films of a test, each of one class."""
        places = (self.subgroups.by[name] for name in (SOURCE, VIEW))
        groups = list(self.groups)
        return TestAnswers(list(self.truth), self.probabilities, groups, *map(list, places))

    @property
    def _findings(self) -> FindingPredictions:
        """Give them as films of a test, each of several findings."""
        return FindingPredictions(
            findings=self.labels,
            thresholds=tuple(self.thresholds[label] for label in self.labels),
            truth=self.truth.astype(np.float64),
            probabilities=self.probabilities,
            groups=tuple(self.groups),
            subgroups=self.subgroups,
        )


def evaluated_classes(
    rows: DataFrame, of_model: Sequence[str], parts: Sequence[Part]
) -> tuple[EvaluatedFilms, ClassAlignment]:
    """Bring films of one class each to the driver; without those whose class the model lacks."""
    frame = _collected(rows, of_model, {})
    alignment = align_classes(of_model, list(frame[LABEL]), parts)
    frame = frame[frame[LABEL].isin(list(alignment.of_labels))]
    truth = frame[LABEL].map(dict(alignment.of_labels)).to_numpy(object)
    shares = alignment.merged(_shares(frame, of_model))
    return _films(frame, alignment.names, {}, truth, shares), alignment


def evaluated_findings(rows: DataFrame, thresholds: Mapping[str, float]) -> EvaluatedFilms:
    """Bring films of several findings each to the driver; without those of which nothing is known.

    Raises:
        InputError: None of the labels is a finding of the model.
    """
    cells = {f"t{n}": F.col(FINDINGS)[name].cast("double") for n, name in enumerate(thresholds)}
    frame = _collected(rows, tuple(thresholds), cells)
    frame = frame[frame[list(cells)].notna().any(axis=1)]
    if not len(frame):
        way_out = "Name the findings as the model does, or a data set with --dataset"
        raise InputError(f"labels among {few(tuple(thresholds))}", "none", way_out)
    truth = frame[list(cells)].to_numpy(np.float64)
    return _films(frame, tuple(thresholds), thresholds, truth, _shares(frame, tuple(thresholds)))


def _collected(rows: DataFrame, labels: Sequence[str], more: Mapping[str, Column]) -> pd.DataFrame:
    shares = [F.col("probabilities")[label].alias(f"p{n}") for n, label in enumerate(labels)]
    refused = F.arrays_overlap("flags", F.lit([*REFUSALS])).alias(REFUSED)
    known = (PATH, LABEL, GROUP, SOURCE, VIEW, AGE_BAND, SEX, MAKER, DEVICE)
    cells = [cell.alias(name) for name, cell in more.items()]
    return with_band(rows).select(*known, refused, *shares, *cells).orderBy(PATH).toPandas()


def _shares(frame: pd.DataFrame, labels: Sequence[str]) -> NDArray[np.float64]:
    return frame[[f"p{n}" for n in range(len(labels))]].to_numpy(np.float64)


def _films(
    frame: pd.DataFrame,
    labels: tuple[str, ...],
    thresholds: Mapping[str, float],
    truth: NDArray[Any],
    shares: NDArray[np.float64],
) -> EvaluatedFilms:
    named = {by: list(frame[by]) for by in (SOURCE, VIEW, AGE_BAND, SEX, MAKER, DEVICE)}
    return EvaluatedFilms(
        labels=labels,
        thresholds=thresholds,
        truth=truth,
        probabilities=shares,
        groups=frame.groupby(GROUP)[PATH].transform("min").to_numpy(object),
        answered=~frame[REFUSED].to_numpy(bool),
        paths=frame[PATH].to_numpy(object),
        subgroups=Subgroups({by: common(groups) for by, groups in named.items()}),
    )
