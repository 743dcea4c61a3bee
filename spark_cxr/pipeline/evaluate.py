"""Predictions → figures, also without the films on which the network was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.film_list import (
    EXACT,
    NEAR,
    FilmList,
    film_rows,
    find,
    lists_of,
    salt_of,
)
from spark_cxr.backbones.network import Network
from spark_cxr.metrics import Metrics, Overlap, Part, measure, measure_parts
from spark_cxr.metrics.net_benefit import DecisionCurve, decision_curves
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.pipeline.heads import LABEL_INDEX, PREDICTION_INDEX, PROBABILITY
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.subgroups import Subgroups, missed_disease
from spark_cxr.schemas import GROUP, LABEL, PATH, SOURCE, VIEW
from spark_cxr.settings import Config

EVALUATOR_METRICS = ("accuracy", "f1", "weightedPrecision", "weightedRecall", "logLoss")
PIXELS, LOOKS = "pixels_sha256", "looks"
FOUND = "found"
PHANTOM = "phantom"
"""With this begins the source that the manifest of phantoms names."""
_FOUND = f"path string, {FOUND} string"
Batches = Iterator[pa.RecordBatch]


def mllib_metrics(scored: DataFrame) -> dict[str, float]:
    """Measure with MLlib's own evaluator, one measure after the other."""
    evaluator = MulticlassClassificationEvaluator(
        labelCol=LABEL_INDEX, predictionCol=PREDICTION_INDEX, probabilityCol=PROBABILITY
    )
    return {
        name: evaluator.evaluate(scored, {evaluator.metricName: name}) for name in EVALUATOR_METRICS
    }


@dataclass(frozen=True)
class TestAnswers:
    """Test predictions on the driver: a label, a group and a few numbers for each film."""

    truth: list[str]
    probabilities: NDArray[np.float64]
    groups: list[str]
    """Each named by the first of its films: patients' pseudonyms hang on a key, and what is drawn
    from groups in the order of their names must not."""
    sources: list[str | None]
    views: list[str | None]

    def measured(self, labels: tuple[str, ...], seed: int, resamples: int) -> Metrics:
        """Measure them, with intervals from resampling groups."""
        given = (self.truth, self.probabilities, labels, self.groups)
        return measure(*given, seed=seed, resamples=resamples)

    def decision_curves(self, labels: tuple[str, ...], cfg: Config) -> tuple[DecisionCurve, ...]:
        """Trace what acting on the answers would be worth, class by class."""
        has = np.array(self.truth, object)[:, None] == np.array(labels, object)
        given = (has.astype(np.float64), self.probabilities, labels, self.groups)
        return decision_curves(*given, seed=cfg.run.seed, resamples=cfg.train.resamples)


def answers_of(predictions: DataFrame, labels: tuple[str, ...]) -> TestAnswers:
    """Bring test predictions (`schemas.TEST_PREDICTIONS`) to the driver, in the order of paths."""
    shares = [F.col("probabilities")[label].alias(f"p{i}") for i, label in enumerate(labels)]
    rows = predictions.select(PATH, LABEL, GROUP, SOURCE, VIEW, *shares).orderBy(PATH).toPandas()
    return TestAnswers(
        list(rows[LABEL]),
        rows[[f"p{i}" for i in range(len(labels))]].to_numpy(),
        list(rows.groupby(GROUP)[PATH].transform("min")),
        list(rows[SOURCE]),
        list(rows[VIEW]),
    )


def measure_predictions(
    predictions: DataFrame, labels: tuple[str, ...], seed: int, resamples: int
) -> Metrics:
    """Measure test predictions, with intervals from resampling groups."""
    return answers_of(predictions, labels).measured(labels, seed, resamples)


def missed_by_group(
    answers: TestAnswers, labels: tuple[str, ...], subgroups: Subgroups, cfg: Config
) -> SubgroupGaps | None:
    """Hold the missed disease of each subgroup, source and view against that of the others."""
    return missed_disease(
        answers.truth,
        answers.probabilities,
        labels,
        answers.groups,
        subgroups.beside(answers.sources, answers.views),
        seed=cfg.run.seed,
        resamples=cfg.train.resamples,
    )


