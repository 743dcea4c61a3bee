"""What a head is trained and tested on, and what is known of it afterwards: records for reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pyspark.sql import DataFrame

from spark_cxr.heads.catalog import Setting
from spark_cxr.heads.portable import PortableHead
from spark_cxr.metrics import LearningPoint, Metrics, Overlap
from spark_cxr.metrics.decision_results import DecisionFigures
from spark_cxr.metrics.finding_parts import FindingPartTable
from spark_cxr.metrics.finding_records import FindingLearningPoint, FindingMetrics
from spark_cxr.metrics.net_benefit import DecisionCurve
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.model.decision import NO_DECISION, Decision
from spark_cxr.output import Output
from spark_cxr.pipeline.evaluate import TestAnswers
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.finding_counts import FindingTally
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.partition import Partition, SplitWords, split_words
from spark_cxr.pipeline.subgroups import Subgroups
from spark_cxr.pipeline.tune import Tuned
from spark_cxr.settings import Config, Train


class HeadTitle(Protocol):
    """A head as a report speaks of it."""

    @property
    def name(self) -> str:
        """Give the word for files and tables."""
        ...

    @property
    def title(self) -> str:
        """Give the words for people."""
        ...


class FittedHead(Protocol):
    """What gives `prediction_index` and `probability`, and can be kept."""

    @property
    def name(self) -> str:
        """Name its kind."""
        ...

    def transform(self, dataset: DataFrame) -> DataFrame:
        """Score prepared rows."""
        ...

    def keep(self, directory: Output) -> PortableHead:
        """Give it as numpy arrays; leave in the directory what else of it there is to keep."""
        ...


@dataclass(frozen=True)
class Trial:
    """What a head is tested on, and where its predictions and the model go."""

    prepared: DataFrame
    """Vectors of both sides, as heads take them; kept in memory by the caller."""
    partition: Partition
    images: DataFrame
    """`schemas.IMAGES` of these films, and maybe of others."""
    features: FeatureResult
    cfg: Config
    output: Output


@dataclass(frozen=True)
class DecisionStep:
    """What was learned of how a model is to decide, and what could not be."""

    decision: Decision
    notes: tuple[str, ...] = ()
    """Sentences for a reader, on what was wanted and is not there."""


UNDECIDED = DecisionStep(NO_DECISION)


@dataclass(frozen=True)
class TrainingResult:
    """A head after training and test."""

    head: HeadTitle
    partition: Partition
    fingerprint: str
    metrics: Metrics
    mllib: dict[str, float]
    shared: int
    overlap: Overlap
    setting: Setting
    tuned: Tuned | None
    """What `--tune` tried; None without it."""
    learning: tuple[LearningPoint, ...]
    seconds: float
    answers: TestAnswers
    """To the films that test, in the order of paths."""
    subgroups: Subgroups = field(default_factory=Subgroups)
    """Of the films that test, in the order of paths."""
    gaps: SubgroupGaps | None = None
    """Missed disease by group; None where there are no groups, or no label means normal."""
    decision: DecisionStep = UNDECIDED
    decision_figures: DecisionFigures | None = None
    """What that gives on the test; None where it says nothing."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Give the classes, in the order of the probabilities."""
        return self.partition.labels

    def split_words(self, train: Train) -> SplitWords:
        """Say how the test was set apart."""
        by_folder = bool(train.test_images)
        return split_words(train.split, self.partition.people, self.shared, by_folder)


@dataclass(frozen=True)
class FindingResult:
    """Heads of several findings after training and test."""

    head: HeadTitle
    partition: Partition
    fingerprint: str
    metrics: FindingMetrics
    parts: tuple[FindingPartTable, ...]
    """The same by source, view and subgroup, where the test has several."""
    mllib: dict[str, float]
    shared: int
    overlap: Overlap
    thresholds: Mapping[str, float]
    """The operating point of each finding."""
    trained: tuple[FindingTally, ...]
    """What the heads have learned from."""
    left_out: tuple[FindingTally, ...]
    """Findings of which there are too few patients for a head."""
    setting: Setting
    tuned: Mapping[str, Tuned]
    """What `--tune` tried, by finding; empty without it."""
    learning: tuple[FindingLearningPoint, ...]
    seconds: float
    gaps: SubgroupGaps | None = None
    """Films with a finding of which none is named, by group."""
    net_benefit: tuple[DecisionCurve, ...] = ()
    decision: DecisionStep = UNDECIDED
    decision_figures: DecisionFigures | None = None
    """What that gives on the test; None where it says nothing."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Give the findings, in the order of the probabilities."""
        return tuple(self.thresholds)

    def split_words(self, train: Train) -> SplitWords:
        """Say how the test was set apart."""
        by_folder = bool(train.test_images)
        return split_words(train.split, self.partition.people, self.shared, by_folder)


Learning = Callable[[Metrics], tuple[LearningPoint, ...]]
"""Says what fewer films would have brought, beside what was measured after all of them."""


@dataclass(frozen=True)
class RunOfTraining:
    """What a report shows of one training, whatever it has learned."""

    job: str
    sections: tuple[str, ...]
    """Those that are flags of the job."""
    command: Config
    """As the user said it."""
    cfg: Config
    """The same with images of our own where none were named."""
    drawn: bool
    """All films are phantoms."""
    ingested: IngestResult
    featurized: FeatureResult


@dataclass(frozen=True)
class TrainingRun(RunOfTraining):
    """All that a report shows of one training."""

    result: TrainingResult


@dataclass(frozen=True)
class FindingsRun(RunOfTraining):
    """All that a report shows of one training of several findings."""

    result: FindingResult
