"""A trained head → its predictions on the test, its figures, and a model directory.

The directory holds the whole recipe and nothing executable.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr import __version__
from spark_cxr.backbones import film_list
from spark_cxr.backbones.engines.plan import INT8
from spark_cxr.backbones.network import copy_without_places
from spark_cxr.backbones.user_network import without_folder
from spark_cxr.backbones.weights import Weights
from spark_cxr.heads.catalog import Setting
from spark_cxr.heads.portable import pack
from spark_cxr.images.sight import FILM
from spark_cxr.metrics import Metrics
from spark_cxr.metrics.finding_records import FindingMetrics
from spark_cxr.metrics.wording import overlap_in_words
from spark_cxr.model.manifest import (
    ARRAYS,
    FILMS,
    REFERENCE,
    Manifest,
    Origin,
    digests,
    write_manifest,
)
from spark_cxr.model.reference import FEWEST, Reference, describe, own_distances
from spark_cxr.output import Output, locate
from spark_cxr.pipeline.decision_trial import figures_of_classes, recalibrated_classes
from spark_cxr.pipeline.evaluate import (
    answers_of,
    count_shared,
    list_films,
    marked,
    missed_by_group,
    mllib_metrics,
    overlap_of,
)
from spark_cxr.pipeline.film_run import limits_of
from spark_cxr.pipeline.heads import predictions_of
from spark_cxr.pipeline.model_examples import leave_examples
from spark_cxr.pipeline.partition import fingerprint
from spark_cxr.pipeline.progress import stage
from spark_cxr.pipeline.splits import IS_TEST, is_drawn
from spark_cxr.pipeline.subgroups import subgroups_of
from spark_cxr.pipeline.trial import (
    UNDECIDED,
    DecisionStep,
    FindingResult,
    FittedHead,
    HeadTitle,
    Learning,
    TrainingResult,
    Trial,
)
from spark_cxr.pipeline.tune import Tuned
from spark_cxr.schemas import FEATURES, GROUP, SHA256, TEST_PREDICTIONS
from spark_cxr.settings import Gate

NETWORK = "network"
MEASURES = ("n", "accuracy", "f1_macro", "auc_macro", "log_loss", "brier", "ece")
FINDING_MEASURES = ("auc", "average_precision", "sensitivity", "specificity", "brier")
PACKAGES = ("pyspark", "numpy", "openvino", "keras")
AnyResult = TrainingResult | FindingResult
MOST = 4000
"""Training films that are described, drawn by hash: more hardly move a mean and 64 axes."""


def try_out(
    head: HeadTitle,
    model: FittedHead,
    trial: Trial,
    started: float,
    setting: Setting = (),
    tuned: Tuned | None = None,
    learning: Learning = lambda _: (),
    step: DecisionStep = UNDECIDED,
) -> TrainingResult:
    """Score the films that test, measure, and leave `predictions/` and `model/`.

    Args:
        head: What the model is called.
        model: Adds the columns of `heads.HeadModel`.
        trial: Films, settings, and where to write.
        started: When the fitting began, by the monotonic clock.
        setting: Of the head.
        tuned: How that was found.
        learning: Says what fewer films would have brought.
        step: How probabilities become answers, as training films have shown.
    """
    cfg, labels = trial.cfg, trial.partition.labels
    print_ = fingerprint(trial.partition.rows)
    scored, predictions = _scored(model, trial, f"{head.name}-{print_}", step)
    answers, subgroups = answers_of(predictions, labels), subgroups_of(predictions, trial.images)
    metrics = answers.measured(labels, cfg.run.seed, cfg.train.resamples)
    network = trial.features.plan.network
    marks = marked(trial.images, predictions, network)
    result = TrainingResult(
        head=head,
        partition=trial.partition,
        fingerprint=print_,
        metrics=metrics,
        mllib=mllib_metrics(scored),
        shared=count_shared(trial.partition.rows),
        overlap=overlap_of(marks, predictions, labels, network, cfg),
        setting=setting,
        tuned=tuned,
        learning=learning(metrics),
        seconds=time.monotonic() - started,
        answers=answers,
        subgroups=subgroups,
        gaps=missed_by_group(answers, labels, subgroups, cfg),
        decision=step,
        decision_figures=figures_of_classes(step.decision, scored, answers, labels, cfg),
    )
    scored.unpersist()
    trained = trial.prepared.where(~F.col(IS_TEST))
    known = reference_of(trained, predictions, labels, cfg.gate, cfg.run.seed)
    write_model(model, result, trial, known, predictions)
    return result


def _scored(
    model: FittedHead, trial: Trial, name: str, step: DecisionStep
) -> tuple[DataFrame, DataFrame]:
    """Score the films that test, and leave `predictions/`; the first table is kept in memory."""
    stage("testing")
    scored = model.transform(trial.prepared.where(F.col(IS_TEST)))
    scored = recalibrated_classes(scored, step.decision).persist()
    rows = predictions_of(scored, trial.partition.labels, name)
    trial.output.write_table(rows, "predictions")
    table = trial.output.table("predictions")
    return scored, scored.sparkSession.read.schema(TEST_PREDICTIONS).parquet(table)


def write_model(
    model: FittedHead, result: AnyResult, trial: Trial, known: Reference, predictions: DataFrame
) -> None:
    """Write head, reference, network, examples, and last `model.json`: else it is no model."""
    stage("writing the model")
    directory, cfg, used = Output(trial.output.table("model")), trial.cfg, trial.features.used
    directory.write_bytes(ARRAYS, pack(model.keep(directory)))
    directory.write_bytes(REFERENCE, known.pack())
    _leave_films_and_network(trial, directory, predictions, result.labels)
    network = trial.features.plan.network
    plain = replace(cfg.train, split=_plain(cfg.train.split))
    drawn = {"test": cfg.train.test_fraction, "seed": cfg.run.seed} if is_drawn(cfg.train) else {}
    manifest = Manifest(
        name=f"{result.head.name}-{result.fingerprint}",
        labels=result.labels,
        head=model.name,
        setting=dict(result.setting),
        backbone=network.backbone,
        weights=_origin(network.weights),
        preprocessing=network.preprocessing,
        engine=used.engine,
        precision=used.precision,
        device=used.device,
        network=NETWORK if network.path else "",
        features=network.dim,
        limits=limits_of(cfg.ingest),
        metrics=_figures(result.metrics),
        thresholds=result.thresholds if isinstance(result, FindingResult) else {},
        overlap={**result.overlap.to_json(), "said": overlap_in_words(result.overlap)},
        data=result.fingerprint,
        split={"how": str(result.split_words(plain)), **drawn},
        versions=_versions(),
        files=digests(directory),
        calibration=network.quantisation.calibration if network.quantisation else "",
        see=network.see if network.see != FILM else "",
        allows=(INT8,) if cfg.train.allow_int8 else (),
        vectors=trial.features.elsewhere.for_model() if trial.features.elsewhere else {},
        decision=result.decision.decision or None,
    )
    write_manifest(directory, manifest, cfg.signing.sign)


def _leave_films_and_network(
    trial: Trial, directory: Output, predictions: DataFrame, labels: Sequence[str]
) -> None:
    """Leave the list of films that trained and pictures of some that tested, and the network."""
    if not trial.features.elsewhere:
        trained = trial.partition.rows.where(~F.col(IS_TEST))
        directory.write_bytes(FILMS, film_list.pack([list_films(trial.images, trained)]))
        leave_examples(predictions, labels, trial.cfg, directory)
    if path := trial.features.plan.network.path:
        _copy(Path(path), directory)


def _origin(weights: Weights) -> Origin:
    return Origin(
        kind=weights.kind,
        sha256=weights.sha256,
        origin=without_folder(weights.origin),
        licence=weights.licence,
        caveat=weights.caveat,
    )


def _figures(found: Metrics | FindingMetrics) -> dict[str, float | None]:
    """Give the figures of the test, each with the ends of its interval where it has one."""
    if isinstance(found, FindingMetrics):
        return _figures_of_findings(found)
    figures: dict[str, float | None] = {}
    for name in MEASURES:
        figures[name] = getattr(found, name)
        if ends := getattr(found.intervals, name, None):
            figures |= {f"{name}_low": ends.low, f"{name}_high": ends.high}
    return figures


def _figures_of_findings(found: FindingMetrics) -> dict[str, float | None]:
    """Give the means over findings, and an AUC of each."""
    named = [(f"{name}_macro", getattr(found.macro, name)) for name in FINDING_MEASURES]
    named += [("auc_micro", found.micro.auc)]
    named += [(f"auc {row.finding}", row.figures.auc) for row in found.rows]
    figures: dict[str, float | None] = {"n": found.n}
    for name, estimate in named:
        figures[name] = estimate.value
        if ends := estimate.interval:
            figures |= {f"{name}_low": ends.low, f"{name}_high": ends.high}
    return figures


def _copy(network: Path, directory: Output) -> None:
    """Stream the network's file, which may be large, into the directory."""
    store, root = locate(directory.address)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / NETWORK
        copy_without_places(network, plain)
        with plain.open("rb") as source, store.open_output_stream(f"{root}/{NETWORK}") as target:
            shutil.copyfileobj(source, target, 1 << 20)


