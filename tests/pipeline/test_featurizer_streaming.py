"""Streams of files, and how often a network is loaded on the way."""

import os

import numpy as np
import pandas as pd
import pytest

from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.featurizer import FilmFeaturizer

COUNT, A_TIME = 12, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("stream")
    for number, phantom in enumerate(phantoms(COUNT - 1, seed=3, size=96, formats=("png",))):
        (place / f"{number}.png").write_bytes(phantom.data)
    (place / "bad.png").write_bytes(b"no image")
    return place


@pytest.fixture(scope="module")
def stage():
    # A batch size that no other test has: the network is not loaded yet.
    return FilmFeaturizer(modelName="fake", handleInvalid="keep", batchSize=13)


def streamed(spark, folder, stage, out):
    """Run a stream over the folder to its end; give its rows, and how many batches it took."""
    schema = spark.read.format("binaryFile").load(str(folder)).schema
    reader = spark.readStream.format("binaryFile").schema(schema)
    films = reader.option("maxFilesPerTrigger", A_TIME).load(str(folder))
    features = stage.transform(films).select("path", "features")
    writer = features.writeStream.option("checkpointLocation", str(out / "state"))
    query = writer.trigger(availableNow=True).start(str(out / "rows"), format="parquet")
    query.awaitTermination()
    batches = len([each for each in query.recentProgress if each["numInputRows"]])
    return spark.read.parquet(str(out / "rows")), batches


def by_path(rows):
    return {row["path"]: row["features"] for row in rows.select("path", "features").collect()}


def loads(spark):
    """Ask the workers how often each has loaded a network since it was started."""

    def count(batches):
        from spark_cxr.backbones.engines import load

        for _ in batches:
            yield pd.DataFrame([(os.getpid(), load.cache_info().misses)])

    told = spark.range(0, 8, 1, 8).mapInPandas(count, "pid long, loads long").collect()
    return {row.pid: row.loads for row in told}


def test_a_stream_gives_what_a_batch_gives(spark, folder, stage, tmp_path):
    rows, batches = streamed(spark, folder, stage, tmp_path)
    expected = by_path(stage.transform(spark.read.format("binaryFile").load(str(folder))))
    got = by_path(rows)
    assert batches == COUNT / A_TIME
    assert got.keys() == expected.keys()
    assert sum(vector is None for vector in got.values()) == 1
    for path, vector in expected.items():
        if vector is not None:
            # In batches of other lengths sums may round otherwise.
            np.testing.assert_allclose(got[path].toArray(), vector.toArray(), atol=1e-6)


def test_a_network_is_loaded_once_a_worker_for_all_batches_and_queries(
    spark, folder, stage, tmp_path
):
    fresh = stage.copy({stage.batchSize: 17})
    before = loads(spark)
    streamed(spark, folder, fresh, tmp_path / "one")
    streamed(spark, folder, fresh, tmp_path / "two")
    after = loads(spark)
    new = [number - before.get(pid, 0) for pid, number in after.items()]
    assert set(new) <= {0, 1}
    assert sum(new) >= 1
