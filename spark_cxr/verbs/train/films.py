"""The films of a training and their vectors, whoever has made these."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from spark_cxr.output import Output
from spark_cxr.pipeline.classes import read_classes
from spark_cxr.pipeline.features import FeatureResult, featurize_step, featurized_earlier
from spark_cxr.pipeline.foreign_features import featurized_elsewhere
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.phantom_films import with_phantoms
from spark_cxr.pipeline.vector_table import is_vector_table
from spark_cxr.settings import Config


def featurized_films(
    spark: SparkSession, cfg: Config, output: Output
) -> tuple[Config, IngestResult, FeatureResult]:
    """Take the vectors of an earlier run, or make them; also give the settings for these films."""
    if is_vector_table(cfg.train.features):
        return featurized_elsewhere(spark, cfg, output)
    if cfg.train.features:
        return featurized_earlier(spark, cfg)
    cfg = with_phantoms(cfg, output)
    both = replace(cfg.ingest, images=(*cfg.ingest.images, *cfg.train.test_images))
    labels = read_classes(cfg.train.classes).labels
    return cfg, *featurize_step(spark, replace(cfg, ingest=both), output, labels)
