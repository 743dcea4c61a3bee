"""Films of another place → what a model says of each, beside its label: one pass over the films."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.film_list import FilmList, find, unpack
from spark_cxr.errors import InputError
from spark_cxr.images.film import Pixels
from spark_cxr.images.fit import Fit
from spark_cxr.metrics import Overlap
from spark_cxr.metrics.class_alignment import align_classes
from spark_cxr.metrics.results import Row
from spark_cxr.model.manifest import FILMS, Manifest, read_member
from spark_cxr.model.model import Model
from spark_cxr.model.predictor import Picture, look_at_film, refusal_of
from spark_cxr.output import Output
from spark_cxr.pipeline.classes import read_classes
from spark_cxr.pipeline.data_summary import are_drawn, data_caveats
from spark_cxr.pipeline.evaluate import marked, overlap_of
from spark_cxr.pipeline.feature_cache import FeatureCache
from spark_cxr.pipeline.film_pass import arrow_schema
from spark_cxr.pipeline.ingest import IngestResult, Reasons, ingesting
from spark_cxr.pipeline.networks import used_by_workers
from spark_cxr.pipeline.reading import Copies
from spark_cxr.schemas import EVALUATED, FEATURES, FINDINGS, LABEL, PATH, columns
from spark_cxr.settings import Config, Ingest

SIGHT = "is_chest_film boolean, coloured double, picture_flags array<string>"
"""What a model asks of a film besides its vector."""
LISTED = ("pixels_sha256", "looks")
"""By these a film is looked up in the list of those that the model was trained on."""
PLAIN = (
    *("sha256", LABEL, "source", "group_id", "view", "findings"),
    *("age", "sex", "maker", "device"),
)
"""Columns of the films that are passed on as they are."""


@dataclass(frozen=True)
class EvaluationSource:
    """Where the predictions come from, and what is known of their films."""

    files: int
    images: int
    patients: int | None
    """None where patients are not known."""
    unreadable: int
    """Files of which there is no prediction, because they are no images to work with."""
    reasons: Reasons
    knows_training: bool
    """Whether films of the model's training were looked for."""
    overlap: Overlap
    caveats: tuple[str, ...] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)
    """What is to be said of the pass over films."""
    lines: tuple[str, ...] = ()
    spent: tuple[Row, ...] = ()


def evaluated_films(
    spark: SparkSession,
    cfg: Config,
    model: Model,
    lists: tuple[FilmList, ...] | None,
    output: Output,
) -> EvaluationSource:
    """Ingest films and let a model look at each: leave `images/`, `quarantine/`, `predictions/`.

    Films without a label get no row in `predictions`. `lists` has the films of its training.
    """
    ingest = with_findings(cfg.ingest, model.manifest)
    cache = FeatureCache(model.plan, used_by_workers(spark, model.plan))
    sight = Copies(SIGHT, partial(_sight, fit=model.plan.network.fit))
    with ingesting(spark, ingest, output, [cache], sight) as (ingested, films):
        known = ingested.images.where(F.col(LABEL).isNotNull())
        vectors = films.select(PATH, F.col("vectors")[0].alias(FEATURES), *columns(SIGHT))
        rows = vectors.join(
            F.broadcast(known.select(PATH, "flags", *LISTED, *PLAIN)), on=PATH, how="inner"
        )
        rows = rows.mapInArrow(_looker(model, lists or ()), EVALUATED)
        output.write_table(rows.select(*columns(EVALUATED)), "predictions")
    if not (labelled := known.count()):
        received = f"none of {ingested.n_images:,} films has one"
        raise InputError("films with labels", received, "Say --labels FILE.csv")
    return EvaluationSource(
        files=ingested.files,
        images=labelled,
        patients=ingested.patients or None,
        unreadable=ingested.quarantined,
        reasons=ingested.reasons,
        knows_training=lists is not None,
        overlap=_overlap(spark, ingested, model, cfg, output),
        caveats=tuple(_caveats(ingested, are_drawn(known))),
        counts=ingested.pass_counts(),
        lines=tuple(ingested.times.lines),
        spent=ingested.times.facts,
    )


def _caveats(ingested: IngestResult, drawn: bool) -> Iterator[str]:
    yield from data_caveats(replace(ingested, without_patient=0), drawn)  # nothing is split here
    if ingested.patients and ingested.without_patient:
        films = f"{ingested.without_patient:,} of {ingested.n_images:,} films"
        yield f"{films} name no patient: each counts as a patient of its own."


def with_findings(settings: Ingest, manifest: Manifest) -> Ingest:
    """Read the labels as findings for a model of findings."""
    if not manifest.is_of_findings:
        return settings
    return replace(settings, findings=settings.findings or ("all",))


def _overlap(
    spark: SparkSession, ingested: IngestResult, model: Model, cfg: Config, output: Output
) -> Overlap:
    """Count the measured films that the network below the head was trained on."""
    rows = spark.read.schema(EVALUATED).parquet(output.table("predictions"))
    new, network = _measured(rows, model.manifest, cfg), model.plan.network
    return overlap_of(marked(ingested.images, new, network), new, (), network, cfg)


def _measured(rows: DataFrame, manifest: Manifest, cfg: Config) -> DataFrame:
    """Take the films that it has not learned from, and whose labels say something it knows."""
    new = rows.where(F.col("learned").isNull())
    if manifest.is_of_findings:
        known = F.coalesce(*(F.col(FINDINGS)[name] for name in manifest.labels))
        return new.where(known.isNotNull())
    labels = [row[LABEL] for row in new.select(LABEL).distinct().collect()]
    if not labels:
        return new
    parts = read_classes(cfg.evaluate.classes).parts
    return new.where(F.col(LABEL).isin(*align_classes(manifest.labels, labels, parts).of_labels))


def training_films(place: Output, manifest: Manifest) -> tuple[FilmList, ...] | None:
    """Give the list of the films that a model was trained on; None: an older one has none."""
    if FILMS not in manifest.files:
        return None
    return unpack(read_member(place, manifest, FILMS))


def _sight(pixels: Pixels, fit: Fit) -> dict[str, Any]:
    picture = look_at_film(pixels, (), fit)[0]
    return {
        "is_chest_film": picture.is_chest_film,
        "coloured": picture.coloured,
        "picture_flags": list(picture.flags),
    }


def _looker(
    model: Model, lists: Sequence[FilmList]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that gives rows of `EVALUATED` on the workers."""
    predictor, name = model.predictor, model.manifest.identity
    schema = arrow_schema(EVALUATED)

    def row(film: dict[str, Any], learned: str | None) -> dict[str, Any]:
        vector = np.asarray(film[FEATURES], np.float64)
        flags = (*film["flags"], *film["picture_flags"])
        picture = Picture(film["is_chest_film"], film["coloured"], flags)
        shown = predictor.predict(vector, picture)
        # A film that is refused is answered all the same here, to say what refusing it is worth.
        found = predictor.answer(vector) if refusal_of(shown.flags) else shown
        return {
            **{column: film[column] for column in (PATH, *PLAIN)},
            "prediction": found.label,
            "confidence": found.confidence,
            "probabilities": list(found.probabilities.items()),
            "model": name,
            "scored_at": datetime.now(UTC),
            "training_distance": shown.distance,
            "flags": list(shown.flags),
            "learned": learned,
        }

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            films = batch.to_pylist()
            learned = find(lists, *([film[column] for film in films] for column in LISTED))
            rows = [row(*pair) for pair in zip(films, learned, strict=True)]
            yield pa.RecordBatch.from_pylist(rows, schema)

    return look
