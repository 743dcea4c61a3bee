"""int8 through Spark: films drawn by hash, models with their network, heads of other vectors."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.backbones.engines import devices
from spark_cxr.backbones.network import copy_without_places, prepare
from spark_cxr.backbones.user_network import find
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.heads.portable import pack
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.images.film import Limits
from spark_cxr.images.fit import Fit
from spark_cxr.model import load_model
from spark_cxr.model.manifest import Manifest, Origin, digests, read_manifest, write_manifest
from spark_cxr.model.reference import Reference, describe
from spark_cxr.output import Output
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline import int8_scorer
from spark_cxr.pipeline.calibration import draw_films
from spark_cxr.pipeline.featurizer import FilmFeaturizer
from spark_cxr.pipeline.networks import make_plan, used_by_workers
from spark_cxr.pipeline.scorer import open_scorer
from spark_cxr.sparkdl.named_image import DeepImageFeaturizer
from tests.quick import defaults, wanted

needs_vnni = pytest.mark.skipif(not devices.adds_int8(), reason="a processor without VNNI")
LABELS = ("COVID-19", "No_findings", "Pneumonia")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Save a network of one small convolution, as a user would his own."""
    from spark_cxr.backbones.keras_backend import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(3)
    films = keras.Input((32, 48, 3))
    maps = keras.layers.Conv2D(6, 3, strides=4, activation="relu")(films)
    file = tmp_path_factory.mktemp("tiny") / "tiny.keras"
    keras.Model(films, maps).save(file)
    return str(file)


def asked(tiny, **changes):
    return wanted(tiny, normalising="tf", engine="openvino", **changes)


def ingest(*folders):
    return defaults(ingest={"images": [str(folder) for folder in folders]}).ingest


@pytest.fixture(scope="module")
def plan(spark, tiny, films):
    pytest.importorskip("nncf")
    return make_plan(spark, asked(tiny, precision="int8"), ingest=ingest(films))


def model_of(folder, network, precision, **changes):
    """Write a model directory by hand: a linear head on the network."""
    draw, output = np.random.default_rng(2), Output(str(folder))
    Path(folder).mkdir()
    copy_without_places(Path(network.path), Path(folder) / "network")
    head = Linear(draw.standard_normal((3, network.dim)), draw.standard_normal(3), "softmax")
    output.write_bytes("head.npz", pack(head))
    cloud = describe(draw.standard_normal((50, network.dim)) * 3)
    shares = dict.fromkeys(LABELS, 1 / 3)
    known = Reference(cloud, 1e6, 0.01, 1.3, 0.5, 0.1, shares, 0.8, 0.1)
    output.write_bytes("reference.npz", known.pack())
    weights = network.weights
    manifest = Manifest(
        *("lr-0123", LABELS, "lr", {}, network.backbone),
        Origin(weights.kind, weights.sha256, "", "", ""),
        *(network.preprocessing, "openvino", precision, "cpu", "network", network.dim),
        *(Limits(), {}, "0123", {}, {}, digests(output)),
        **changes,
    )
    write_manifest(output, manifest)
    return output.address


