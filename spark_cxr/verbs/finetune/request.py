"""The settings of a fine-tuning, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from spark_cxr.backbones import catalog, weights
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.weights import Weights
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.output import is_here
from spark_cxr.settings import Config, Finetune
from spark_cxr.training.network import check_layers
from spark_cxr.training.recipe import LARGEST, Augment, Recipe
from spark_cxr.training.team import need_torch

LINEAR = "linear"
RANGES = tuple(item.name for item in fields(Augment) if item.name != "mirror")


@dataclass(frozen=True)
class Start:
    """The network to train, and the weights that it starts from."""

    backbone: Backbone
    weights: Weights


def recipe_of(cfg: Config) -> Recipe:
    """Read how to train, and refuse what cannot be done."""
    settings = cfg.finetune
    _check(cfg)
    return Recipe(
        seed=cfg.run.seed,
        head=_units(settings.head),
        dropout=settings.dropout,
        batch_norm=settings.batch_norm,
        layers=settings.layers,
        warm_epochs=settings.warm_epochs,
        epochs=settings.epochs,
        calm_epochs=settings.calm_epochs,
        batch_size=settings.train_batch_size,
        learning_rate=settings.learning_rate,
        warm_learning_rate=settings.warm_learning_rate,
        optimiser=settings.optimiser,
        schedule=settings.schedule,
        weight_decay=settings.weight_decay,
        average=settings.average,
        loss=settings.loss,
        label_smoothing=settings.label_smoothing,
        focal_gamma=settings.focal_gamma,
        balance=settings.balance_by,
        best_by=_best_by(cfg),
        patience=settings.patience,
        distil=settings.distil,
        refit=settings.refit,
        precision=settings.train_precision,
        augment=_augment(settings),
        augment_rare=settings.augment_rare,
    )


def _augment(settings: Finetune) -> Augment:
    """Read the strength of all changes, and the ranges of single ones."""
    ranges = dict[str, Any]()
    for word in settings.augment_ranges:
        name, _, number = word.partition("=")
        if name not in RANGES:
            received, way_out = f"--augment-ranges {word}", nearest(name, RANGES)
            raise ConfigError("a range that augmentation has", received, way_out)
        most = getattr(LARGEST, name)
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            received, way_out = f"--augment-ranges {word}", f"Write it like {name}={most / 10:g}"
            raise ConfigError(f"{name} as a number from 0 to {most:g}", received, way_out)
        ranges[name] = value
    return replace(Augment().times(settings.augment), mirror=settings.mirror_films, **ranges)


def _best_by(cfg: Config) -> str:
    """Choose the best epoch of findings by the loss over what is known, unless it is the last."""
    best_by = cfg.finetune.best_by
    return "loss" if cfg.ingest.findings and best_by == "accuracy" else best_by


def network_of(cfg: Config) -> Backbone:
    """Find the network, and refuse one that cannot be trained."""
    row = own.find_wanted(cfg.features)
    if row.is_graph:
        received, way_out = Path(row.file).name, "Give it as FILE.keras; as it is, it featurizes"
        raise ConfigError("a network that Keras can train", received, way_out)
    if row.engines == ("fake",):
        known = ", ".join(name for name in catalog.names() if name != row.name)
        way_out = f"Take --backbone FILE.keras, or one of {known}"
        raise ConfigError("a network that can learn", row.name, way_out)
    return row


def start_of(cfg: Config) -> Start:
    """Find the network and its weights, and check which layers are to be trained."""
    backbone = network_of(cfg)
    start = Start(backbone, weights.resolve(cfg.features.weights, backbone, cfg.features.mirror))
    check_layers(backbone, cfg.finetune.layers)
    return start


def with_weights(cfg: Config, trained: Path) -> Config:
    """Set the weights that the network was trained to."""
    features = cfg.features
    if own.is_own(features.backbone):
        features = replace(features, backbone=str(trained), normalising="", card="")
        return replace(cfg, features=features)
    return replace(cfg, features=replace(features, weights=str(trained)))


def _check(cfg: Config) -> None:
    settings = cfg.finetune
    if settings.warm_epochs + settings.epochs < 1:
        received = "--warm-epochs 0 --epochs 0"
        raise ConfigError("at least one epoch", received, "Raise one of them")
    if settings.workers and settings.train_batch_size % settings.workers:
        received = f"--train-batch-size {settings.train_batch_size} --workers {settings.workers}"
        expected = "a --train-batch-size that --workers can share"
        raise ConfigError(expected, received, "Take a multiple of it")
    if settings.workers:
        need_torch()
        if not is_here(cfg.run.out):
            received, way_out = f"--out {cfg.run.out}", "Name a folder that all nodes see"
            raise ConfigError("an --out that is a folder, for --workers", received, way_out)
    if settings.never and cfg.features.table:
        received = f"--table {cfg.features.table}"
        way_out = "Name their folders: twins are found among films that are ingested together"
        raise ConfigError("--images beside --never", received, way_out)
    for given, flag, way_out in (
        (cfg.train.features, "--features", "Name the films: --images DIR or --table DIR"),
        (cfg.train.tune, "--tune", "It is for heads on frozen features: jobs/train.py"),
        (cfg.train.balance, "--balance", "Say --balance-by weights, or sampling"),
        (
            cfg.ingest.findings and settings.balance_by == "sampling",
            "--balance-by sampling with --findings",
            "A film has several: say --balance-by weights, or none",
        ),
        (
            cfg.ingest.findings and settings.augment_rare != 1,
            "--augment-rare with --findings",
            "A film has several: leave it out",
        ),
        (
            cfg.ingest.findings and cfg.train.classes,
            "--classes beside --findings",
            "Name findings as in --findings A,B",
        ),
    ):
        if given:
            raise ConfigError("a fine-tuning without this flag", flag, way_out)


def _units(words: tuple[str, ...]) -> tuple[int, ...]:
    """Read the layers of the head."""
    if words == (LINEAR,):
        return ()
    if not words or not all(word.isdigit() and 0 < int(word) < 100_000 for word in words):
        expected = "--head linear, or numbers of units with commas between"
        raise ConfigError(expected, ",".join(words) or "nothing", "Say --head 512,256,64")
    return tuple(map(int, words))
