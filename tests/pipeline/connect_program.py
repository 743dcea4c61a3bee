"""What the featurizer does in a Spark Connect session: run by test_featurizer_sessions.py.

Reads a folder of films, prints what each way gives as one line of JSON: file name to vector.
"""

import json
import sys

from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from spark_cxr.pipeline.featurizer import FilmFeaturizer
from spark_cxr.pipeline.session import is_connect, open_session
from spark_cxr.pipeline.sql import register_featurizer


def by_name(rows, array):
    name = F.substring_index("path", "/", -1).alias("name")
    return {row.name: row.v for row in rows.select(name, array.alias("v")).collect()}


def main(folder):
    spark = open_session("connect")
    films = spark.read.format("binaryFile").load(folder)
    films.createOrReplaceTempView("films")
    register_featurizer(spark, "cxr", modelName="fake")
    in_sql = spark.sql("SELECT path, cxr(content) AS v FROM films")
    made = FilmFeaturizer(modelName="fake", handleInvalid="keep").transform(films)
    images = spark.read.format("image").load(f"{folder}/*.png")
    structs = FilmFeaturizer(modelName="fake", inputCol="image", handleInvalid="keep").transform(
        images.withColumn("path", F.col("image.origin"))
    )
    vector = F.col("features")
    array = F.when(vector.isNotNull(), vector_to_array(vector, "float32"))
    told = {
        "connect": is_connect(spark),
        "sql": by_name(in_sql, F.col("v")),
        "transform": by_name(made, array),
        "structs": by_name(structs, array),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
