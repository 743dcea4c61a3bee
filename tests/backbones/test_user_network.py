"""A user's own Keras file, described without Keras."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from spark_cxr.backbones.catalog import KNOWN_FILES, KnownFile
from spark_cxr.backbones.user_network import find, is_own
from spark_cxr.errors import ConfigError, WeightsError


def keras_file(folder: Path, *shapes: list[Any]) -> Path:
    layers = [{"class_name": "InputLayer", "config": {"batch_shape": shape}} for shape in shapes]
    with zipfile.ZipFile(folder / "net.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
    return folder / "net.keras"


def test_name_of_the_catalog_is_no_file() -> None:
    assert not is_own("ResNet50")
    assert find("ResNet50").normalising == "caffe"


def test_file_is_a_row_of_its_own(tmp_path: Path) -> None:
    row = find(str(keras_file(tmp_path, [None, 32, 48, 3])), "torch")
    assert (row.name, row.size_hw, row.normalising) == ("net", (32, 48), "torch")


@pytest.mark.parametrize("normalising", ["", "TF"])
def test_file_without_normalising_is_refused(tmp_path: Path, normalising: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find(str(keras_file(tmp_path, [None, 32, 48, 3])), normalising)
    assert str(caught.value) == (
        "Expected features.normalising from caffe, tf, torch, none for net.keras. "
        f"Received: {normalising or 'nothing'}. Say how the network was trained."
    )


def test_grey_network_takes_what_fits_one_channel(tmp_path: Path) -> None:
    grey = str(keras_file(tmp_path, [None, 32, 48, 1]))
    assert find(grey, "grey").normalising == "grey"
    told = "Expected features.normalising from tf, none, grey for net.keras. Received: caffe."
    with pytest.raises(ConfigError, match=told):
        find(grey, "caffe")


def test_file_known_by_its_content_needs_no_normalising(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = keras_file(tmp_path, [None, 32, 48, 3])
    known = KnownFile("torch", "MIT", "somebody")
    monkeypatch.setitem(KNOWN_FILES, hashlib.sha256(file.read_bytes()).hexdigest(), known)
    assert (find(str(file)).normalising, find(str(file)).licence) == ("torch", "MIT")
    assert find(str(file), "tf").normalising == "tf"


def test_squeezenet_of_the_shared_weights_is_known(shared_data: Path) -> None:
    row = find(str(shared_data.parent / "weights/squeezenet11_imagenet.keras"))
    assert (row.normalising, row.size_hw) == ("caffe", (224, 224))


def test_normalising_that_contradicts_the_catalog_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Expected no features\.normalising, or caffe, for"):
        find("ResNet50", "tf")


@pytest.mark.parametrize(
    "shapes",
    [([None, None, None, 3],), ([None, 32, 32, 2],), ([None, 9],), ([None, 8, 8, 3],) * 2, ()],
    ids=["any size", "two channels", "no film", "two inputs", "no input"],
)
def test_network_that_films_do_not_fit_into_is_refused(
    tmp_path: Path, shapes: tuple[list[Any], ...]
) -> None:
    with pytest.raises(
        ConfigError, match="one input of fixed height and width and 1 or 3 channels"
    ):
        find(str(keras_file(tmp_path, *shapes)), "tf")


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="Expected a Keras 3 file"):
        find(str(tmp_path / "net.keras"), "tf")


def test_file_that_is_no_keras_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.keras").write_bytes(b"not a zip")
    with pytest.raises(WeightsError, match=r"Save it with model.save\('FILE.keras'\)"):
        find(str(tmp_path / "net.keras"), "tf")
