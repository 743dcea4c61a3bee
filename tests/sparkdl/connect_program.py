"""What the estimator does in a Spark Connect session: run by test_sparkdl_keras_estimator.py.

Trains on the images of a folder, the odd ones of class 1; prints the weights as one line of JSON.
"""

import json
import sys
from pathlib import Path

from pyspark.ml.linalg import Vectors

from spark_cxr.pipeline.session import is_connect, open_session
from spark_cxr.sparkdl import KerasImageFileEstimator


def load_image(uri):
    import numpy as np
    from PIL import Image

    with Image.open(uri) as image:
        return np.asarray(image.convert("RGB"), np.float32)[None] / 255


def main(folder, model_file):
    import keras

    spark = open_session("connect")
    spark.conf.unset("spark.sql.shuffle.partitions")  # as in a notebook
    labels = {path: int(path.stem) % 2 for path in Path(folder).glob("*.png")}
    rows = [(str(path), Vectors.dense([1.0 - label, label])) for path, label in labels.items()]
    table = spark.createDataFrame(rows, ["uri", "one_hot"])
    estimator = KerasImageFileEstimator(
        inputCol="uri",
        outputCol="said",
        labelCol="one_hot",
        modelFile=model_file,
        imageLoader=load_image,
        kerasLoss="categorical_crossentropy",
        kerasFitParams={"epochs": 3, "batch_size": 4, "verbose": 0},
    )
    model = estimator.fit(table)
    said = model.transform(table).where("said IS NOT NULL").count()
    trained = keras.saving.load_model(model.getModelFile(), compile=False).get_weights()
    told = {"connect": is_connect(spark), "said": said, "weights": [w.tolist() for w in trained]}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
