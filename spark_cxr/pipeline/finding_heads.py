"""Feature vectors → a trained head for each finding, and their predictions on other films.

Each head learns from the films whose answer to its finding is known. Vectors are joined, shuffled
and kept in memory once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from pyspark.ml import Model
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads.catalog import Head, Setting
from spark_cxr.heads.portable import FindingHeads
from spark_cxr.model.findings import NO_FINDING, SIGN
from spark_cxr.output import Output
from spark_cxr.pipeline.finding_counts import FindingTally
from spark_cxr.pipeline.heads import (
    HEAD,
    LABEL_INDEX,
    PREDICTION_INDEX,
    PROBABILITY,
    HeadModel,
    HeadRecipe,
    fit,
)
from spark_cxr.pipeline.trial import FittedHead
from spark_cxr.pipeline.tune import Tuned, tune
from spark_cxr.schemas import FEATURES, FINDINGS, TEST_FINDINGS, columns

ANSWERS = "finding_probabilities"
"""A probability for each finding, in the model's order."""
ABSENT = "absent"


class FindingModel(Model):
    """Trained heads, one a finding: adds `finding_probabilities`."""

    def __init__(self, head: Head, models: Mapping[str, HeadModel]) -> None:
        """Keep the head's row, and the trained head of each finding in the model's order."""
        super().__init__()
        self.head = head
        self.models = dict(models)

    @property
    def name(self) -> str:
        """Name the head."""
        return self.head.name

    def keep(self, directory: Output) -> FindingHeads:
        """Save MLlib's own form of each, `head/00` first, and read the portable ones from them."""
        numbered = enumerate(self.models.values())
        return FindingHeads(tuple(m.keep(directory, f"{HEAD}/{n:02}") for n, m in numbered))

    def _transform(self, dataset: DataFrame) -> DataFrame:
        scored, answers = dataset, list[str]()
        for number, model in enumerate(self.models.values()):
            answer = vector_to_array(F.col(PROBABILITY))[1]
            scored = model.transform(scored).withColumn(f"_{number}", answer)
            scored = scored.drop(PREDICTION_INDEX, PROBABILITY)
            answers.append(f"_{number}")
        return scored.select(*dataset.columns, F.array(*answers).alias(ANSWERS))


@dataclass(frozen=True)
class FittedFindings:
    """Trained heads, and what `--tune` has found for each."""

    model: FittedHead
    tuned: Mapping[str, Tuned]
    """Empty without `--tune`."""
    setting: Setting = ()
    """Of all of them; with `--tune` that of each, by `finding: name`."""
    has_learned: bool = True
    """From these films: its answers know how frequent a finding is there."""


class FindingHead(Protocol):
    """What can answer findings: a head that is fitted for each, or a network by itself."""

    @property
    def name(self) -> str:
        """Give the word for files and tables."""
        ...

    @property
    def title(self) -> str:
        """Give the words for people."""
        ...

    @property
    def learns(self) -> bool:
        """Tell whether it learns from films, or answers as it is."""
        ...

    def known(self, counts: Sequence[FindingTally]) -> tuple[FindingTally, ...]:
        """Keep the findings that it can answer."""
        ...

    def fitted(
        self, rows: DataFrame, counts: Sequence[FindingTally], features: int
    ) -> FittedFindings:
        """Learn these findings from rows that `prepare_findings` gave, of so many numbers each."""
        ...

    def settled(self, found: FittedFindings) -> FindingHead | None:
        """Keep the settings that were found, for other films; None where nothing is learned."""
        ...


def prepare_findings(rows: DataFrame) -> DataFrame:
    """Bring feature rows into the form that MLlib's heads take."""
    return rows.withColumn(FEATURES, array_to_vector(F.col(FEATURES)))


