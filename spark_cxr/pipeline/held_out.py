"""What a head says of training films that it has not learned from: out of fold, by patient.

Probabilities of films that a head has learned are too good. So the same head is fitted once more
for each fold of the training films, without that fold, and says what it makes of the fold. The test
has no part in this. Only labels, probabilities and groups come to the driver, of a bounded number
of films.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.heads.catalog import Head
from spark_cxr.pipeline.finding_counts import FindingTally, count_findings
from spark_cxr.pipeline.finding_heads import ANSWERS, FindingHead
from spark_cxr.pipeline.heads import LABEL_INDEX, PROBABILITY, HeadRecipe, fit
from spark_cxr.pipeline.tune import FOLD, with_folds
from spark_cxr.schemas import FINDINGS, GROUP, PATH, SHA256
from spark_cxr.settings import Train

HELD_OUT = "held_out_fold"
MOST = 20_000
"""Films from which is learned, drawn by hash: more hardly move a temperature or a threshold."""
TRUTH = "truth"
ANSWER = "answer"


@dataclass(frozen=True)
class HeldOut:
    """What a head says of films that it has not learned from, on the driver, by path."""

    truth: NDArray[np.float64]
    """The number of the class of each film; of findings (films, findings): 1, 0, NaN: unknown."""
    probabilities: NDArray[np.float64]
    """(films, labels)."""
    groups: tuple[str, ...]
    """Each named by the first of its films, as in `evaluate.TestAnswers`."""

    def part(self, rows: NDArray[np.bool_]) -> HeldOut:
        """Take some of the films."""
        groups = [group for group, is_in in zip(self.groups, rows, strict=True) if is_in]
        return HeldOut(self.truth[rows], self.probabilities[rows], tuple(groups))

    def of(self, place: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say of which films a label is known, and which of these have it."""
        if self.truth.ndim == 1:
            return np.ones(len(self.truth), dtype=bool), self.truth == place
        known = ~np.isnan(self.truth[:, place])
        return known, self.truth[known, place] == 1


@dataclass(frozen=True)
class HeldOutFolds:
    """The films that train in folds by patient: path and `held_out_fold`."""

    rows: DataFrame | None = None
    """None where nothing is to be learned from them, or nothing can be."""
    obstacle: str = ""
    """Why nothing can be."""

    def joined(self, films: DataFrame) -> DataFrame:
        """Add `held_out_fold` to films; those that do not train have none."""
        return films if self.rows is None else films.join(self.rows, on=PATH, how="left")


NO_FOLDS = HeldOutFolds()
"""Where nothing is to be learned from held-out films."""


def held_out_folds(films: DataFrame, train: Train, seed: int) -> HeldOutFolds:
    """Deal the films that train into folds by patient."""
    try:
        folded = with_folds(films, train.split, train.calibration_folds, seed)
    except InputError as error:
        expected, received, _ = error.args
        return HeldOutFolds(None, f"it takes {expected}, and there are {received}")
    trained = folded.where(F.col(FOLD).isNotNull())
    return HeldOutFolds(trained.select(PATH, F.col(FOLD).alias(HELD_OUT)))


def held_out_classes(
    head: Head, rows: DataFrame, recipe: HeadRecipe, labels: int, dim: int, train: Train
) -> HeldOut:
    """Fit a head of classes without each fold, and let it say what it makes of that.

    Args:
        head: Which.
        rows: Those that train, as `heads.prepare_rows` gives them, with `held_out_fold`; kept in
            memory by the caller.
        recipe: As the head that is kept was fitted.
        labels: How many classes there are.
        dim: The numbers of a vector.
        train: How many folds, and how many are fitted at the same time.
    """
    table = rows.groupBy(HELD_OUT, LABEL_INDEX).count().collect()
    some = drawn(rows, sum(row["count"] for row in table), recipe.seed)

    def scored(fold: int) -> DataFrame:
        counts = dict[float, int]()
        for row in table:
            if row[HELD_OUT] != fold:
                counts[row[LABEL_INDEX]] = counts.get(row[LABEL_INDEX], 0) + row["count"]
        known = rows.where(F.col(HELD_OUT) != fold)
        return fit(head, known, recipe, counts, dim).transform(some.where(F.col(HELD_OUT) == fold))

    return answers_of_classes(_each_fold(scored, train), labels)


