"""The estimator through Spark: a task that can be learnt, and what must not depend on anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyspark
import pytest
from PIL import Image
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.feature import OneHotEncoder
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.sparkdl import KerasImageFileEstimator, KerasImageFileTransformer, training
from spark_cxr.sparkdl import keras_estimator as estimators
from spark_cxr.sparkdl.params import loss_of
from spark_cxr.training.cache import CachedFilms

COUNT, BATCH = 40, 4
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """Draw dark images of class 0 and light ones of class 1."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(5)
    rows = []
    for number in range(COUNT):
        label = number % 2
        pixels = rng.integers(130 * label, 130 * label + 120, (4, 4, 3), dtype=np.uint8)
        path = str(folder / f"{number}.png")
        Image.fromarray(pixels).save(path)
        rows.append((path, Vectors.dense([1.0 - label, label]), label))
    return spark.createDataFrame(rows, ["uri", "one_hot", "label"])


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    )
    path = tmp_path_factory.mktemp("networks") / "small.keras"
    model.save(path)
    return str(path)


@pytest.fixture(scope="module")
def load_image():
    def load(uri):  # inside, so that it travels by value, as what a notebook defines does
        with Image.open(uri) as image:
            return np.asarray(image.convert("RGB"), np.float32)[None] / 255

    return load


@pytest.fixture
def estimator(model_file, load_image):
    return KerasImageFileEstimator(
        inputCol="uri",
        outputCol="said",
        labelCol="one_hot",
        modelFile=model_file,
        imageLoader=load_image,
        kerasOptimizer="adam",
        kerasLoss="categorical_crossentropy",
        kerasFitParams={"epochs": 3, "batch_size": BATCH, "verbose": 0},
    )


def weights(transformer):
    import keras

    return keras.saving.load_model(transformer.getModelFile(), compile=False).get_weights()


def is_equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_a_task_that_can_be_learnt_is_learnt(estimator, table):
    import keras

    fit = {"epochs": 10, "batch_size": BATCH, "verbose": 0}
    optimizer = keras.optimizers.Adam(0.05)
    model = estimator.setParams(kerasFitParams=fit, kerasOptimizer=optimizer).fit(table)
    assert isinstance(model, KerasImageFileTransformer)
    said = model.transform(table).select("label", "said").collect()
    assert [int(row.said.toArray().argmax()) for row in said] == [row.label for row in said]


@pytest.fixture
def plain_session(spark):
    """Give a session as a notebook has it: nobody has set how many parts a shuffle makes."""
    name = "spark.sql.shuffle.partitions"
    before = spark.conf.get(name)
    spark.conf.unset(name)
    yield spark
    spark.conf.set(name, before)


def test_a_session_needs_no_settings(plain_session, table):
    assert training._parts(table) == 200


@pytest.mark.slow
def test_images_are_loaded_in_a_session_without_settings(
    plain_session, table, load_image, tmp_path
):
    training.write_images(table, "uri", None, load_image, str(tmp_path / "c"))
    assert training.open_images(str(tmp_path / "c")).count == COUNT


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_transformer_has_the_params_of_its_estimator(estimator, table, model_file, tmp_path):
    import keras

    keras.saving.load_model(model_file).save(tmp_path / "full.h5")
    (tmp_path / "full.h5").rename(tmp_path / "full")
    estimator.setModelFile(str(tmp_path / "full"))
    model = estimator.fit(table, {estimator.kerasFitParams: {"epochs": 1, "verbose": 0}})
    assert model.getKerasFitParams() == {"epochs": 1, "verbose": 0}
    assert (model.getInputCol(), model.getOutputCol()) == ("uri", "said")
    assert (model.getOutputMode(), model.getImageLoader()) == ("vector", estimator.getImageLoader())
    assert model.getModelFile() != estimator.getModelFile()


def tuned(tuner, estimator, grid, table, **options):
    evaluator = BinaryClassificationEvaluator(rawPredictionCol="said", labelCol="label")
    tuner = tuner(
        estimator=estimator, estimatorParamMaps=grid, evaluator=evaluator, seed=1, **options
    )
    return tuner.fit(table)


