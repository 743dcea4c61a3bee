"""How classifiers are fitted, compared and kept."""

from __future__ import annotations

from dataclasses import dataclass

from spark_cxr.settings.fields import Names, Paths, setting


@dataclass(frozen=True)
class Train:
    """Section [train]: which classes, which split."""

    features: str
    classes: Names
    test_images: Paths
    split: str = setting(choices=("patient", "image"), others=("column:*", "*.csv"))
    crossing: str = setting(choices=("error", "drop", "keep"))
    test_fraction: float = setting(least=0.01, most=0.99)
    resamples: int = setting(least=100)
    learning_curve: bool = setting()
    explained: int = setting(least=0, most=20)
    balance: bool = setting()
    tune: bool = setting()
    tune_folds: int = setting(least=2)
    parallelism: int = setting(least=1)


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
    mirror_films: bool = setting()
    never: Paths = setting()
    workers: int = setting(least=0, most=1024)
    train_precision: str = setting(choices=("auto", "f32", "bf16", "f16"))


@dataclass(frozen=True)
class Gate:
    """Section [gate]: from where on a film is unlike those of the training."""

    false_alarms: float = setting(least=0.0001, most=0.5)
    far: float = setting(least=1.0)
    colour: float = setting(least=0, most=1)


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
    folds: int = setting(least=2, most=20)
    splits: Names = setting(choices=("patient", "image"), others=("column:*",))