def answers_of_classes(scored: DataFrame, labels: int) -> HeldOut:
    """Bring to the driver what a head says of films, and what they are."""
    shares = vector_to_array(F.col(PROBABILITY))
    found = _on_driver(scored, [F.col(LABEL_INDEX)], [shares[n] for n in range(labels)])
    return replace(found, truth=found.truth[:, 0])


def held_out_findings(
    head: FindingHead,
    rows: DataFrame,
    trained: Sequence[FindingTally],
    dim: int,
    train: Train,
    seed: int,
) -> HeldOut:
    """Do the same with a head for each finding, over the films where it is known.

    Args:
        head: What is fitted for each, with its settings.
        rows: Those that train, as `finding_heads.prepare_findings` gives them.
        trained: The findings of the model, in its order.
        dim: The numbers of a vector.
        train: As in `held_out_classes`.
        seed: Of the films that are drawn.
    """
    names = [count.finding for count in trained]
    some = drawn(rows, rows.count(), seed)

    def scored(fold: int) -> DataFrame:
        known = rows.where(F.col(HELD_OUT) != fold)
        counts = [c for c in count_findings(known) if c.finding in names and c.is_enough(1)]
        fitted = head.fitted(known, counts, dim)
        places = {count.finding: place for place, count in enumerate(counts)}
        answers = [
            F.col(ANSWERS)[places[name]] if name in places else F.lit(None).cast("double")
            for name in names
        ]
        of_fold = fitted.model.transform(some.where(F.col(HELD_OUT) == fold))
        return of_fold.withColumn(ANSWERS, F.array(*answers))

    # Heads of a fold are fitted at the same time, so folds are not.
    return answers_of_findings(_each_fold(scored, replace(train, parallelism=1)), names)


def answers_of_findings(scored: DataFrame, findings: Sequence[str]) -> HeldOut:
    """Bring to the driver what heads of findings say of films, and what is known of these."""
    truth = [F.col(FINDINGS)[name].cast("double") for name in findings]
    found = _on_driver(scored, truth, [F.col(ANSWERS)[n] for n in range(len(findings))])
    is_open = np.isnan(found.probabilities)  # no head could be fitted without this fold
    known = np.where(is_open, np.nan, found.truth)
    return replace(found, truth=known, probabilities=np.where(is_open, 0.5, found.probabilities))


def drawn(rows: DataFrame, films: int, seed: int) -> DataFrame:
    """Take a bounded number of films, by a hash of what they are."""
    if films <= MOST:
        return rows
    lot = F.xxhash64(F.lit(seed), F.col(SHA256))
    some = rows.select(PATH, lot.alias("lot"), SHA256).orderBy("lot", SHA256, PATH).limit(MOST)
    return rows.join(F.broadcast(some.select(PATH)), on=PATH, how="left_semi")


def _each_fold(scored: Callable[[int], DataFrame], train: Train) -> DataFrame:
    with ThreadPoolExecutor(train.parallelism) as threads:
        return reduce(DataFrame.unionByName, threads.map(scored, range(train.calibration_folds)))


def _on_driver(scored: DataFrame, truth: Sequence[Column], answers: Sequence[Column]) -> HeldOut:
    named = [each.alias(f"{TRUTH}{n}") for n, each in enumerate(truth)]
    named += [each.alias(f"{ANSWER}{n}") for n, each in enumerate(answers)]
    rows = scored.select(PATH, GROUP, *named).orderBy(PATH).toPandas()
    known = rows[[f"{TRUTH}{n}" for n in range(len(truth))]].to_numpy(np.float64)
    shares = rows[[f"{ANSWER}{n}" for n in range(len(answers))]].to_numpy(np.float64)
    groups = tuple(rows.groupby(GROUP)[PATH].transform("min"))
    return HeldOut(known, shares, groups)
