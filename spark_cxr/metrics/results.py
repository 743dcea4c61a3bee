"""What a page is made from: everything computed, nothing drawn yet.

What not every run knows (sources, views, learning curve, audit) stands in fields with a default,
and a page leaves out what it was not given.
"""

from dataclasses import dataclass

from spark_cxr.metrics import LearningPoint, Metrics, Overlap, Part
from spark_cxr.metrics.checks import Check
from spark_cxr.metrics.decision_results import DecisionFigures
from spark_cxr.metrics.matrix_films import MatrixFilms
from spark_cxr.metrics.net_benefit import DecisionCurve
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.metrics.vector_map import VectorMap

Row = tuple[str, str]
"""A name and what it is, both as they shall be read."""


@dataclass(frozen=True)
class ClassCount:
    """How many images of a class stand on either side of the split."""

    label: str
    train: int
    test: int


@dataclass(frozen=True)
class QuarantineCount:
    """How many files were set aside for one reason of `errors.REASONS`."""

    reason: str
    count: int


@dataclass(frozen=True)
class DataSummary:
    """What went in."""

    name: str
    """As a sentence names it: "drawn phantoms", "COVID-19 Radiography Database"."""
    source: str
    """Folder, table or address."""
    files: int
    images: int
    patients: int | None
    """None where patients are not known."""
    classes: tuple[ClassCount, ...]
    quarantined: tuple[QuarantineCount, ...] = ()
    notes: tuple[Row, ...] = ()
    """More rows: licence, citation, age of the films."""


@dataclass(frozen=True)
class SplitSummary:
    """How test images were set apart, and what that leaves open."""

    method: str
    """What was done: "split by patient", "test films given by --test-images"."""
    n_train: int
    n_test: int
    shared: int | None
    """Test images with their patient or twin in training; None where that is not known."""
    unit: str | None = "patient"
    """What was kept together and resampled, in the singular; None where nothing was known."""
    notes: tuple[Row, ...] = ()
    patients: str = ""
    """What is true of patients there: "no patient is known"; empty where `method` says all."""


@dataclass(frozen=True)
class RunSummary:
    """What ran, how fast, and how to run it again."""

    commands: tuple[str, ...]
    config: tuple[Row, ...]
    versions: tuple[Row, ...]
    seconds: float
    images_per_second: float | None = None
    spent: tuple[Row, ...] = ()
    """Where the time and the memory of the pass over films went."""
    beside: tuple[Row, ...] = ()
    """Pages in the same folder, and what they are: "card.html", "model card"."""


@dataclass(frozen=True)
class Mistake:
    """One misclassified test image."""

    path: str
    true: str
    predicted: str
    probability: float
    """Of the predicted label."""
    image: bytes = b""
    """A small PNG or JPEG; may be left out."""


@dataclass(frozen=True)
class PartTable:
    """The test set in parts by one property of the films."""

    by: str
    """The property in the singular: "source", "view"."""
    parts: tuple[Part, ...]
    unknown: int = 0
    """Test images of which the property is not known."""


@dataclass(frozen=True)
class AuditSummary:
    """Checks of the data, and where the whole audit is."""

    checks: tuple[Check, ...]
    where: str = ""
    """A file or page as a reader finds it: "audit/report.html"."""


@dataclass(frozen=True)
class Panel:
    """One film and its heat."""

    path: str
    true: str
    """As a label file or folder says it; empty where none does."""
    label: str
    probability: float
    contrast: str
    contrast_probability: float
    margin: float
    image: bytes
    """PNG or JPEG; empty where the film could not be drawn."""
    threshold: float | None = None
    """The operating point, if the label is a finding."""


@dataclass(frozen=True)
class Shelf:
    """Films of one kind: the most certain, the least certain, the wrong ones."""

    heading: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class ClassPanels:
    """The shelves of one class."""

    label: str
    films: int
    shelves: tuple[Shelf, ...]


@dataclass(frozen=True)
class ContactSheet:
    """All that the page shows."""

    model: str
    backbone: str
    method: str
    scale: float
    classes: tuple[ClassPanels, ...]
    caveat: str = ""
    is_of_findings: bool = False


@dataclass(frozen=True)
class EpochPoint:
    """One epoch of a network that learned."""

    number: int
    phase: str
    """What learned: "head", "all"."""
    learning_rate: float
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    images_per_second: float


@dataclass(frozen=True)
class LearningSummary:
    """How a network learned."""

    epochs: tuple[EpochPoint, ...]
    best: int
    """The number of the epoch whose weights were kept."""
    n_val: int
    sheet: bytes = b""
    """Films as the network saw them: PNG or JPEG."""
    best_by: str = "accuracy"
    """Why that epoch: accuracy or loss in validation, or last."""
    is_refitted: bool = False
    """The last layer was solved once more at the end."""


@dataclass(frozen=True)
class TrainingReport:
    """All that the page of a training shows."""

    job: str
    title: str
    metrics: Metrics
    data: DataSummary
    split: SplitSummary
    model: tuple[Row, ...]
    """Head, backbone, weights, engine, precision, device: what was really used."""
    run: RunSummary
    caveats: tuple[str, ...] = ()
    """What a reader must know before relying on the figure; shown prominently."""
    mistakes: tuple[Mistake, ...] = ()
    """The most confident first."""
    matrix: MatrixFilms | None = None
    """The films behind the confusion matrix."""
    parts: tuple[PartTable, ...] = ()
    learning: tuple[LearningPoint, ...] = ()
    """The smallest training first; all on the same test images."""
    audit: AuditSummary | None = None
    panels: tuple[ClassPanels, ...] = ()
    """Some test films of each class with the heat of their decision."""
    heat: str = ""
    """How that was made."""
    learned: LearningSummary | None = None
    """Where the network itself was trained."""
    overlap: Overlap | None = None
    """Test images that the network was trained on."""
    map: VectorMap | None = None
    """Of the test images' vectors."""
    missed: SubgroupGaps | None = None
    """Missed disease by group."""
    decision: DecisionFigures | None = None
    """What recalibration, operating points and sets give on the test."""
    net_benefit: tuple[DecisionCurve, ...] = ()
    """What acting on the answers would be worth, class by class."""
