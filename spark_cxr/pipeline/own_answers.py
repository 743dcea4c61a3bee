"""A network's own answers in the place of a head: nothing is trained, what it says is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones import user_network
from spark_cxr.backbones.card import Card
from spark_cxr.errors import ConfigError, few
from spark_cxr.heads.portable import FindingHeads
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.output import Output
from spark_cxr.pipeline.finding_counts import FindingTally
from spark_cxr.pipeline.finding_heads import ANSWERS, FittedFindings
from spark_cxr.pipeline.finding_names import FindingNames
from spark_cxr.schemas import FEATURES
from spark_cxr.settings import Features

OWN = "own"
"""What `--head` says for it."""
SIGMOID, PROBABILITIES = "sigmoid", "none"
"""What the card says of answers: log odds, or probabilities as they are."""


@dataclass(frozen=True)
class OwnHead:
    """What a network answers by itself, finding by finding."""

    labels: tuple[str, ...]
    """As its card names them, in the order of the answers."""
    activation: str
    name: str = OWN
    title: str = "The network's own answers"
    learns: bool = False

    @property
    def places(self) -> Mapping[str, int]:
        """Give the place of each finding among the answers, by the names that films have."""
        names = FindingNames()
        return {names.of(label): place for place, label in enumerate(self.labels)}

    def known(self, counts: Sequence[FindingTally]) -> tuple[FindingTally, ...]:
        """Keep the findings of which the network says something.

        Raises:
            ConfigError: There is none.
        """
        kept = tuple(count for count in counts if count.finding in self.places)
        if not kept:
            received = f"{few(self.labels)}; the films have {few([c.finding for c in counts])}"
            way_out = "Name synonyms in the description of the data set, or train a head"
            raise ConfigError("a finding that films and network share", received, way_out)
        return kept

    def fitted(
        self, rows: DataFrame, counts: Sequence[FindingTally], features: int
    ) -> FittedFindings:
        """Give the answers to these findings in the form of trained heads; no film is looked at."""
        places = {count.finding: self.places[count.finding] for count in counts}
        model = OwnModel(places, len(self.labels), self.activation)
        return FittedFindings(model, {}, has_learned=False)

    def settled(self, found: FittedFindings) -> None:
        """Give nothing: more films would bring nothing."""


@dataclass(frozen=True)
class OwnModel:
    """Answers that are vectors already."""

    places: Mapping[str, int]
    """Of each finding among the numbers of a vector."""
    answers: int
    activation: str
    name: str = OWN

    def transform(self, dataset: DataFrame) -> DataFrame:
        """Add `finding_probabilities`."""
        numbers = vector_to_array(F.col(FEATURES))
        answers = [numbers[place] for place in self.places.values()]
        if self.activation == SIGMOID:
            answers = [1 / (1 + F.exp(-answer)) for answer in answers]
        return dataset.withColumn(ANSWERS, F.array(*answers))

    def keep(self, directory: Output) -> FindingHeads:
        """Give it as heads that take one number of the vector each; there is nothing to save."""
        return FindingHeads(tuple(self._head(place) for place in self.places.values()))

    def _head(self, place: int) -> Linear:
        own = np.eye(self.answers)[place]
        if self.activation == SIGMOID:
            return Linear(np.stack([0 * own, own]), np.zeros(2), "softmax")
        return Linear(np.stack([-own, own]), np.array([1.0, 0.0]), "share")


def own_head(settings: Features) -> tuple[OwnHead, Features]:
    """Read a network's own head off its card; also give the settings whose vectors are its answers.

    Raises:
        ConfigError: The network has none that can be used.
    """
    card = user_network.find_wanted(settings).card
    if card is None or not (card.answers and card.labels):
        received = f"{settings.backbone}, of which no card says so"
        way_out = "Say answers and labels in its card (docs/networks.md), or take another --head"
        raise ConfigError("a network with answers of its own for --head own", received, way_out)
    if card.activation not in (SIGMOID, PROBABILITIES):
        received, way_out = f"activation = {card.activation}", "Train a head"
        raise ConfigError("answers of which several can hold for --head own", received, way_out)
    answering = replace(card, vector=card.answers, pooling="none", maps="")
    return OwnHead(card.labels, card.activation), replace(settings, card=_entries(answering))


def _entries(card: Card) -> str:
    """Write a card as `--card` takes it."""
    stated = {name: value for name, value in asdict(card).items() if value not in ("", ())}
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in stated.items())
