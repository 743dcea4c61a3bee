"""Answers of a model to labelled films, on the driver: a few numbers a film, and their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError, few
from spark_cxr.metrics import (
    FindingMetrics,
    Metrics,
    measure,
    measure_finding_parts,
    measure_findings,
    measure_parts,
)
from spark_cxr.metrics.class_alignment import ClassAlignment, Part, align_classes
from spark_cxr.metrics.decision_results import DecisionFigures
from spark_cxr.metrics.finding_parts import FindingPartTable
from spark_cxr.metrics.results import PartTable
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.model.decision import Decision
from spark_cxr.model.predictor import NO_XRAY
from spark_cxr.pipeline.decision_trial import DecisionFilms, decision_figures
from spark_cxr.pipeline.subgroups import (
    AGE_BAND,
    Subgroups,
    common,
    missed_disease,
    missed_findings,
    with_band,
)
from spark_cxr.schemas import DEVICE, FINDINGS, GROUP, LABEL, MAKER, PATH, SEX, SOURCE, VIEW
from spark_cxr.settings import Train

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

    def measured(self, seed: int, resamples: int) -> Metrics | FindingMetrics:
        """Measure them as the test of a training is measured."""
        if self.thresholds:
            return measure_findings(
                *(self.truth, self.probabilities, self.labels, list(self.groups)),
                [self.thresholds[label] for label in self.labels],
                seed=seed,
                resamples=resamples,
            )
        return measure(
            *(list(self.truth), self.probabilities, self.labels, list(self.groups)),
            seed=seed,
            resamples=resamples,
        )

    def part_tables(
        self, seed: int, resamples: int
    ) -> tuple[tuple[PartTable, ...], tuple[FindingPartTable, ...]]:
        """Measure by source, view and subgroup, where the films have several of them."""
        given = (self.truth, self.probabilities, self.labels, list(self.groups))
        classes, findings = list[PartTable](), list[FindingPartTable]()
        for by, names in self.subgroups.several().items():
            unknown = names.count(None)
            if self.thresholds:
                found = measure_finding_parts(*given, names, seed=seed, resamples=resamples)
                findings.append(FindingPartTable(by, found, unknown))
            else:
                each = measure_parts(
                    list(self.truth), *given[1:], names, seed=seed, resamples=resamples
                )
                classes.append(PartTable(by, each, unknown))
        return tuple(classes), tuple(findings)

    @property
    def cells(self) -> NDArray[np.float64]:
        """Say of each label whether a film has it: 1, 0, or NaN where it is unknown."""
        if self.thresholds:
            return self.truth.astype(np.float64)
        return (self.truth[:, None] == np.array(self.labels, object)).astype(np.float64)

    def decided(self, decision: Decision, settings: Train, seed: int) -> DecisionFigures:
        """Measure what operating points and sets of the model give on these films."""
        truth = self.cells if self.thresholds else self.cells.argmax(axis=1).astype(np.float64)
        shares = self.probabilities
        films = DecisionFilms(self.labels, truth, shares, shares, list(self.groups))
        # What the head stated before recalibration is not asked here.
        return decision_figures(replace(decision, recalibration=None), films, settings, seed)

    def missed(self, seed: int, resamples: int) -> SubgroupGaps | None:
        """Hold the share of missed disease in each group against that of the others."""
        groups = list(self.groups)
        if self.thresholds:
            return missed_findings(
                self.truth,
                self.probabilities,
                [self.thresholds[label] for label in self.labels],
                groups,
                self.subgroups,
                seed=seed,
                resamples=resamples,
            )
        return missed_disease(
            list(self.truth),
            self.probabilities,
            self.labels,
            groups,
            self.subgroups,
            seed=seed,
            resamples=resamples,
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
    refused = F.array_contains("flags", NO_XRAY).alias(REFUSED)
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
