"""The settings of every job as frozen records, with the limits that their values must keep to.

Defaults and help texts stand in conf/base.toml and nowhere else; here are types and limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_type_hints

from spark_cxr import choices
from spark_cxr.film_places import places
from spark_cxr.setting import Names, Paths, setting


@dataclass(frozen=True)
class Run:
    """Section [run]: what every job takes."""

    out: str
    overwrite: bool
    seed: int = setting(least=0, most=2**63 - 1)


@dataclass(frozen=True)
class Stores:
    """Section [stores]: where films, tables and models may lie."""

    experimental: bool


@dataclass(frozen=True)
class Phantoms:
    """Section [phantoms]: what to draw."""

    count: int = setting(least=1)
    size: int = setting(least=64, most=4096)
    formats: Names = setting(choices=("png", "jpeg", "dicom"))
    bad: int = setting(least=0)
    masks: bool = setting()
    marker: str = setting(choices=("side", "class", "none"))
    several_findings: Names = setting(bare="all")
    unknown: float = setting(least=0, most=1)
    hospital: int = setting(least=1, most=2)
    least_severity: float = setting(least=0, most=1)


@dataclass(frozen=True)
class Ingest:
    """Section [ingest]: which files, and what is known about them."""

    images: Paths
    paths: str
    new_since: str
    labels: str
    dataset: str
    key_column: str
    label_column: str
    patient_column: str
    patient_regex: str
    uncertain: Names
    findings: Names = setting(bare="all")
    blank: str = setting(choices=("", *choices.BLANK))
    agreement: str = setting(choices=choices.AGREEMENT)
    unmatched: str = setting(choices=("", *choices.UNMATCHED))
    max_bad: float = setting(least=0, most=1)
    read: str = setting(choices=choices.READERS)
    max_bytes: int = setting(least=1, most=2_000_000_000)
    max_pixels: int = setting(least=1)
    max_seconds: float = setting(least=0.1)
    min_side: int = setting(least=1)
    likeness: float = setting(least=0.8, most=1)

    def __post_init__(self) -> None:
        """Add the folders of --dataset NAME=FOLDER to the images, and the list of --paths."""
        images = places(self.images, self.paths, self.new_since, self.dataset)
        object.__setattr__(self, "images", images)


@dataclass(frozen=True)
class LungSearch:
    """Section [lungs]: what is said of the lungs of the films that are looked at."""

    lungs: bool


@dataclass(frozen=True)
class RunList:
    """Section [runs]: which runs are listed, and how many films of a table wait for labels."""

    folder: str
    queue: int = setting(least=0, most=1000)


@dataclass(frozen=True)
class FilmLook:
    """Section [look]: what the page about the films shows."""

    vectors: str
    films_a_class: int = setting(least=0, most=100_000)


@dataclass(frozen=True)
class Pack:
    """Section [pack]: what shards films are packed into."""

    format: str = setting(choices=choices.SHARDS)
    shard_bytes: int = setting(least=1, most=2**40)


@dataclass(frozen=True)
class Features:
    """Section [features]: how a film becomes a vector."""

    table: str
    backbone: str
    weights: str
    mirror: str
    engine: str
    device: str
    cache: str
    calibrate: str
    card: str
    normalising: str = setting(choices=("", "caffe", "tf", "torch", "none", "grey"))
    see: str = setting(choices=("", *choices.SEE))
    network_size: int = setting(least=0, most=16384)
    precision: str = setting(choices=("auto", "f32", "bf16", "f16", "int8"))
    batch_size: int = setting(least=1)


@dataclass(frozen=True)
class Export:
    """Section [export]: where else vectors go, for others to read."""

    export: str
    export_format: str = setting(choices=choices.EXPORT_FORMATS)


@dataclass(frozen=True)
class Train:
    """Section [train]: which classes, which split."""

    features: str
    features_key: str
    features_column: str
    classes: Names
    test_images: Paths
    split: str = setting(choices=("patient", "image"), others=("column:*", "*.csv"))
    crossing: str = setting(choices=("error", "drop", "keep"))
    test_fraction: float = setting(least=0.01, most=0.99)
    resamples: int = setting(least=100)
    learning_curve: bool = setting()
    explained: int = setting(least=0, most=20)
    examples: int = setting(least=0, most=3, bare=1)
    balance: bool = setting()
    least_positives: int = setting(least=1)
    tune: bool = setting()
    tune_folds: int = setting(least=2)
    parallelism: int = setting(least=1)
    recalibrate: str = setting(choices=choices.RECALIBRATE)
    calibration_folds: int = setting(least=2, most=20)
    coverage: float = setting(least=0, most=0.999)
    sensitivity: Names = setting()
    specificity: Names = setting()
    prevalence: float = setting(least=0, most=1)
    allow_int8: bool = setting()


@dataclass(frozen=True)
class Finetune:
    """Section [finetune]: how a network is trained further on films."""

    head: Names
    dropout: float = setting(least=0, most=0.95)
    batch_norm: bool = setting()
    layers: str = setting()
    warm_epochs: int = setting(least=0)
    epochs: int = setting(least=0)
    calm_epochs: int = setting(least=0)
    train_batch_size: int = setting(least=1)
    learning_rate: float = setting(least=0, most=10)
    warm_learning_rate: float = setting(least=0, most=10)
    optimiser: str = setting(choices=("adam", "adamw", "sgd"))
    schedule: str = setting(choices=("cosine", "plateau", "constant"))
    weight_decay: float = setting(least=0, most=1)
    average: float = setting(least=0, most=1)
    loss: str = setting(choices=("crossentropy", "focal"))
    label_smoothing: float = setting(least=0, most=0.9)
    focal_gamma: float = setting(least=0, most=10)
    balance_by: str = setting(choices=("none", "weights", "sampling"))
    best_by: str = setting(choices=("accuracy", "loss", "last"))
    patience: int = setting(least=0)
    distil: float = setting(least=0, most=100)
    refit: bool = setting()
    val_fraction: float = setting(least=0.01, most=0.5)
    augment: float = setting(least=0, most=3)
    augment_ranges: Names = setting()
    augment_rare: float = setting(least=1, most=3)
    mirror_films: bool = setting()
    never: Paths = setting()
    workers: int = setting(least=0, most=1024)
    train_precision: str = setting(choices=("auto", "f32", "bf16", "f16"))


@dataclass(frozen=True)
class Gate:
    """Section [gate]: from where on a film is unlike the training, and what gets no answer."""

    false_alarms: float = setting(least=0.0001, most=0.5)
    far: float = setting(least=1.0)
    colour: float = setting(least=0, most=1)
    refuse: Names = setting(choices=("", *choices.REFUSED))


@dataclass(frozen=True)
class Signing:
    """Section [signing]: who vouches for the model that is made."""

    sign: str


@dataclass(frozen=True)
class AnyHead:
    """Section [any_head]: which head the job `train` fits."""

    head: str


@dataclass(frozen=True)
class Track:
    """Section [track]: the MLflow store that is told of the run."""

    mlflow: str = setting(bare="session")
    experiment: str = setting()


@dataclass(frozen=True)
class Registry:
    """Section [registry]: under which name MLflow keeps the model."""

    register: str
    alias: str


@dataclass(frozen=True)
class Compare:
    """Section [compare]: who is compared, over which folds."""

    backbones: Names
    heads: Names
    folds: int = setting(least=2, most=20, words={"source": 0})
    splits: Names = setting(choices=("auto", "source", "patient", "image"), others=("column:*",))

    def __post_init__(self) -> None:
        """Read --folds source as folds by source before all others, whose number stays."""
        if self.folds == 0:
            plain = ("patient", "image") if self.splits == ("auto",) else self.splits
            others = tuple(by for by in plain if by != "source")
            object.__setattr__(self, "folds", 5)
            object.__setattr__(self, "splits", ("source", *others))


@dataclass(frozen=True)
class Bench:
    """Section [bench]: who is measured side by side."""

    peers: Names = setting(choices=("", *choices.PEERS))
    rounds: int = setting(least=1)
    limit: int = setting(least=2)
    scaling: bool = setting()
    keep_as: str = setting()


@dataclass(frozen=True)
class Audit:
    """Section [audit]: what is asked of the data, and from where on an answer is bad."""

    manifest: str
    split_column: str
    same_labels: Names
    lung_masks: str
    films_per_label: int = setting(least=0)
    examples: int = setting(least=0, most=100)
    warn_way: float = setting(least=0, most=1)
    fail_way: float = setting(least=0, most=1)
    warn_association: float = setting(least=0, most=1)
    fail_association: float = setting(least=0, most=1)
    warn_changed: float = setting(least=0, most=1)
    fail_changed: float = setting(least=0, most=1)
    heat: bool = setting()
    warn_heat: float = setting(least=1.0)
    fail_heat: float = setting(least=1.0)
    warn_alike: float = setting(least=0, most=1)
    fail_alike: float = setting(least=0, most=1)
    warn_ece: float = setting(least=0, most=1)
    fail_ece: float = setting(least=0, most=1)


@dataclass(frozen=True)
class Explain:
    """Section [explain]: which films, how, and what is drawn of them."""

    model: str
    require_signature: str
    table: str
    where: str
    limit: int = setting(least=0)
    method: str = setting(choices=choices.EXPLAIN_METHODS)
    label: str = setting()
    boxes: str = setting()
    boxes_size: int = setting(least=0)
    box_findings: Names = setting()
    scale: float = setting(least=0.0)
    exact: bool = setting()
    pictures: bool = setting()
    longest: int = setting(least=0)
    shown: int = setting(least=0, most=50)
    batch_size: int = setting(least=1)
    device: str = setting()


@dataclass(frozen=True)
class Evaluate:
    """Section [evaluate]: which model, on which films or scores, and which label means which."""

    model: str
    require_signature: str
    table: str
    classes: Names
    prevalence: float = setting(least=0, most=1)
    resamples: int = setting(least=100)
    batch_size: int = setting(least=1)
    device: str = setting()


@dataclass(frozen=True)
class Similar:
    """Section [similar]: which films, and among which vectors those most like them are found."""

    images: Paths
    model: str
    require_signature: str
    features: str
    count: int = setting(least=1, most=50)
    pictures: bool = setting()
    device: str = setting()


@dataclass(frozen=True)
class Score:
    """Section [score]: which model scores which films into which table."""

    model: str
    require_signature: str
    images: Paths
    paths: str
    new_since: str
    features: str
    features_key: str
    features_column: str
    table: str
    calibrate: str
    rescore: bool
    watch: bool
    interval: float = setting(least=0.1)
    wait: bool = setting()
    max_files_per_trigger: int = setting(least=1, most=1_000_000)
    max_bytes_per_trigger: int = setting(least=1)
    read: str = setting(choices=choices.READERS)
    max_bytes: int = setting(least=1, most=2_000_000_000)
    format: str = setting(choices=choices.TABLE_FORMATS)
    also: str = setting(choices=("", "csv", "jsonl"))
    explain: int = setting(least=0, most=100_000)
    reduce: str = setting(choices=choices.REDUCE)
    precision: str = setting(choices=("", "int8"))
    refuse: Names = setting(choices=("", *choices.REFUSED))
    batch_size: int = setting(least=1)
    device: str = setting()

    def __post_init__(self) -> None:
        """Add the list of --paths to the images."""
        images = places(self.images, self.paths, self.new_since)
        object.__setattr__(self, "images", images)


@dataclass(frozen=True)
class WatchScores:
    """Section [watch]: which table of scores is watched, against what, and how strictly."""

    table: str
    films: str
    labels: str
    key_column: str
    label_column: str
    model: str
    by: str = setting(choices=("week", "day"))
    time: str = setting(choices=("scored_at", "modified"))
    reference: int = setting(least=2, most=104)
    false_alarms: float = setting(least=0.0001, most=0.5)
    fail_on_alarm: bool = setting()


@dataclass(frozen=True)
class Drift:
    """Section [drift]: how far films may move from those of the training without a warning."""

    warn_share: float = setting(least=0, most=1)
    warn_confidence: float = setting(least=0, most=1)
    warn_distance: float = setting(least=0.0)
    warn_unlike: float = setting(least=0, most=1)


@dataclass(frozen=True)
class Serve:
    """Section [serve]: which model answers, where, and what a request may cost."""

    model: str
    require_signature: str
    host: str
    port: int = setting(least=0, most=65535)
    token_file: str = setting()
    open: bool = setting()
    threads: int = setting(least=0, most=1024)
    device: str = setting()
    max_body_bytes: int = setting(least=1, most=2_000_000_000)
    max_image_pixels: int = setting(least=1)
    max_images: int = setting(least=1, most=10_000)
    max_waiting: int = setting(least=1, most=100_000)
    max_held_bytes: int = setting(least=1)
    max_connections: int = setting(least=1, most=100_000)
    max_client_connections: int = setting(least=1, most=100_000)
    allow_host: Names = setting()
    allow_origin: Names = setting()
    seconds: float = setting(least=0.1, most=3600)
    uncertain: float = setting(least=0, most=1)
    reduce: str = setting(choices=choices.REDUCE)
    refuse: Names = setting(choices=("", *choices.REFUSED))
    neighbours: str = setting()


@dataclass(frozen=True)
class Load:
    """Section [load]: which server is asked, by how many."""

    url: str
    images: Paths
    clients: Names
    seconds: float = setting(least=0.1, most=3600)
    model: str = setting()
    token_file: str = setting()


@dataclass(frozen=True)
class Config:
    """All settings of one run."""

    run: Run
    stores: Stores
    phantoms: Phantoms
    ingest: Ingest
    lungs: LungSearch
    look: FilmLook
    pack: Pack
    features: Features
    export: Export
    train: Train
    finetune: Finetune
    gate: Gate
    signing: Signing
    any_head: AnyHead
    track: Track
    registry: Registry
    compare: Compare
    bench: Bench
    audit: Audit
    score: Score
    explain: Explain
    evaluate: Evaluate
    similar: Similar
    drift: Drift
    watch: WatchScores
    serve: Serve
    load: Load
    runs: RunList


SECTIONS: dict[str, Any] = get_type_hints(Config)
WITHOUT_OUT = frozenset(("score", "serve", "load", "runs"))
"""Sections of verbs that write to a place of their own or nowhere, and take nothing of [run]."""
_TRAIN = ("phantoms", "ingest", "features", "train", "gate")
FLAGS_OF = {
    "train": (*_TRAIN, "signing", "track", "registry"),
    "finetune": (*_TRAIN, "signing", "finetune", "track", "registry"),
    "compare": ("phantoms", "ingest", "features", "train", "compare", "track"),
    "audit": ("ingest", "features", "audit"),
    "evaluate": ("ingest", "evaluate", "track"),
}
"""The sections that are flags of a job, where reports write its command line out again."""