@pytest.mark.slow
def test_a_cross_validator_tunes_the_training(estimator, table):
    none, some = {"epochs": 0, "verbose": 0}, {"epochs": 9, "batch_size": BATCH, "verbose": 0}
    estimator.setKerasOptimizer("sgd")
    grid = ParamGridBuilder().addGrid(estimator.kerasFitParams, [none, some]).build()
    best = tuned(CrossValidator, estimator, grid, table, numFolds=2)
    assert best.bestModel.getKerasFitParams() == some
    assert best.avgMetrics[1] > best.avgMetrics[0]


@pytest.mark.slow
def test_a_split_tunes_optimizer_and_loss(estimator, table):
    grid = (
        ParamGridBuilder()
        .addGrid(estimator.kerasOptimizer, ["adam", "sgd"])
        .addGrid(estimator.kerasLoss, ["categorical_crossentropy", "logcosh"])
        .build()
    )
    best = tuned(TrainValidationSplit, estimator, grid, table, trainRatio=0.7)
    assert len(best.validationMetrics) == 4
    assert isinstance(best.bestModel, KerasImageFileTransformer)


@pytest.mark.parametrize("form", ["vector", "list", "number"])
def test_labels_come_in_every_form(spark, table, load_image, tmp_path, form):
    encoder = OneHotEncoder(inputCol="label", outputCol="vector", dropLast=False)
    encoded = encoder.fit(table).transform(table)
    number = F.col("label").cast("int")
    labels = {"vector": F.col("vector"), "list": F.array(1 - number, number), "number": number}
    rows = encoded.withColumn("form", labels[form])
    target = training.target_column("form", rows.schema["form"].dataType)
    training.write_images(rows, "uri", target, load_image, str(tmp_path / "c"))
    _, targets = training.open_images(str(tmp_path / "c")).read(0, COUNT)
    assert targets.shape == (COUNT, 1 if form == "number" else 2)
    assert targets[:, -1].sum() == COUNT / 2


@pytest.fixture
def places(monkeypatch):
    """Note the folders that are made for loaded images."""
    found, place = [], estimators._place

    def noted(spark, given):
        found.append(place(spark, given))
        return found[-1]

    monkeypatch.setattr(estimators, "_place", noted)
    return found


def test_equal_seeds_give_equal_weights_however_the_table_is_parted(estimator, table, places):
    one = estimator.fit(table.repartition(1))
    other = estimator.fit(table.orderBy(F.desc("uri")).repartition(5))
    assert is_equal(one, other)
    assert not is_equal(one, estimator.setParams(seed=7).fit(table))


def test_several_param_maps_give_several_models_of_one_loading(estimator, table, places, tmp_path):
    none = {"epochs": 0, "verbose": 0}
    maps = [{estimator.kerasFitParams: none}, {estimator.outputCol: "other"}]
    estimator.setParams(cacheDir=str(tmp_path))
    models = estimator.fitMultiple(table, maps)
    assert len(list(tmp_path.iterdir())) == 1
    untrained, trained = (model for _, model in sorted(models, key=lambda pair: pair[0]))
    assert trained.getOutputCol() == "other"
    assert not is_equal(untrained, trained)
    assert len(places) == 1
    assert list(tmp_path.iterdir()) == []  # the cache is gone when the last model is trained


def test_only_a_few_batches_are_in_memory(estimator, table, monkeypatch):
    asked, read = [], CachedFilms.read

    def spied(self, start, stop):
        asked.append(stop - start)
        return read(self, start, stop)

    monkeypatch.setattr(CachedFilms, "read", spied)
    estimator.fit(table)
    assert max(asked) == BATCH
    assert sum(asked) >= 3 * COUNT


