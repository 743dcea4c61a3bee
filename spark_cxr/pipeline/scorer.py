"""A model directory on Spark's workers: files in, predictions out, in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan, batch_size_for
from spark_cxr.backbones.featurize import Vector, vectors_by
from spark_cxr.errors import BadImage
from spark_cxr.images.clock import Clock
from spark_cxr.images.film import Film
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, View, opener
from spark_cxr.model.manifest import check_takes_films
from spark_cxr.model.model import Model, network_of, open_manifest, read_predictor
from spark_cxr.model.predictor import Prediction, look_at_film, prediction_pass
from spark_cxr.output import Output, absolute
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.networks import on_this_worker, ship, threads_of
from spark_cxr.pipeline.progress import Watch
from spark_cxr.schemas import FILES, columns

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
SCORED_FILES = (
    "path string, sha256 string, modified bigint, bytes bigint, prediction string, "
    "confidence double, probabilities map<string,double>, "
    "training_distance double, flags array<string>, "
    "reason string, detail string, is_same boolean, is_unsettled boolean, "
    "verdicts map<string,string>"
)
"""One row a file; `modified` in microseconds, which no time zone can bend on the way."""


def open_scorer(
    spark: SparkSession | None,
    directory: str,
    batch_size: int = 32,
    device: str = "auto",
    public_key: str = "",
) -> Model:
    """Open a model directory as `load_model` does, and ship its network to workers elsewhere."""
    place = Output(absolute(directory).rstrip("/"))
    manifest = open_manifest(place, public_key)
    check_takes_films(manifest)
    network = network_of(place, manifest, into_cache=True)
    if spark is not None:
        ship(spark, network)
    plan = Plan(
        network=network,
        threads=threads_of(spark) if spark is not None else 1,
        precision=manifest.precision,
        device=device,
        batch_size=batch_size_for(batch_size, manifest.engine, device),
    )
    return Model(manifest, plan, read_predictor(place, manifest), manifest.limits)


@dataclass(frozen=True)
class ScoredFile:
    """What became of one file: a prediction, a reason, or a content that was scored before."""

    path: str
    bytes: int
    sha256: str | None = None
    modified: int | None = None
    """Microseconds since 1970."""
    prediction: str | None = None
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    training_distance: float = 0.0
    flags: tuple[str, ...] = ()
    reason: str | None = None
    detail: str | None = None
    is_same: bool = False
    is_unsettled: bool = False
    """It was gone, or had another size, when it was to be read: nothing is known of it."""
    verdicts: Mapping[str, str] = field(default_factory=dict)


def look_at(
    files: DataFrame,
    model: Model,
    known: Mapping[str, tuple[str, ...]],
    reduces: bool = False,
    watch: Watch | None = None,
) -> list[ScoredFile]:
    """Look at files (`schemas.FILES`), and bring a row for each to the driver: they are a batch.

    `known` has the digests under which files of this batch were scored before, by path. With
    `reduces` films may be decoded at a lower resolution than they have.
    """
    named = files.withColumn("modified", F.unix_micros("modified")).select(*columns(FILES))
    rows = over_films(named, lambda: scoring_pass(model, known, reduces), SCORED_FILES, watch)
    return [scored_file(row.asDict()) for row in rows.collect()]


def scored_file(row: Row) -> ScoredFile:
    """Read a row of the pass."""
    return ScoredFile(**{name: value for name, value in row.items() if value is not None})


def scoring_pass(
    model: Model, known: Mapping[str, tuple[str, ...]], reduces: bool = False
) -> TablePass:
    """Make the pass from files to predictions; runs on the workers."""
    plan, clock = on_this_worker(model.plan), Clock()

    def skip(file: TableFile, content: Content) -> Row | None:
        """Leave a file alone that is still growing, or known by its content."""
        if content.weight != file["bytes"]:
            detail = f"{file['bytes']} bytes when it was listed, {content.weight} when it was read"
            # Without its digest: this content may lie here later, whole and settled.
            why = {"reason": "truncated", "detail": detail}
            return {**file.row(), **why, "is_same": False, "is_unsettled": True}
        if content.sha256 in known.get(file["path"], ()):
            return {**file.row(), "sha256": content.sha256, "is_same": True}
        return None

    def look(file: TableFile, content: Content, film: Film) -> FilmViews[Row]:
        with clock.stage("resizing"):
            picture, pixels = look_at_film(film.pixels, film.flags, plan.network.fit)
        row = {**file.row(), "sha256": content.sha256, "is_same": False, "picture": picture}
        return FilmViews(row, (View(pixels),))

    def refuse(file: TableFile, content: Content, bad: BadImage) -> Row:
        why = {"reason": bad.reason, "detail": bad.detail}
        digest = None if bad.reason == "unreadable" else content.sha256
        return {**file.row(), "sha256": digest, "is_same": False, **why}

    def row(note: Row, found: tuple[Vector, ...]) -> Row:
        if not found:
            return note
        picture = note.pop("picture")
        return note | prediction_row(model.predictor.predict(found[0], picture))

    enough_hw = plan.network.enough_hw if reduces else None
    open_ = opener(look, refuse, model.limits, skip, clock=clock, enough_hw=enough_hw)
    return FilmPass(open_, row, (vectors_by(plan),), plan.threads, clock=clock)


def predict_images(batches: Iterator[pd.Series], model: Model) -> Iterator[list[Prediction]]:
    """Predict the batches of a column of encoded images; runs on the workers."""
    films = prediction_pass(on_this_worker(model.plan), model.limits, model.predictor)
    return films.rows([Content(each or b"") for each in batch] for batch in batches)


def prediction_row(found: Prediction) -> Row:
    """Give a prediction as columns; those of the class are null or empty where none is named."""
    return {
        "prediction": found.label or None,
        "confidence": found.confidence,
        "probabilities": dict(found.probabilities),
        "training_distance": found.distance,
        "flags": list(found.flags),
        "verdicts": dict(found.verdicts),
    }