def _plain(split: str) -> str:
    """Leave out where on this machine a split file lies: the model may go to others."""
    return without_folder(split) if split.lower().endswith(".csv") else split


def _versions() -> dict[str, str]:
    installed = {package.metadata["Name"].lower() for package in metadata.distributions()}
    found = {name: metadata.version(name) for name in PACKAGES if name in installed}
    return {"spark_cxr": __version__, "python": platform.python_version(), **found}


def reference_of(
    train_rows: DataFrame,
    predictions: DataFrame,
    labels: tuple[str, ...],
    gate: Gate,
    seed: int,
    thresholds: Mapping[str, float] | None = None,
) -> Reference:
    """Describe the films of the training, and the predictions on those of the test.

    With the `thresholds` of findings, the share of each is that of films at or above it.
    """
    vectors, groups = _drawn(train_rows, seed)
    own = own_distances(vectors, groups, seed)
    own = own[own > 0]  # a limit of zero would make everything infinitely far
    limit = float(np.quantile(own, 1 - gate.false_alarms)) if len(own) >= FEWEST else np.inf
    if thresholds:
        points = {label: thresholds[label] for label in labels}
        shares, confidence, spread = _findings(predictions, points)
    else:
        shares, confidence, spread = _answers(predictions, labels)
    return Reference(
        cloud=describe(vectors, seed),
        limit=limit,
        false_alarms=gate.false_alarms,
        far=gate.far,
        refuses_unlike=float("unlike" in gate.refuse),
        most_colour=gate.colour,
        distance=float(np.mean(own / limit)) if len(own) else 0.0,
        distance_spread=float(np.std(own / limit)) if len(own) else 0.0,
        shares=shares,
        confidence=confidence,
        confidence_spread=spread,
    )


