"""The rows of the catalog agree with Keras, and with what they promise."""

from typing import Any

import pytest

from spark_cxr.backbones import catalog
from spark_cxr.backbones.catalog import NORMALISINGS, Backbone, PublishedWeights
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError

QUICK = ("MobileNetV2", "EfficientNetB0")
NETWORKS = [
    pytest.param(catalog.get(name), id=name, marks=() if name in QUICK else pytest.mark.slow)
    for name in catalog.names()
    if catalog.get(name).constructor
]
CHEAP = [pytest.param(each.values[0], id=each.id) for each in NETWORKS]


class AskedForFile(Exception):
    """Stops Keras where it would download."""


def asked_by_keras(row: Backbone, monkeypatch: pytest.MonkeyPatch, top: bool) -> PublishedWeights:
    """See which file Keras would download for a row."""
    from keras.src.utils import file_utils

    asked: list[PublishedWeights] = []

    def note(name: str, url: str, file_hash: str = "", **_: Any) -> None:
        assert url.endswith(f"/{name}")
        asked.append(PublishedWeights(url, file_hash))
        raise AskedForFile

    monkeypatch.setattr(file_utils, "get_file", note)
    with pytest.raises(AskedForFile):
        constructor = getattr(import_keras().applications, row.constructor)
        constructor(include_top=top, input_shape=(*row.size_hw, 3))
    return asked[0]


@pytest.mark.parametrize("row", NETWORKS)
def test_weights_are_the_file_that_keras_downloads(
    row: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert row.weights == asked_by_keras(row, monkeypatch, top=False)


@pytest.mark.parametrize("row", NETWORKS)
def test_top_weights_are_the_file_that_keras_downloads(
    row: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert row.top_weights == asked_by_keras(row, monkeypatch, top=True)


@pytest.mark.parametrize("row", NETWORKS)
def test_last_spatial_layer_gives_maps_of_the_promised_shape(row: Backbone) -> None:
    constructor = getattr(import_keras().applications, row.constructor)
    model = constructor(weights=None, include_top=False, input_shape=(*row.size_hw, 3))
    assert model.get_layer(row.spatial_layer).output is model.output
    assert model.output_shape[1:] == row.spatial_shape


@pytest.mark.parametrize("row", CHEAP)
def test_row_names_licence_and_citation(row: Backbone) -> None:
    assert row.licence
    assert "arXiv:" in row.citation


@pytest.mark.parametrize("row", CHEAP)
def test_normalising_is_one_that_is_known(row: Backbone) -> None:
    assert row.normalising in NORMALISINGS


@pytest.mark.parametrize("name", catalog.names())
def test_row_stands_under_its_name(name: str) -> None:
    assert catalog.get(name).name == name


def test_unknown_name_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(ConfigError) as caught:
        catalog.get("Resnet50")
    assert str(caught.value) == (
        "Expected features.backbone by name. Received: Resnet50. "
        "Did you mean ResNet50? Or give a FILE.keras or FILE.onnx of your own."
    )