def test_row_groups_are_small_and_any_rows_can_be_read(
    spark, table, load_image, tmp_path, monkeypatch
):
    monkeypatch.setattr(training, "GROUP_BYTES", 5 * 4 * 4 * 3 * 4)
    target = training.target_column("label", table.schema["label"].dataType)
    load = training.shaped_loader(load_image, (4, 4, 3))
    training.write_images(table, "uri", target, load, str(tmp_path / "c"))
    images = training.open_images(str(tmp_path / "c"))
    assert images.count == COUNT
    assert max(group.stop - group.start for group in images.groups) <= 16
    whole, targets = images.read(0, COUNT)
    assert (whole.shape, targets.shape) == ((COUNT, 4, 4, 3), (COUNT, 1))
    for start, stop in [(0, 1), (3, 30), (COUNT - 1, COUNT)]:
        np.testing.assert_array_equal(images.read(start, stop)[0], whole[start:stop])
    means = whole.mean(axis=(1, 2, 3))
    np.testing.assert_array_equal(means > 0.5, targets[:, 0] == 1)


def test_the_driver_collects_no_rows(estimator, table, monkeypatch):
    def refuse(*_):
        raise AssertionError("rows were collected")

    for name in ("collect", "toPandas", "toLocalIterator", "take"):
        monkeypatch.setattr(type(table), name, refuse)
    estimator.fit(table)


def test_arguments_of_fit_are_handed_on(estimator, table):
    import keras

    seen = []

    class Noted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(sorted(logs))

    fit = {"epochs": 2, "verbose": 0, "callbacks": [Noted()], "validation_split": 0.25}
    estimator.setParams(kerasFitParams=fit).fit(table)
    assert seen == [["loss", "val_loss"]] * 2


def test_numbers_can_be_labels(estimator, table):
    loss = "sparse_categorical_crossentropy"
    model = estimator.setParams(labelCol="label", kerasLoss=loss).fit(table)
    assert len(model.transform(table).first().said) == 2


def with_a_missing_file(table):
    return table.unionByName(table.limit(1).withColumn("uri", F.lit("nothing.png")))


def test_rows_without_a_label_are_left_out(spark, table, load_image, tmp_path):
    unknown = F.when(F.col("label") == 1, F.col("one_hot"))
    rows = table.withColumn("one_hot", unknown)
    target = training.target_column("one_hot", rows.schema["one_hot"].dataType)
    training.write_images(rows, "uri", target, load_image, str(tmp_path / "c"))
    assert training.open_images(str(tmp_path / "c")).count == COUNT // 2


def test_images_can_be_loaded_without_labels(spark, table, load_image, tmp_path):
    training.write_images(table, "uri", None, load_image, str(tmp_path / "c"))
    (images,) = training.open_images(str(tmp_path / "c")).read(0, 3)
    assert len(images) == 3


@pytest.mark.slow
@pytest.mark.skipif(pyspark.__version__ < "4", reason="MLlib on Spark Connect needs PySpark 4")
def test_training_over_connect_gives_the_weights_of_a_classic_session(
    estimator, table, model_file, tmp_path
):
    folder = Path(table.first().uri).parent
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    here = {"PYTHONPATH": str(HERE.parents[1]), "SPARK_REMOTE": "local[2]"}
    done = subprocess.run(
        [sys.executable, str(HERE / "connect_program.py"), str(folder), model_file],
        cwd=tmp_path,
        env={**known, **here, "SPARK_CXR_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["connect"]
    assert told["said"] == COUNT
    for expected, array in zip(weights(estimator.fit(table)), told["weights"], strict=True):
        np.testing.assert_allclose(array, expected, atol=1e-6)


def test_images_that_do_not_load_are_left_out(estimator, table):
    assert is_equal(estimator.fit(with_a_missing_file(table)), estimator.fit(table))


def test_images_that_do_not_load_fail_the_fit_where_that_is_asked_for(estimator, table, places):
    estimator.setParams(handleInvalid="error")
    with pytest.raises(Exception, match=r"nothing\.png"):
        estimator.fit(with_a_missing_file(table))


def test_a_table_without_an_image_that_loads_is_refused(estimator, table):
    with pytest.raises(InputError, match="at least one image that loads"):
        estimator.fit(table.withColumn("uri", F.lit("nothing.png")))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kerasOptimizer": "adamm"}, "Expected kerasOptimizer that Keras knows. Received: ker"),
        ({"kerasLoss": "msee"}, "Expected kerasLoss that Keras knows. Received: kerasLoss='msee'"),
        ({"modelFile": "net.txt"}, "Expected a Keras file. Received: modelFile='net.txt'"),
        ({"kerasFitParams": 5}, "Expected a dict. Received: kerasFitParams=5"),
        ({"kerasFitParams": {"x": 1}}, "Received: kerasFitParams with x. Leave it out."),
        ({"handleInvalid": "keep"}, "Expected handleInvalid by name. Received: handleInvalid='ke"),
    ],
)
def test_a_wrong_param_is_refused_when_it_is_set(spark, params, message):
    with pytest.raises(TypeError) as error:
        KerasImageFileEstimator(**params)
    assert message in str(error.value)


