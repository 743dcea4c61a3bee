"""Structs of Spark's image schema instead of encoded images."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from spark_cxr.backbones.featurize import featurize
from spark_cxr.pipeline.featurizer import FilmFeaturizer
from tests.quick import fake_plan

SCHEMA = (
    "id int, image struct<origin: string, height: int, width: int, nChannels: int, mode: int, "
    "data: binary>"
)


def png(seed):
    """Draw a smooth grey picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((110, 96), Image.Resampling.BILINEAR).save(stream, "PNG")
    return stream.getvalue()


def struct(data):
    """Make a struct of one grey channel, by Pillow alone."""
    with Image.open(io.BytesIO(data)) as grey:
        return ("a.png", grey.height, grey.width, 1, 0, bytearray(grey.tobytes()))


@pytest.fixture(scope="module")
def drawn():
    return [png(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def table(spark, drawn):
    rows = [(i, struct(data)) for i, data in enumerate(drawn)]
    short = ("b.png", 96, 96, 1, 0, bytearray(b"too few"))
    unread = ("c.png", -1, -1, -1, -1, bytearray())
    return spark.createDataFrame([*rows, (6, None), (7, short), (8, unread)], SCHEMA)


def made(table, **params):
    rows = FilmFeaturizer(modelName="fake", inputCol="image", **params).transform(table)
    return {row["id"]: row for row in rows.collect()}


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_features_of_structs_equal_those_of_files(drawn, table, parts):
    expected = featurize(drawn, fake_plan(4))
    got = made(table.repartition(parts), batchSize=4, handleInvalid="keep")
    for i, vector in enumerate(expected):
        np.testing.assert_allclose(got[i]["features"].toArray(), vector, atol=1e-6)


def test_a_struct_is_seen_as_its_file_is(drawn, table):
    plan = fake_plan(4)
    expected = featurize(drawn, replace(plan, network=replace(plan.network, see="lungs")))
    got = made(table, see="lungs", handleInvalid="keep")
    for i, vector in enumerate(expected):
        np.testing.assert_allclose(got[i]["features"].toArray(), vector, atol=1e-6)


def test_null_and_damaged_structs_are_kept_with_a_reason(table):
    got = made(table, handleInvalid="keep", errorCol="why")
    assert {i: got[i]["why"]["reason"] for i in got if got[i]["features"] is None} == {
        6: "not_an_image",
        7: "corrupt",
        8: "not_an_image",
    }


def test_null_and_damaged_structs_are_skipped(table):
    assert set(made(table, handleInvalid="skip")) == set(range(6))


def test_null_and_damaged_structs_fail_the_job(table):
    with pytest.raises(Exception, match="image struct"):
        made(table)


def test_sparks_own_source_can_be_read(spark, drawn, tmp_path):
    (tmp_path / "a.png").write_bytes(drawn[0])
    images = spark.read.format("image").load(str(tmp_path))
    vector = (
        FilmFeaturizer(modelName="fake", inputCol="image").transform(images).first()["features"]
    )
    expected = featurize(drawn[:1], fake_plan(1))[0]
    np.testing.assert_allclose(vector.toArray(), expected, atol=1e-6)
