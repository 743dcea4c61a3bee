"""What a new process does with a saved pipeline: run by test_featurizer_sessions.py.

Prints what the model says of the films in a folder as one line of JSON: file name to vector.
"""

import json
import sys

from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from spark_cxr.pipeline.session import open_session


def main(model, folder):
    spark = open_session("load")
    films = spark.read.format("binaryFile").load(folder)
    made = PipelineModel.load(model).transform(films)
    rows = made.select("path", vector_to_array(F.col("probability")).alias("v")).collect()
    print(json.dumps({row.path.rsplit("/", 1)[-1]: row.v for row in rows}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
