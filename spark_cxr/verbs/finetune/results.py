"""What a fine-tuning is to do, and all that came of it: what its report tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spark_cxr.backbones.cache import cache_dir
from spark_cxr.output import Output, is_here, locate
from spark_cxr.pipeline.classes import Classes
from spark_cxr.pipeline.trial import TrainingRun
from spark_cxr.settings import Config
from spark_cxr.training.loop import SHEET
from spark_cxr.training.recipe import Recipe
from spark_cxr.training.task import TrainedNetwork
from spark_cxr.verbs.finetune.learners import Learners
from spark_cxr.verbs.finetune.request import Start
from spark_cxr.verbs.finetune.sources import LearningFilms


@dataclass(frozen=True)
class FinetunePlan:
    """What is to be done, with which films."""

    asked: Config
    """As the user said it."""
    recipe: Recipe
    start: Start
    known: LearningFilms
    classes: Classes
    output: Output


@dataclass(frozen=True)
class FinetuneResult:
    """All that there is to tell of a fine-tuning."""

    plan: FinetunePlan
    learners: Learners
    trained: TrainedNetwork
    experiment: TrainingRun
    seconds: float
    """Of the training of the network, since the last restart."""

    @property
    def sheet(self) -> bytes:
        """Read the films as the network saw them."""
        return (folder_of(self.plan.output) / SHEET).read_bytes()


def folder_of(output: Output) -> Path:
    """Find the training's place: --out itself, or what this machine has for one far away."""
    if is_here(output.address):
        return Path(locate(output.address)[1])
    folder = cache_dir("training") / output.address.replace("/", "_").replace(":", "_")
    folder.mkdir(exist_ok=True)
    return folder
