"""The films of a comparison: their vectors by every network, and the folds that they are in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones import user_network as own
from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError
from spark_cxr.output import Output
from spark_cxr.pipeline.classes import read_classes
from spark_cxr.pipeline.features import FeatureResult, featurize_by
from spark_cxr.pipeline.foreign_features import featurized_elsewhere
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.phantom_films import with_phantoms
from spark_cxr.pipeline.splits import FOLD, folds, with_values
from spark_cxr.pipeline.vector_table import is_vector_table
from spark_cxr.schemas import GROUP, PATH, SOURCE
from spark_cxr.settings import Config, Features
from spark_cxr.verbs.compare.sources import AUTO

Vectors = list[tuple[str, FeatureResult]]
"""By the name of the network."""


def compared_films(
    spark: SparkSession, cfg: Config, output: Output
) -> tuple[Config, IngestResult, Vectors]:
    """Ingest once, and featurize once a network; also give the settings for these films."""
    if is_vector_table(cfg.train.features):
        return _with_table(spark, cfg, output)
    cfg = with_phantoms(cfg, output)
    names = cfg.compare.backbones or (cfg.features.backbone,)
    return cfg, *_featurized(spark, cfg, output, names)


def check_splits(splits: tuple[str, ...]) -> None:
    """Refuse folds of several kinds that keep films apart; those by source come beside any."""
    if AUTO in splits and len(splits) > 1:
        received = ", ".join(splits)
        raise ConfigError("auto by itself in --splits, or other words", received, "Leave auto out")
    if splits == (SOURCE,):
        way_out = "Write --splits source,patient,image, or --folds source"
        raise ConfigError("other folds beside source in --splits", SOURCE, way_out)
    apart = [by for by in splits if by not in ("image", SOURCE)]
    if len(apart) > 1:
        way_out = "Compare once for each of them"
        raise ConfigError("one kind of folds beside image in --splits", ", ".join(apart), way_out)


def _featurized(
    spark: SparkSession, cfg: Config, output: Output, names: tuple[str, ...]
) -> tuple[IngestResult, Vectors]:
    """Decode each film once, and show it to all networks."""
    places = (Output(output.table(f"backbones/{PurePosixPath(name).stem}")) for name in names[1:])
    networks = [
        (features_of(cfg.features, name), place)
        for name, place in zip(names, (output, *places), strict=True)
    ]
    ingested, vectors = featurize_by(spark, cfg, networks, read_classes(cfg.train.classes).labels)
    return ingested, list(zip(names, vectors, strict=True))


def _with_table(
    spark: SparkSession, cfg: Config, output: Output
) -> tuple[Config, IngestResult, Vectors]:
    """Take vectors made elsewhere, beside those of networks where networks are named."""
    named = cfg.features.backbone
    alone = (named,) if named != defaults().features.backbone else ()
    if not (names := cfg.compare.backbones or alone):
        cfg, ingested, made = featurized_elsewhere(spark, cfg, output)
        return cfg, ingested, [(made.plan.network.backbone, made)]
    ingested, vectors = _featurized(spark, cfg, output, names)
    place = Output(output.table("backbones/elsewhere"))
    _, _, made = featurized_elsewhere(spark, cfg, place, ingested)
    name = made.plan.network.backbone
    stems = {PurePosixPath(each).stem for each in names}
    return cfg, ingested, [*vectors, (f"{name}-table" if name in stems else name, made)]


def features_of(settings: Features, backbone: str) -> Features:
    """Set one of several networks; weights and normalising are for those that take them."""
    if own.is_own(backbone):
        return replace(settings, backbone=backbone, weights="")
    weights = "" if backbone == "fake" else settings.weights
    return replace(settings, backbone=backbone, weights=weights, normalising="", card="")


def folds_of(
    films: DataFrame, images: DataFrame, by: str, cfg: Config, output: Output
) -> DataFrame:
    """Give each film its fold, once for all networks; the table lets others do the same."""
    valued, table = with_values(films, images, by, cfg.ingest), f"folds/by-{by.replace(':', '-')}"
    rows = folds(valued, by, cfg.compare.folds, cfg.run.seed).select(PATH, FOLD)
    output.write_table(rows, table)
    return films.sparkSession.read.schema(rows.schema).parquet(output.table(table))


def count_shared_in_folds(rows: DataFrame) -> int:
    """Count the films whose group is in several folds: its other films train when they test."""
    groups = rows.groupBy(GROUP).agg(F.count_distinct(FOLD).alias("folds"), F.count("*").alias("n"))
    return groups.where(F.col("folds") > 1).agg(F.sum("n")).collect()[0][0] or 0
