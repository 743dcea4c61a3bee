"""What a training has to say: metrics.json, lines for the console, facts for the report."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import __version__, datasets
from spark_cxr.config import command_line
from spark_cxr.images.decode import decode
from spark_cxr.images.prepare import resize
from spark_cxr.output import locate
from spark_cxr.pipeline.experiment import SECTIONS, Experiment
from spark_cxr.report.records import (
    ClassCount,
    DataSummary,
    Mistake,
    QuarantineCount,
    RunSummary,
    SplitSummary,
    TrainingReport,
)
from spark_cxr.schemas import LABEL, PATH

PHANTOMS = "drawn phantoms"
THUMBNAIL = 192
MISTAKES = 8


def counts_of(done: Experiment) -> dict[str, Any]:
    """Give the content of metrics.json."""
    fitted = done.fitted
    return {
        **fitted.metrics.to_json(),
        "mllib": fitted.mllib,
        "n_train": fitted.n_train,
        "n_test": fitted.n_test,
        "files": done.ingested.files,
        "images": done.ingested.n_images,
        "quarantined": done.ingested.quarantined,
        "seconds_training": round(fitted.seconds, 2),
        "images_per_second": round(done.featurized.images_per_second, 1),
        "split": done.cfg.train.split,
        "test_images_with_patient_or_twin_in_training": fitted.shared,
        "data": PHANTOMS if done.drawn else list(done.cfg.ingest.images),
        "backbone": done.cfg.features.backbone,
        "engine": done.featurized.used.engine,
        "used": asdict(done.featurized.used),
        "weights": done.featurized.eye.ready.network.weights.origin,
        "reused": done.featurized.reused,
        "head": fitted.head.name,
        "caveats": list(caveats_of(done)),
    }


def headline_of(done: Experiment) -> dict[str, Any]:
    """Give the figures for the one line of JSON and run.json; metrics.json has them all."""
    names = ("accuracy", "f1_macro", "n_train", "n_test", "files", "images", "quarantined")
    figures = counts_of(done)
    return {name: figures[name] for name in (*names, "images_per_second", "split", "engine")}


def summary_of(done: Experiment, report: str) -> str:
    """Give the small table for the console."""
    found = done.fitted.metrics
    lines = [f"{'':<16}{'precision':>10}{'recall':>8}{'f1':>8}{'auc':>8}{'images':>8}"]
    columns = (found.precision, found.recall, found.f1, found.auc)
    for i, label in enumerate(found.labels):
        shown = [_shown(values[i]) for values in columns]
        lines.append(f"{label:<16}{shown[0]:>10}" + "".join(f"{x:>8}" for x in shown[1:]))
        lines[-1] += f"{found.support[i]:>8}"
    interval = found.intervals.accuracy
    ends = f" (95 % interval {interval.low:.3f} to {interval.high:.3f})" if interval else ""
    lines += [
        f"accuracy {found.accuracy:.3f}{ends} on {found.n} films of {found.groups} groups,"
        f" split by {done.cfg.train.split}",
        *(f"note: {caveat}" for caveat in caveats_of(done)),
        f"report: {report}",
    ]
    return "\n".join(lines)


def caveats_of(done: Experiment) -> Iterator[str]:
    """Say what a reader must know before believing a figure."""
    fitted = done.fitted
    if done.drawn:
        yield "The films are drawn phantoms: the figures say that the software runs, no more."
    if done.featurized.used.engine == "fake":
        yield (
            "The features come from the fake engine, a random projection of coarse pixels: "
            "no network has seen these films."
        )
    elif done.featurized.eye.ready.caveat:
        yield f"{done.featurized.eye.ready.caveat}."
    people = done.ingested
    if people.patients and people.without_patient:
        yield (
            f"{people.without_patient:,} of {people.n_images:,} films name no patient: each counts "
            "as a patient of its own, and two of one patient may stand on both sides of the split."
        )
    if fitted.shared:
        yield (
            f"Split by image: {fitted.shared:,} of {fitted.n_test:,} test films have their "
            "patient or a twin in training, so the figures are too good."
        )


def training_report(done: Experiment, predictions: DataFrame) -> TrainingReport:
    """Gather what the report of a training tells."""
    cfg, fitted, used = done.cfg, done.fitted, done.featurized.used
    return TrainingReport(
        job=f"train_{fitted.head.name}",
        title=f"{fitted.head.title} on {cfg.features.backbone} features",
        metrics=fitted.metrics,
        data=_data(done, predictions),
        split=_split(done),
        model=(
            ("Head", fitted.head.title),
            ("Backbone", cfg.features.backbone),
            ("Weights", done.featurized.eye.ready.network.weights.origin),
            ("Engine", f"{used.engine} on {used.device} in {used.precision}"),
            ("Name", f"{fitted.head.name}-{fitted.fingerprint}"),
        ),
        run=_run(done, predictions.sparkSession),
        caveats=tuple(caveats_of(done)),
        mistakes=tuple(_mistakes(predictions)),
    )


def _data(done: Experiment, predictions: DataFrame) -> DataSummary:
    cfg, ingested = done.cfg, done.ingested
    known = datasets.get(cfg.ingest.dataset) if cfg.ingest.dataset else None
    title = known.title if known else ", ".join(Path(i).name for i in cfg.ingest.images)
    notes = (("Licence", known.licence), ("Citation", known.citation)) if known else ()
    return DataSummary(
        name=PHANTOMS if done.drawn else title,
        source=", ".join(cfg.ingest.images),
        files=ingested.files,
        images=ingested.n_images,
        patients=ingested.patients or None,
        classes=tuple(_class_counts(done, predictions)),
        quarantined=tuple(QuarantineCount(reason, n) for reason, n in ingested.reasons),
        notes=notes,
    )


def _class_counts(done: Experiment, predictions: DataFrame) -> Iterator[ClassCount]:
    every = {r[LABEL]: r["count"] for r in done.featurized.rows.groupBy(LABEL).count().collect()}
    for label, test in zip(done.fitted.labels, done.fitted.metrics.support, strict=True):
        yield ClassCount(label, every[label] - test, test)


def _split(done: Experiment) -> SplitSummary:
    cfg, fitted = done.cfg, done.fitted
    known = done.ingested.patients > 0
    return SplitSummary(
        method=cfg.train.split,
        n_train=fitted.n_train,
        n_test=fitted.n_test,
        shared=fitted.shared if known else None,
        unit="patient" if known else None,
        notes=(("Seed", str(cfg.run.seed)), ("Share for the test", f"{cfg.train.test_fraction:g}")),
    )


def _run(done: Experiment, spark: SparkSession) -> RunSummary:
    flags = command_line(done.asked, SECTIONS)
    return RunSummary(
        commands=(f"spark-submit jobs/train_{done.fitted.head.name}.py {flags}",),
        config=(("All settings", "run.json beside this page"),),
        versions=(("spark_cxr", __version__), ("Spark", spark.version)),
        seconds=done.featurized.seconds + done.fitted.seconds,
        images_per_second=done.featurized.images_per_second,
    )


def _mistakes(predictions: DataFrame) -> Iterator[Mistake]:
    wrong = predictions.where(F.col(LABEL) != F.col("prediction"))
    worst = wrong.orderBy(F.desc("confidence"), PATH).limit(MISTAKES).collect()
    for row in worst:
        yield Mistake(
            path=row[PATH].rsplit("/", 1)[-1],
            true=row[LABEL],
            predicted=row["prediction"],
            probability=row["confidence"],
            image=_thumbnail(row[PATH]),
        )


def _thumbnail(path: str) -> bytes:
    from PIL import Image

    store, inside = locate(path)
    with store.open_input_stream(inside) as stream:
        pixels = decode(stream.read()).pixels
    height, width = pixels.shape[:2]
    scale = THUMBNAIL / max(height, width)
    small = resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))
    out = io.BytesIO()
    Image.fromarray(small).save(out, "JPEG", quality=80)
    return out.getvalue()


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
