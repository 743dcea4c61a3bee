"""Tables of vectors made elsewhere are scored without films, and small ones without Java."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_model
from scoring_table import rows, told
from test_score_one_process import without_spark

from jobs.score import JOB
from spark_cxr import job
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.model.manifest import TABLE, read_manifest, write_manifest
from spark_cxr.model.model import load_model
from spark_cxr.output import Output
from spark_cxr.pipeline.vector_table import KEY
from tests.quick import defaults

N, LENGTH = 12, 128
DRAWN = np.random.default_rng(5).standard_normal((N, LENGTH)).astype(np.float32)
NAMES = [f"film-{i:02d}.png" for i in range(N)]


def taught(folder, **vectors):
    """Write a model that has learned from vectors made elsewhere."""
    place = Output(write_model(folder))
    manifest = read_manifest(place)
    known = {"name": "elsewhere", "length": LENGTH, "digest": "0" * 64, **vectors}
    write_manifest(place, replace(manifest, engine=TABLE, backbone="elsewhere", vectors=known))
    return place.address


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return taught(tmp_path_factory.mktemp("taught") / "model")


@pytest.fixture
def table(tmp_path):
    return write(tmp_path / "elsewhere.parquet", NAMES, DRAWN)


def write(path, names, vectors, metadata=None):
    kind = pa.list_(pa.float64())
    columns = {"path": pa.array(names), "vector": pa.array([*map(list, vectors)], kind)}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


def scored(spark, tmp_path, model, table, **changes):
    settings = {"model": model, "features": str(table), "table": str(tmp_path / "T"), **changes}
    return job.run(JOB, spark, defaults(score=settings))


def test_a_small_table_needs_no_java_and_comes_out_as_on_spark(spark, tmp_path, model, table):
    said = scored(spark, tmp_path, model, table, max_files_per_trigger=5)
    assert (said["scored"], said["batches"], said["vectors"]["name"]) == (N, 3, "elsewhere")
    mine = ("--model", model, "--features", table, "--table", tmp_path / "M", "--also", "csv")
    done = without_spark(tmp_path, *mine)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["session"] == {"session": "none"}
    assert "vectors elsewhere, made elsewhere; the model has learned from elsewhere" in done.stderr
    assert "Not checked: what made the vectors" in done.stderr
    assert json.loads(done.stdout)["vectors"]["not_checked"]
    assert told(tmp_path / "M") == told(tmp_path / "T")
    again = json.loads(without_spark(tmp_path, *mine).stdout)
    assert (again["scored"], again["known"], again["batches"]) == (0, N, 0)
    found = {row["path"]: row["probabilities"] for row in rows(tmp_path / "T")}
    expected = load_model(model).predict_vectors(DRAWN)
    assert [dict(found[name]) for name in NAMES] == [each.probabilities for each in expected]


def test_only_new_and_changed_rows_are_scored(spark, tmp_path, model, table):
    scored(spark, tmp_path, model, table)
    changed = np.concatenate([DRAWN, DRAWN[:1]])
    changed[3] += 1
    more = write(tmp_path / "more.parquet", [*NAMES, "new"], changed)
    said = scored(spark, tmp_path, model, more)
    assert (said["scored"], said["known"]) == (2, N - 1)
    assert scored(spark, tmp_path, model, more)["scored"] == 0
    assert said["batches"] == 1


def test_rows_without_numbers_are_set_aside_once(spark, tmp_path, model):
    bad = DRAWN.copy()
    bad[2, 7] = np.nan
    table = write(tmp_path / "bad.parquet", [*NAMES[:-1], None], bad)
    for _ in range(2):
        said = scored(spark, tmp_path, model, table)
    assert (said["scored"], said["quarantined"]) == (0, 0)
    aside = {
        (row["path"], row["reason"], row["detail"]) for row in rows(tmp_path / "T", "_quarantine")
    }
    assert aside == {(NAMES[2], "bad_vector", "NaN or infinite"), ("", "bad_vector", "no key")}
    assert len(rows(tmp_path / "T")) == N - 2


@pytest.mark.parametrize("uses_spark", [False, True])
def test_other_vectors_are_refused_in_one_line(spark, tmp_path, model, uses_spark):
    short = write(tmp_path / "short.parquet", NAMES, DRAWN[:, 1:])
    double = write(tmp_path / "double.parquet", [*NAMES[:-1], NAMES[0]], DRAWN)
    for table, message in ((short, "of 127"), (double, "one vector for each key")):
        mine = ("--model", model, "--features", table, "--table", tmp_path / "T")
        if uses_spark:
            with pytest.raises(InputError, match=message):
                scored(spark, tmp_path, model, table)
        else:
            done = without_spark(tmp_path, *mine)
            assert (done.returncode, done.stdout) == (2, "")
            assert message in done.stderr.splitlines()[-1]
    assert rows(tmp_path / "T") == []


def test_vectors_of_another_network_are_refused_where_both_say_so(spark, tmp_path, table):
    model = taught(tmp_path / "model", key="CXRNet-0-f32")
    assert scored(spark, tmp_path, model, table)["scored"] == N  # nobody says what made them
    other = write(tmp_path / "other.parquet", NAMES, DRAWN, {KEY: "ResNet50-1-f32"})
    with pytest.raises(InputError, match="vectors of CXRNet-0-f32"):
        scored(spark, tmp_path, model, other)


def test_a_model_of_vectors_takes_no_films_and_one_of_films_no_vectors(
    spark, tmp_path, model, table, folder
):
    with pytest.raises(InputError, match="a model with a network") as refused:
        job.run(JOB, spark, defaults(score={
            "model": model, "images": [str(folder)], "table": str(tmp_path / "T")}))  # fmt: skip
    assert "score --features" in str(refused.value)
    with pytest.raises(InputError, match="trained with --features"):
        scored(spark, tmp_path, write_model(tmp_path / "films"), table)
    loaded = load_model(model)
    for ask in (loaded.predict, loaded.explain):
        with pytest.raises(InputError, match="a model with a network"):
            ask(b"a film")
    assert len(loaded.predict_vectors(DRAWN)) == N


@pytest.mark.parametrize(
    "more", [{"images": ["."]}, {"watch": True}, {"explain": 3}, {"precision": "int8"}]
)
def test_what_needs_films_is_refused_beside_vectors(spark, tmp_path, model, table, more):
    with pytest.raises(ConfigError, match="--features alone"):
        scored(spark, tmp_path, model, table, **more)
