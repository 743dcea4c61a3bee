"""The surest mistakes of a report, without films that the model refuses."""

import numpy as np
import pytest
from PIL import Image

from spark_cxr.backbones import catalog
from spark_cxr.model import load_model
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.data_summary import RefusalCheck, mistakes_of
from tests.serve.made_model import made_model

DIM = catalog.get("fake").dim


@pytest.fixture
def films(tmp_path):
    """Give three films that were named wrongly, the surest of them a coloured picture."""
    paths = [tmp_path / name for name in ("photo.png", "surer.png", "less.png")]
    Image.new("RGB", (96, 96), (220, 0, 0)).save(paths[0])
    for path, drawn in zip(paths[1:], phantoms(2, 3, 64, ("png",)), strict=True):
        path.write_bytes(drawn.data)
    return [f"file:{path}" for path in paths]


def test_a_refused_film_is_no_mistake_of_the_report(spark, films, tmp_path):
    rows = [(path, "ill", "well", 0.9 - i / 10) for i, path in enumerate(films)]
    said = spark.createDataFrame(
        rows, "path string, label string, prediction string, confidence double"
    )
    vectors = spark.createDataFrame(
        [(path, np.zeros(DIM).tolist()) for path in films], "path string, features array<float>"
    )
    predictor = load_model(made_model(tmp_path / "model")).predictor
    check = RefusalCheck(predictor, vectors, catalog.get("fake").size_hw)
    assert [each.path for each in mistakes_of(said, check)] == ["surer.png", "less.png"]
    assert [each.path for each in mistakes_of(said)] == ["photo.png", "surer.png", "less.png"]
