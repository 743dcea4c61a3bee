"""The central promise, through Spark: for every network, features are those of Keras itself."""

import hashlib
import io
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spark_cxr.backbones import catalog
from spark_cxr.backbones.catalog import PublishedWeights
from spark_cxr.pipeline.featurizer import FilmFeaturizer
from tests.backbones.official_layout import drawn_films, kerass_features, write_official

COUNT = 5
"""In 7 parts some are empty, in 2 a last batch is not full, in 1 a batch of 4 leaves one film."""
NETWORKS = [
    pytest.param(name, marks=() if name == "MobileNetV2" else pytest.mark.slow)
    for name in catalog.names()
    if catalog.get(name).constructor
]


@pytest.fixture(scope="module", params=NETWORKS)
def case(request, spark, tmp_path_factory):
    """Put weights in the official layout on a mirror; draw films, and ask Keras for features."""
    row, mirror = catalog.get(request.param), tmp_path_factory.mktemp("mirror")
    file = mirror / row.weights.name
    write_official(row, file)
    films = drawn_films(row, COUNT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(mirror / "keras"))
        expected = kerass_features(row, file, films, patch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(mirror / "keras"))
        md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        published = replace(row, weights=PublishedWeights(row.weights.url, md5))
        patch.setitem(catalog.BACKBONES, row.name, published)
        yield row.name, str(mirror), films, expected
    shutil.rmtree(mirror)
    for made in Path(os.environ["SPARK_CXR_CACHE"]).rglob("*.*"):
        made.unlink()  # hundreds of megabytes a network


def png(film):
    stream = io.BytesIO()
    Image.fromarray(film).save(stream, "PNG")
    return bytearray(stream.getvalue())


@pytest.mark.parametrize("engine", ["openvino", pytest.param("keras", marks=pytest.mark.slow)])
def test_features_through_spark_are_those_of_keras(spark, case, engine):
    name, mirror, films, expected = case
    rows = spark.createDataFrame(
        [(i, png(film)) for i, film in enumerate(films)], "id int, c binary"
    )
    stage = FilmFeaturizer(
        inputCol="c",
        modelName=name,
        weights="imagenet",
        mirror=mirror,
        engine=engine,
        precision="f32",
        device="cpu",
        batchSize=4,
    )
    # Random networks may give small numbers: what is left must be small beside them too.
    largest = min(1.0, float(np.abs(expected).max()))
    for parts in (1, 2, 7):
        made = stage.transform(rows.repartition(parts)).select("id", "features").collect()
        assert sorted(row.id for row in made) == list(range(COUNT))
        for row in made:
            np.testing.assert_allclose(
                row.features.toArray(), expected[row.id], atol=1e-4 * largest
            )