def fit_findings(
    head: Head,
    rows: DataFrame,
    counts: Sequence[FindingTally],
    recipe: HeadRecipe,
    features: int,
    parallelism: int,
    folds: int = 0,
    settings: Mapping[str, Setting] | None = None,
) -> FittedFindings:
    """Fit a head for each finding on the rows where it is known.

    Args:
        head: Which.
        rows: As `prepare_findings` gives them, kept in memory by the caller.
        counts: The findings, and how many of these films have each and have it not.
        recipe: How.
        features: The numbers of a vector.
        parallelism: How many are fitted at the same time.
        folds: Tune each over that many folds; 0: take the recipe's setting.
        settings: Of findings that have one of their own.
    """
    own = settings or {}

    def fitted(count: FindingTally) -> tuple[HeadModel, Tuned | None]:
        known = known_rows(rows, count.finding)
        if folds:
            return tune(head, known, folds, recipe, 1)
        films = {0.0: count.negative, 1.0: count.positive}
        how = replace(recipe, setting=own.get(count.finding, recipe.setting))
        return fit(head, known, how, films, features), None

    with ThreadPoolExecutor(parallelism) as threads:
        found = list(threads.map(fitted, counts))
    names = [count.finding for count in counts]
    models = dict(zip(names, (model for model, _ in found), strict=True))
    tuned = {name: t for name, (_, t) in zip(names, found, strict=True) if t is not None}
    return FittedFindings(FindingModel(head, models), tuned)


@dataclass(frozen=True)
class FindingFitter:
    """A head of MLlib, fitted for each finding on the films of which it is known."""

    head: Head
    recipe: HeadRecipe
    parallelism: int
    """How many are fitted at the same time."""
    folds: int = 0
    """Each is tuned over that many; 0: it takes its setting, or else the recipe's."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Of findings that have one of their own."""

    @property
    def name(self) -> str:
        """Give the word for files and tables."""
        return self.head.name

    @property
    def title(self) -> str:
        """Give the words for people."""
        return self.head.title

    @property
    def learns(self) -> bool:
        """Say that it learns from films."""
        return True

    def known(self, counts: Sequence[FindingTally]) -> tuple[FindingTally, ...]:
        """Keep all findings: a head can learn any."""
        return tuple(counts)

    def fitted(
        self, rows: DataFrame, counts: Sequence[FindingTally], features: int
    ) -> FittedFindings:
        """Fit a head for each finding; rows are kept in memory by the caller."""
        how = (self.recipe, features, self.parallelism, self.folds, self.settings)
        found = fit_findings(self.head, rows, counts, *how)
        pairs = ((finding, pair) for finding, tuned in found.tuned.items() for pair in tuned.best)
        setting = tuple((f"{finding}: {name}", value) for finding, (name, value) in pairs)
        return replace(found, setting=setting if found.tuned else self.head.default)

    def settled(self, found: FittedFindings) -> FindingFitter:
        """Keep the settings that tuning has found, for other films."""
        settings = {finding: tuned.best for finding, tuned in found.tuned.items()}
        return replace(self, folds=0, settings=settings or self.settings)


def known_rows(rows: DataFrame, finding: str) -> DataFrame:
    """Keep the films whose answer is known, as films of two classes."""
    has_it = F.col(FINDINGS)[finding]
    known = rows.where(has_it.isNotNull()).withColumn(LABEL_INDEX, has_it.cast("double"))
    return known.withMetadata(
        LABEL_INDEX, {"ml_attr": {"type": "nominal", "vals": [ABSENT, finding]}}
    )


def finding_predictions(
    scored: DataFrame, thresholds: Mapping[str, float], model: str
) -> DataFrame:
    """Give the predictions of these heads: one row a film (`schemas.TEST_FINDINGS`)."""
    names = F.array(*(F.lit(name) for name in thresholds))
    shares = F.map_from_arrays(names, F.col(ANSWERS))
    named = F.concat_ws(
        SIGN,
        *(
            F.when(F.col(ANSWERS)[number] >= threshold, F.lit(name))
            for number, (name, threshold) in enumerate(thresholds.items())
        ),
    )
    return scored.withColumns(
        {
            "prediction": F.when(named == "", NO_FINDING).otherwise(named),
            "confidence": F.array_max(ANSWERS),
            "probabilities": shares,
            "model": F.lit(model),
            "scored_at": F.current_timestamp(),
        }
    ).select(*columns(TEST_FINDINGS))