def test_the_sample_is_the_same_wherever_the_folder_lies(spark, films, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(films, moved, ignore=lambda _, names: [n for n in names if n.startswith("_")])
    here, there = (draw_films(spark, ingest(each), Fit((32, 48))) for each in (films, moved))
    assert here.sha256 == there.sha256
    np.testing.assert_array_equal(here.pixels, there.pixels)
    assert 40 < len(here.sha256) <= 60  # without those that are no films
    assert here.held_out == len(here.sha256) // 4


def test_new_films_change_the_sample_and_so_the_calibration(spark, films, tmp_path):
    pytest.importorskip("nncf")
    (tmp_path / "new.png").write_bytes(next(iter(phantoms(1, 9, 96, ("png",)))).data)
    one, both = (
        draw_films(spark, ingest(*of), Fit((32, 48))) for of in ([films], [films, tmp_path])
    )
    assert set(both.sha256) > set(one.sha256)
    assert both.calibration != one.calibration


@needs_vnni
def test_workers_run_int8(spark, plan):
    used = used_by_workers(spark, plan)
    assert (used.engine, used.precision) == ("openvino", "int8")
    assert re.fullmatch(r"tiny-[0-9a-f]{16}-int8", plan.key(used))


@needs_vnni
def test_a_model_keeps_its_network_and_predicts_without_spark(plan, tmp_path):
    known = plan.network.quantisation
    place = model_of(tmp_path / "m", plan.network, "int8", calibration=known.calibration)
    model = load_model(place)
    assert model.plan.network.quantisation == known
    found = model.predict([p.data for p in phantoms(3, 1, 64, ("png",))])
    assert {each.label for each in found} <= set(LABELS)


def test_a_model_of_int8_with_another_network_is_refused(plan, tmp_path):
    place = model_of(tmp_path / "m", plan.network, "f32")
    with pytest.raises(InputError, match=r"a network for the precision of model.json"):
        load_model(place)


def test_the_network_of_a_model_is_taken_without_films_and_without_nncf(
    spark, plan, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr("spark_cxr.backbones.quantisation.find_spec", lambda _: None)
    place = model_of(tmp_path / "m", plan.network, "int8")
    again = make_plan(spark, asked(tiny, precision="int8", calibrate=place))
    assert again.network.quantisation == plan.network.quantisation
    file = make_plan(spark, asked(tiny, precision="int8", calibrate=plan.network.path))
    assert file.network == plan.network


def test_the_network_of_another_model_is_refused(spark, plan):
    pytest.importorskip("openvino")
    other = wanted("CXRNet", engine="openvino", precision="int8", calibrate=plan.network.path)
    with pytest.raises(InputError, match=r"CXRNet with the same weights in int8.*tiny in int8"):
        make_plan(spark, other)


def test_stages_without_films_to_calibrate_on_refuse_int8(spark, tiny):
    table = spark.createDataFrame([(bytearray(b"x"),)], "content binary")
    stage = FilmFeaturizer(modelName=tiny, normalising="tf", precision="int8")
    with pytest.raises(ConfigError, match=r"films to calibrate int8 on. Received: none"):
        stage.transform(table)
    image = "struct<origin:string,height:int,width:int,nChannels:int,mode:int,data:binary>"
    images = spark.createDataFrame([(None,)], f"image {image}")
    old = DeepImageFeaturizer(
        inputCol="image", outputCol="f", modelName="ResNet50", weights="random:0", precision="int8"
    )
    with pytest.raises(ConfigError, match=r"films to calibrate int8 on. Received: none"):
        old.transform(images)


@needs_vnni
def test_a_stage_takes_a_network_that_is_calibrated(spark, tiny, plan):
    drawn = next(iter(phantoms(1, 4, 64, ("png",)))).data
    table = spark.createDataFrame([(bytearray(drawn),)], "content binary")
    stage = FilmFeaturizer(
        modelName=tiny, normalising="tf", precision="int8", calibrate=plan.network.path
    )
    assert len(stage.transform(table).collect()[0]["features"]) == 6


# A head that has learned from other vectors


@pytest.fixture(scope="module")
def bare(tiny):
    row = find(tiny, "tf")
    return prepare(row, resolve("", row), "openvino")


def test_a_head_of_other_vectors_is_not_asked_with_int8_unless_it_says_so(
    spark, bare, films, tmp_path
):
    scorer = open_scorer(spark, model_of(tmp_path / "m", bare, "f32"))
    with pytest.raises(ConfigError, match=r"a model that allows int8. Received: lr-0123, of f32"):
        int8_scorer.in_int8(spark, scorer, str(films))


@needs_vnni
def test_where_it_does_the_answers_are_compared_first(
    spark, bare, films, tmp_path, monkeypatch, caplog
):
    pytest.importorskip("nncf")
    scorer = open_scorer(spark, model_of(tmp_path / "m", bare, "f32", allows=("int8",)))
    monkeypatch.setattr(int8_scorer, "MOST_CHANGED", 1.0)
    with caplog.at_level("INFO", "spark_cxr"):
        model = int8_scorer.in_int8(spark, scorer, str(films))
    assert "score: int8 changes" in caplog.text
    assert (model.plan.precision, model.manifest.precision) == ("int8", "int8")
    assert model.manifest.identity != scorer.manifest.identity
    monkeypatch.setattr(int8_scorer, "MOST_CHANGED", -1.0)
    with pytest.raises(InputError, match=r"of the answers on \d+ films"):
        int8_scorer.in_int8(spark, scorer, str(films))


def test_changed_answers_are_counted(spark, bare, tmp_path):
    predictor = open_scorer(spark, model_of(tmp_path / "m", bare, "f32")).predictor
    vectors = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)
    other = vectors.copy()
    other[:2] = -other[:2] * 5
    labels = [
        predictor.predict(v).label != predictor.predict(w).label
        for v, w in zip(vectors, other, strict=True)
    ]
    assert int8_scorer.changed_share(predictor, vectors, vectors) == 0
    assert int8_scorer.changed_share(predictor, vectors, other) == np.mean(labels) > 0


def test_what_a_model_of_f32_says_is_as_before(bare, tmp_path):
    place = Output(model_of(tmp_path / "m", bare, "f32"))
    text = (Path(place.address.removeprefix("file:")) / "model.json").read_text()
    assert '"calibration"' not in text
    assert '"allows"' not in text
    known = read_manifest(place)
    assert known.identity == replace(known, calibration="").identity
    assert known.identity != replace(known, calibration="0").identity