def _drawn(train_rows: DataFrame, seed: int) -> tuple[np.ndarray, list[str]]:
    """Bring a bounded number of vectors to the driver, in an order of their own, as raw bytes."""

    def as_bytes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Within a function, so that a worker does not import this file and MLlib with it.
        for batch in batches:
            vectors = [np.asarray(v.values, np.float32).tobytes() for v in batch[FEATURES]]
            yield pa.RecordBatch.from_arrays([batch[GROUP], pa.array(vectors)], [GROUP, FEATURES])

    lot = F.xxhash64(F.lit(seed), F.col(SHA256))
    vector = vector_to_array(F.col(FEATURES), "float32")
    drawn = train_rows.select(GROUP, vector.alias(FEATURES), lot.alias("lot"), SHA256)
    drawn = drawn.orderBy("lot", SHA256, GROUP).limit(MOST).select(GROUP, FEATURES)
    rows = drawn.mapInArrow(as_bytes, f"{GROUP} string, {FEATURES} binary").collect()
    vectors = np.stack([np.frombuffer(row[FEATURES], np.float32) for row in rows])
    return vectors.astype(np.float64), [row[GROUP] for row in rows]


def _answers(
    predictions: DataFrame, labels: tuple[str, ...]
) -> tuple[dict[str, float], float, float]:
    """Average the predictions of a head on films that were not in its training."""
    sure = F.col("confidence")
    sums = F.count("*").alias("n"), F.sum(sure).alias("one"), F.sum(sure * sure).alias("two")
    rows = {r["prediction"]: r for r in predictions.groupBy("prediction").agg(*sums).collect()}
    n = sum(row["n"] for row in rows.values())
    mean = sum(row["one"] for row in rows.values()) / n
    square = sum(row["two"] for row in rows.values()) / n
    shares = {label: rows[label]["n"] / n if label in rows else 0.0 for label in labels}
    return shares, mean, max(0.0, square - mean * mean) ** 0.5


def _findings(
    predictions: DataFrame, thresholds: Mapping[str, float]
) -> tuple[dict[str, float], float, float]:
    """Do the same with predictions of findings, each of which is there or not."""
    shares = F.col("probabilities")
    positive = [
        F.avg((shares[name] >= F.lit(float(point))).cast("double"))
        for name, point in thresholds.items()
    ]
    sure = F.col("confidence")
    mean, spread, *found = predictions.agg(F.avg(sure), F.stddev_pop(sure), *positive).collect()[0]
    return dict(zip(thresholds, found, strict=True)), mean, spread