def count_shared(rows: DataFrame) -> int:
    """Count the test images whose patient or twin is in training."""
    trained = rows.where(~F.col(IS_TEST)).select(GROUP).distinct()
    return rows.where(F.col(IS_TEST)).join(trained, on=GROUP, how="left_semi").count()


def is_drawn() -> Column:
    """Tell phantoms from films, by their source."""
    return F.coalesce(F.startswith(F.col(SOURCE), F.lit(PHANTOM)), F.lit(False))


def marked(images: DataFrame, tested: DataFrame, network: Network) -> DataFrame | None:
    """Say of each film of a test whether the network was trained on it: path and `found`.

    Args:
        images: `schemas.IMAGES`.
        tested: Has the paths of the test.
        network: What made their vectors.

    Returns:
        `found` is exact, near or null; None where the network has no list of its films.
    """
    lists = lists_of(network.weights)
    if lists is None:
        return None
    paths = F.broadcast(tested.select(PATH))
    # Phantoms of two patients look as alike as copies of one film: only exact copies count.
    looks = F.when(~is_drawn(), F.col(LOOKS)).alias(LOOKS)
    films = images.join(paths, on=PATH, how="left_semi").select(PATH, PIXELS, looks)
    return films.mapInArrow(_finder(lists), _FOUND)


def overlap_of(
    marks: DataFrame | None,
    predictions: DataFrame,
    labels: tuple[str, ...],
    network: Network,
    cfg: Config,
) -> Overlap:
    """Count the test films that a network was trained on, and measure on the others.

    Args:
        marks: As `marked` gives them.
        predictions: `schemas.TEST_PREDICTIONS`.
        labels: The classes; empty: only count, as for films of several findings.
        network: What made their vectors.
        cfg: Seed and number of resamples.
    """
    if marks is None:
        return Overlap(network.backbone, predictions.count(), None, None)
    both = predictions.join(F.broadcast(marks), on=PATH, how="left").persist()
    kind = F.col(FOUND)
    counts = (F.count_if(kind == name) for name in (EXACT, NEAR))
    n, exact, near = both.agg(F.count(F.lit(1)), *counts).collect()[0]
    others: tuple[Part, ...] = ()
    if labels and 0 < exact + near < n:
        rest = answers_of(both.where(kind.isNull()).drop(FOUND), labels)
        others = measure_parts(
            rest.truth,
            rest.probabilities,
            labels,
            rest.groups,
            ["the other test films"] * len(rest.truth),
            seed=cfg.run.seed,
            resamples=cfg.train.resamples,
        )
    both.unpersist()
    return Overlap(network.backbone, n, exact, near, *others)


def list_films(images: DataFrame, learned: DataFrame) -> FilmList:
    """List the films with these paths; the driver gets 104 bytes of each, which is the list."""
    paths = learned.select(PATH)
    films = images.join(paths, on=PATH, how="left_semi").select(PIXELS, LOOKS).persist()
    count, lot = films.agg(F.count(F.lit(1)), F.bit_xor(F.xxhash64(PIXELS))).collect()[0]
    salt = salt_of(count, lot or 0)
    packed = films.mapInArrow(_lister(salt), "row binary").toPandas()["row"]
    films.unpersist()
    return FilmList.of(salt, [bytes(each) for each in packed])


def _finder(lists: Sequence[FilmList]) -> Callable[[Batches], Batches]:
    def look_up(batches: Batches) -> Batches:
        for batch in batches:
            found = find(lists, batch[PIXELS].to_pylist(), batch[LOOKS].to_pylist())
            columns = [batch[PATH].cast(pa.string()), pa.array(found, pa.string())]
            yield pa.RecordBatch.from_arrays(columns, names=[PATH, FOUND])

    return look_up


def _lister(salt: bytes) -> Callable[[Batches], Batches]:
    def hash_films(batches: Batches) -> Batches:
        for batch in batches:
            rows = film_rows(salt, batch[PIXELS].to_pylist(), batch[LOOKS].to_pylist())
            packed = [row.tobytes() for row in rows]
            yield pa.RecordBatch.from_arrays([pa.array(packed, pa.binary())], names=["row"])

    return hash_films