def test_defaults_are_those_of_sparkdl():
    stage = KerasImageFileEstimator()
    assert (stage.getKerasOptimizer(), stage.getKerasFitParams()) == ("adam", {"verbose": 1})


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["logcosh", "cosine_proximity", "kullback_leibler_divergence"])
def test_losses_keep_their_names_of_keras_2(name):
    import keras

    stage = KerasImageFileEstimator(kerasLoss=name)
    assert stage.getKerasLoss() == name
    assert callable(keras.losses.get(loss_of(name)))


def test_each_param_can_be_set_and_got():
    stage = KerasImageFileEstimator().setInputCol("i").setOutputCol("o").setLabelCol("l")
    stage.setModelFile("m.keras").setKerasOptimizer("sgd").setKerasLoss("mse")
    stage.setKerasFitParams({"epochs": 2}).setOutputMode("image").setImageLoader(len)
    assert (stage.getOutputMode(), stage.getImageLoader()) == ("image", len)
    assert (stage.getInputCol(), stage.getOutputCol(), stage.getLabelCol()) == ("i", "o", "l")
    assert (stage.getModelFile(), stage.getKerasOptimizer()) == ("m.keras", "sgd")
    assert (stage.getKerasLoss(), stage.getKerasFitParams()) == ("mse", {"epochs": 2})


def test_params_that_decide_what_is_loaded_cannot_be_tuned(estimator, table):
    with pytest.raises(ConfigError, match=r"Received: inputCol\. Set it on the estimator"):
        estimator.fitMultiple(table, [{estimator.inputCol: "other"}])


def test_a_param_that_is_missing_is_named(table, model_file):
    with pytest.raises(ConfigError, match="Received: no imageLoader"):
        KerasImageFileEstimator(inputCol="uri", modelFile=model_file).fit(table)


def test_a_network_with_losses_of_its_own_needs_no_labels(table, load_image, tmp_path):
    import keras

    films = keras.Input((4, 4, 3))
    dense = keras.layers.Dense(2)(keras.layers.Flatten()(films))
    model = keras.Model(films, keras.layers.ActivityRegularization(l2=1.0)(dense))
    model.save(tmp_path / "own.keras")
    stage = KerasImageFileEstimator(inputCol="uri", outputCol="said", labelCol="")
    stage.setParams(modelFile=str(tmp_path / "own.keras"), imageLoader=load_image)
    trained = stage.setKerasFitParams({"epochs": 5, "verbose": 0}).fit(table)
    before, after = model.get_weights()[0], weights(trained)[0]
    assert np.abs(after).sum() < np.abs(before).sum()


def test_a_loss_is_needed_with_labels(estimator, table):
    estimator.clear(estimator.kerasLoss)
    with pytest.raises(ConfigError, match="Received: no kerasLoss"):
        estimator.fit(table)


def test_labels_that_are_words_are_refused(estimator, table):
    with pytest.raises(InputError, match=r"labelCol of vectors \(one-hot\), arrays or numbers"):
        estimator.setParams(labelCol="uri").fit(table)


class ClusterConf:
    def get(self, *_):
        return "spark://host:7077"


class ClusterSession:
    conf = ClusterConf()


def test_a_folder_that_all_nodes_see_is_needed_on_a_cluster():
    with pytest.raises(ConfigError, match="Give cacheDir="):
        estimators._place(ClusterSession(), "")


def test_images_lie_in_the_file_system_of_databricks_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.setattr(estimators, "DBFS", tmp_path)
    one, other = (estimators._place(ClusterSession(), "") for _ in range(2))
    assert one.startswith("dbfs:/tmp/spark_cxr-")
    assert one != other
