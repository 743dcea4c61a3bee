"""The featurizer in other sessions than this one: a new process, Spark Connect."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyspark
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from spark_cxr.backbones.featurize import featurize
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.featurizer import FilmFeaturizer
from tests.quick import fake_plan

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for number, phantom in enumerate(phantoms(6, seed=3, size=96, formats=("jpeg", "dicom"))):
        (folder / f"{number}.dat").write_bytes(phantom.data)
    return folder


def started(program, *words, cwd, **environment):
    """Run a program in a process of its own; give the JSON that it prints last."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    done = subprocess.run(
        [sys.executable, str(HERE / program), *map(str, words)],
        cwd=cwd,
        env={**known, "PYTHONPATH": str(HERE.parents[1]), **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.slow
def test_a_saved_pipeline_gives_the_same_in_a_new_process(spark, films, tmp_path):
    rows = spark.read.format("binaryFile").load(str(films))
    rows = rows.withColumn("y", (F.length("content") % 2).cast("double"))
    lr = LogisticRegression(labelCol="y", maxIter=3, regParam=0.1)
    model = Pipeline(stages=[FilmFeaturizer(modelName="fake", batchSize=2), lr]).fit(rows)
    model.save(str(tmp_path / "model"))
    made = model.transform(rows).select("path", vector_to_array("probability").alias("v"))
    expected = {row.path.rsplit("/", 1)[-1]: row.v for row in made.collect()}
    assert started("load_program.py", tmp_path / "model", films, cwd=tmp_path) == expected


@pytest.mark.slow
@pytest.mark.skipif(pyspark.__version__ < "4", reason="MLlib on Spark Connect needs PySpark 4")
def test_sql_and_transform_over_connect_give_the_features(films, tmp_path):
    from PIL import Image

    grey = Image.radial_gradient("L").resize((90, 80))
    grey.save(films / "grey.png")
    (films / "bad.png").write_bytes(b"no image")
    told = started("connect_program.py", films, cwd=tmp_path, SPARK_REMOTE="local[2]")
    assert told["connect"]
    names = sorted(path.name for path in films.iterdir())
    contents = [(films / name).read_bytes() for name in names]
    expected = dict(zip(names, featurize(contents, fake_plan(1)), strict=True))
    for way, these in (("sql", names), ("transform", names), ("structs", ["grey.png", "bad.png"])):
        assert sorted(told[way]) == sorted(these)
        assert told[way]["bad.png"] is None
        for name in set(these) - {"bad.png"}:
            np.testing.assert_allclose(told[way][name], expected[name], atol=1e-6)
