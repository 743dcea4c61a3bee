"""What every report says of its data: where they come from, what failed, what they cannot show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import datasets
from spark_cxr.backbones.catalog import FAKE_CAVEAT
from spark_cxr.datasets import PublishedResult
from spark_cxr.errors import without_password
from spark_cxr.images.film import DAMAGED, FLAGS
from spark_cxr.images.fit import Fit
from spark_cxr.metrics import measure_parts
from spark_cxr.metrics.results import (
    AuditSummary,
    ClassCount,
    DataSummary,
    Mistake,
    PartTable,
    QuarantineCount,
)
from spark_cxr.model.predictor import Predictor, look_at_film
from spark_cxr.pipeline.checks.summary import audit_summary, audit_without_films
from spark_cxr.pipeline.evaluate import TestAnswers, is_drawn
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.near_duplicates import clusters
from spark_cxr.pipeline.subgroups import Subgroups
from spark_cxr.pipeline.thumbnails import film_at, thumbnail
from spark_cxr.schemas import FEATURES, LABEL, PATH, TWINS
from spark_cxr.settings import Config

PHANTOMS = "drawn phantoms"
MISTAKES = 8
CANDIDATES = 4 * MISTAKES
"""Wrong films among which to find as many that the model does not refuse."""


@dataclass(frozen=True)
class RefusalCheck:
    """Tells which test films the trained model would refuse as no X-rays."""

    predictor: Predictor
    vectors: DataFrame
    """path, features"""
    size_hw: tuple[int, int]

    def refused(self, paths: list[str]) -> set[str]:
        """Give those of a few films for which the model names no class."""
        rows = self.vectors.where(F.col(PATH).isin(paths)).select(PATH, FEATURES).collect()
        return {path for path, vector in rows if not self._label(path, vector)}

    def _label(self, path: str, vector: list[float]) -> str:
        pixels = film_at(path) if all(self.size_hw) else None  # no network takes any
        picture = None if pixels is None else look_at_film(pixels, (), Fit(self.size_hw))[0]
        return self.predictor.predict(vector, picture).label


def are_drawn(films: DataFrame) -> bool:
    """Tell whether all films are phantoms."""
    return films.where(~is_drawn()).limit(1).count() == 0


def data_summary(
    cfg: Config, ingested: IngestResult, drawn: bool, classes: tuple[ClassCount, ...] = ()
) -> DataSummary:
    """Say what went in."""
    known = datasets.get_all(cfg.ingest.dataset)
    title = ", ".join([each.title for each in known] or [Path(i).name for i in cfg.ingest.images])
    if tested := ", ".join(Path(each).name for each in cfg.train.test_images):
        title = f"{tested}, trained on {title}"
    source = (*cfg.ingest.images, *cfg.train.test_images)
    if not ingested.has_films:
        title, source = cfg.features.backbone, (without_password(cfg.train.features),)
    notes = tuple(
        note for each in known for note in (("Licence", each.licence), ("Citation", each.citation))
    )
    return DataSummary(
        name=PHANTOMS if drawn else title,
        source=", ".join(source),
        files=ingested.files,
        images=ingested.n_images,
        patients=ingested.patients or None,
        classes=classes,
        quarantined=tuple(QuarantineCount(reason, n) for reason, n in ingested.reasons),
        notes=notes,
    )


def published_of(cfg: Config) -> tuple[PublishedResult, ...]:
    """Give what others reported on the data set, where it is a known one."""
    known = datasets.get_all(cfg.ingest.dataset)
    return known[0].published if len(known) == 1 else ()


def data_caveats(ingested: IngestResult, drawn: bool) -> Iterator[str]:
    """Say what the data cannot show."""
    if drawn:
        yield "The films are drawn phantoms: the figures say that the software runs, no more."
    if ingested.damaged:
        yield f"{ingested.damaged:,} of {ingested.n_images:,} films are damaged: {FLAGS[DAMAGED]}."
    if ingested.patients and ingested.without_patient:
        yield (
            f"{ingested.without_patient:,} of {ingested.n_images:,} films name no patient: each "
            "counts as a patient of its own, and two of one patient may be on both sides of the "
            "split."
        )


def network_line(featurized: FeatureResult) -> str:
    """Say which network made the features, with which weights, and what ran it."""
    if featurized.elsewhere:
        return featurized.elsewhere.line
    network, used = featurized.plan.network, featurized.used
    weights = f" ({network.weights.origin})" if network.weights.kind != "own" else ""
    return (
        f"network {network.backbone}{weights}, {used.engine} on {used.device} in {used.precision}"
    )


def engine_line(featurized: FeatureResult) -> str:
    """Say what ran the network."""
    if featurized.elsewhere:
        return "none: vectors made elsewhere"
    used = featurized.used
    return f"{used.engine} on {used.device} in {used.precision}"


def network_caveats(featurized: FeatureResult) -> Iterator[str]:
    """Say what must be known of a network's features."""
    if featurized.elsewhere:
        yield from featurized.elsewhere.caveats()
    elif featurized.used.engine == "fake":
        yield f"{FAKE_CAVEAT}."
    elif featurized.plan.network.weights.caveat:
        yield f"{featurized.plan.network.weights.caveat}."


def parts_of(
    answers: TestAnswers, labels: tuple[str, ...], cfg: Config, subgroups: Subgroups
) -> tuple[PartTable, ...]:
    """Measure by source, view and subgroup, where the test has several of them."""
    tables = []
    for by, names in subgroups.beside(answers.sources, answers.views).several().items():
        parts = measure_parts(
            answers.truth,
            answers.probabilities,
            labels,
            answers.groups,
            names,
            seed=cfg.run.seed,
            resamples=cfg.train.resamples,
        )
        tables.append(PartTable(by, parts, names.count(None)))
    return tuple(tables)


def audit_of(spark: SparkSession, cfg: Config, ingested: IngestResult) -> AuditSummary:
    """Run the checks that need no network: twins, patients, sources; without films not twins."""
    if ingested.has_films:
        twins = spark.read.schema(TWINS).parquet(ingested.twins)
        checks = audit_summary(spark, cfg, ingested.images, twins, clusters(twins))
    else:
        checks = audit_without_films(spark, cfg, ingested.images)
    return AuditSummary(checks, "what the job audit writes")


def mistakes_of(
    predictions: DataFrame, check: RefusalCheck | None = None, has_films: bool = True
) -> tuple[Mistake, ...]:
    """Show the films that a classifier was surest of and wrong about, without those it refuses."""
    wrong = predictions.where(F.col(LABEL) != F.col("prediction"))
    worst = wrong.orderBy(F.desc("confidence"), PATH).limit(CANDIDATES).collect()
    refused = check.refused([row[PATH] for row in worst]) if check else set()
    return tuple(
        Mistake(
            path=row[PATH].rsplit("/", 1)[-1],
            true=row[LABEL],
            predicted=row["prediction"],
            probability=row["confidence"],
            image=thumbnail(row[PATH]) if has_films else b"",
        )
        for row in [row for row in worst if row[PATH] not in refused][:MISTAKES]
    )
