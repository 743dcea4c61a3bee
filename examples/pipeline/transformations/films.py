"""The tables of the pipeline, each from what is above it."""

from pathlib import Path

from pyspark import pipelines as dp
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.pipeline.films_source import register_films

spark = SparkSession.active()
register_films(spark)
FOLDER = str(Path(spark.conf.get("spark_cxr.films")).absolute())


@dp.table
def films() -> DataFrame:
    """Take each film once, and see what it is: format, size, view, digests, or why it is none."""
    arriving = spark.readStream.format("films").option("facts", "true")
    return arriving.option("maxFilesPerBatch", 500).load(FOLDER)


@dp.materialized_view
def quarantine() -> DataFrame:
    """Set aside what is no film, with the reason."""
    return spark.read.table("films").where("reason is not null").select("path", "reason", "detail")


@dp.materialized_view
def films_a_format() -> DataFrame:
    """Count films by format and size."""
    good = spark.read.table("films").where("reason is null")
    return good.groupBy("format").agg(F.count("*").alias("films"), F.avg("width").alias("width"))
