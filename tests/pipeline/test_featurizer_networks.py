"""Features through Spark equal features without Spark, with real network shapes."""

import gc
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spark_cxr.backbones.featurize import featurize
from spark_cxr.errors import BadImage, ConfigError
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.featurizer import FilmFeaturizer
from spark_cxr.pipeline.networks import _freeze_imports, make_plan, on_this_worker, used_by_workers
from tests.quick import wanted


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CXR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def drawn():
    return list(phantoms(10, seed=3, size=96, bad=1))


@pytest.fixture(scope="module")
def table(spark, drawn):
    return spark.createDataFrame(
        [(i, bytearray(p.data)) for i, p in enumerate(drawn)], "id int, content binary"
    )


@pytest.mark.parametrize(
    ("engine", "parts"), [("openvino", 1), ("openvino", 2), ("openvino", 16), ("keras", 2)]
)
def test_features_through_spark_equal_features_without(spark, cache, drawn, table, engine, parts):
    asked = {"weights": "random:0", "engine": engine, "precision": "f32", "device": "cpu"}
    plan = make_plan(spark, wanted("MobileNetV2", **asked))
    expected = featurize([p.data for p in drawn], on_this_worker(plan))
    stage = FilmFeaturizer(modelName="MobileNetV2", handleInvalid="keep", **asked)
    made = stage.transform(table.repartition(parts)).select("id", "features").collect()
    assert len(made) == len(drawn)
    for row in made:
        if isinstance(expected[row["id"]], BadImage):
            assert row["features"] is None
        else:
            np.testing.assert_allclose(row["features"].toArray(), expected[row["id"]], atol=1e-4)


def test_without_a_name_it_is_the_network_of_the_package(spark, cache, drawn, table):
    asked = {"precision": "f32", "device": "cpu"}
    plan = make_plan(spark, wanted("CXRNet", **asked))
    expected = featurize([p.data for p in drawn], on_this_worker(plan))
    made = FilmFeaturizer(handleInvalid="skip", **asked).transform(table).collect()
    assert len(made) == 9
    for row in made:
        np.testing.assert_allclose(row["features"].toArray(), expected[row["id"]], atol=1e-4)
    weights = plan.network.weights
    assert (weights.kind, plan.network.dim, weights.caveat) == ("embedded", 256, "")


def test_a_worker_says_what_it_runs_on(spark, cache):
    asked = wanted("MobileNetV2", weights="random:0", precision="f32")
    used = used_by_workers(spark, make_plan(spark, asked))
    assert (used.engine, used.precision, used.threads) == ("openvino", "f32", 1)
    assert used.device.startswith("cpu")


def test_what_a_worker_has_imported_is_passed_over_by_its_garbage_collector(spark, cache):
    plan = make_plan(spark, wanted("fake"))
    gc.unfreeze()  # what a test of tasks has left
    _freeze_imports.cache_clear()
    on_this_worker(plan)
    assert gc.get_freeze_count() == 0  # here it is the user's process

    def count(batches):
        on_this_worker(plan)
        for _ in batches:
            yield pd.DataFrame({"frozen": [gc.get_freeze_count()]})

    rows = spark.range(1, numPartitions=1).mapInPandas(count, "frozen long").collect()
    assert rows[0]["frozen"] > 10_000


def test_random_weights_are_said_loudly(spark, cache):
    plan = make_plan(spark, wanted("MobileNetV2", weights="random:0"))
    assert "RANDOM WEIGHTS" in plan.network.weights.caveat


def test_an_engine_for_a_cpu_is_refused_on_a_gpu(spark, cache):
    asked = wanted("MobileNetV2", weights="random:0", engine="openvino", device="gpu")
    with pytest.raises(ConfigError, match="an engine that runs on a GPU"):
        make_plan(spark, asked)


@pytest.fixture(scope="module")
def own_network(shared_data):
    file = shared_data.parent / "weights" / "squeezenet11_imagenet.keras"
    if not file.is_file():
        pytest.skip(f"no network at {file}")
    return str(file)


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_features_of_a_users_own_network_are_those_of_keras(spark, cache, own_network, engine):
    import keras

    films = np.stack(
        [
            np.asarray(Image.radial_gradient("L").resize((224, 224)).convert("RGB")),
            np.asarray(Image.linear_gradient("L").resize((224, 224)).convert("RGB")),
        ]
    )
    prepared = keras.applications.resnet50.preprocess_input(films.astype(np.float32))
    model = keras.saving.load_model(own_network, compile=False)
    expected = model.predict(prepared, verbose=0)
    rows = [(i, bytearray(png(film))) for i, film in enumerate(films)]
    stage = FilmFeaturizer(
        modelName=own_network, normalising="caffe", engine=engine, precision="f32", device="cpu"
    )
    made = stage.transform(spark.createDataFrame(rows, "id int, content binary")).collect()
    for row in made:
        np.testing.assert_allclose(row["features"].toArray(), expected[row["id"]], atol=1e-4)
    assert np.count_nonzero(expected[0]) > 50


def png(film):
    stream = io.BytesIO()
    Image.fromarray(film).save(stream, "PNG")
    return stream.getvalue()
