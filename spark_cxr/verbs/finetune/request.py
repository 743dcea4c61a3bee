"""What a fine-tuning is asked for, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from spark_cxr.backbones import catalog, weights
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.weights import Weights
from spark_cxr.errors import ConfigError
from spark_cxr.output import is_here
from spark_cxr.settings import Config
from spark_cxr.training.network import check_layers
from spark_cxr.training.recipe import Augment, Recipe
from spark_cxr.training.team import need_torch

LINEAR = "linear"


@dataclass(frozen=True)
class Start:
    """The network that is to learn, and what it knows already."""

    backbone: Backbone
    weights: Weights


def recipe_of(cfg: Config) -> Recipe:
    """Read how to train, or say what cannot be done so."""
    asked = cfg.finetune
    _check(cfg)
    augment = replace(Augment().times(asked.augment), mirror=asked.mirror_films)
    return Recipe(
        seed=cfg.run.seed,
        head=_units(asked.head),
        dropout=asked.dropout,
        batch_norm=asked.batch_norm,
        layers=asked.layers,
        warm_epochs=asked.warm_epochs,
        epochs=asked.epochs,
        calm_epochs=asked.calm_epochs,
        batch_size=asked.train_batch_size,
        learning_rate=asked.learning_rate,
        warm_learning_rate=asked.warm_learning_rate,
        optimiser=asked.optimiser,
        schedule=asked.schedule,
        weight_decay=asked.weight_decay,
        average=asked.average,
        loss=asked.loss,
        label_smoothing=asked.label_smoothing,
        focal_gamma=asked.focal_gamma,
        balance=asked.balance_by,
        best_by=asked.best_by,
        patience=asked.patience,
        distil=asked.distil,
        refit=asked.refit,
        precision=asked.train_precision,
        augment=augment,
    )


def network_of(cfg: Config) -> Backbone:
    """Find the network, or say why it cannot learn."""
    row = own.find(cfg.features.backbone, cfg.features.normalising)
    if row.engines == ("fake",):
        known = ", ".join(name for name in catalog.names() if name != row.name)
        way_out = f"Take --backbone FILE.keras, or one of {known}"
        raise ConfigError("a network that can learn", row.name, way_out)
    return row


def start_of(cfg: Config) -> Start:
    """Find the network and its weights, and the layers that are to learn."""
    asked, row = cfg.features, network_of(cfg)
    found = Start(row, weights.resolve(asked.weights, row, asked.mirror))
    check_layers(row, cfg.finetune.layers)
    return found


def with_weights(cfg: Config, trained: Path) -> Config:
    """Ask for the same network with what it has learned."""
    asked = cfg.features
    if own.is_own(asked.backbone):
        return replace(cfg, features=replace(asked, backbone=str(trained), normalising=""))
    return replace(cfg, features=replace(asked, weights=str(trained)))


def _check(cfg: Config) -> None:
    asked = cfg.finetune
    if asked.warm_epochs + asked.epochs < 1:
        received = "--warm-epochs 0 --epochs 0"
        raise ConfigError("at least one epoch", received, "Raise one of them")
    if asked.workers and asked.train_batch_size % asked.workers:
        received = f"--train-batch-size {asked.train_batch_size} --workers {asked.workers}"
        expected = "a --train-batch-size that --workers can share"
        raise ConfigError(expected, received, "Take a multiple of it")
    if asked.workers:
        need_torch()
        if not is_here(cfg.run.out):
            received, way_out = f"--out {cfg.run.out}", "Name a folder that all nodes see"
            raise ConfigError("an --out that is a folder, for --workers", received, way_out)
    if asked.never and cfg.features.table:
        received = f"--table {cfg.features.table}"
        way_out = "Name their folders: twins are found among films that are ingested together"
        raise ConfigError("--images beside --never", received, way_out)
    for given, flag, way_out in (
        (cfg.train.features, "--features", "Name the films: --images DIR or --table DIR"),
        (cfg.train.tune, "--tune", "It is for heads on frozen features: jobs/train.py"),
        (cfg.train.balance, "--balance", "Say --balance-by weights, or sampling"),
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
