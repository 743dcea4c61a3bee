"""The file of a network: built once, read by executors, never half there."""

import json
import mmap
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from spark_cxr.backbones import catalog
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.network import (
    CONSTANTS,
    GRAPH,
    META,
    Network,
    copy_without_places,
    key,
    local,
    map_constants,
    prepare,
    read,
    read_member,
)
from spark_cxr.backbones.user_network import find
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import ConfigError, SetupError, WeightsError


def prepared(file: Path, engine: str = "openvino", pooling: str = "avg") -> Network:
    row = find(str(file), "tf")
    return prepare(row, resolve("", row), engine, pooling, say=lambda _: None)


def test_file_says_all_of_the_network(tiny_network: Path) -> None:
    network = prepared(tiny_network)
    assert replace(read(Path(network.path)), sha256=network.sha256) == network


def test_file_keeps_what_the_network_is_shown_and_older_versions_read_what_sees_all(
    tiny_network: Path,
) -> None:
    assert "see" not in json.loads(read_member(Path(prepared(tiny_network).path), META))
    row = replace(find(str(tiny_network), "tf"), see="lungs-only")
    network = prepare(row, resolve("", row), "openvino", say=lambda _: None)
    assert read(Path(network.path)).fit.see == "lungs-only"


def test_file_is_built_once(tiny_network: Path) -> None:
    first = prepared(tiny_network)
    made = Path(first.path).stat().st_mtime_ns
    assert prepared(tiny_network) == first
    assert Path(first.path).stat().st_mtime_ns == made


@pytest.mark.parametrize(("pooling", "dim"), [("avg", 6), ("max", 6), ("none", 8 * 12 * 6)])
def test_pooling_decides_the_length(tiny_network: Path, pooling: str, dim: int) -> None:
    assert prepared(tiny_network, pooling=pooling).dim == dim


def test_unknown_pooling_is_refused(tiny_network: Path) -> None:
    with pytest.raises(ConfigError, match="Received: average"):
        prepared(tiny_network, pooling="average")


def test_key_changes_with_what_changes_the_features(tiny_network: Path) -> None:
    network = prepared(tiny_network)
    changes: list[dict[str, object]] = [
        {"normalising": "torch"},
        {"pooling": "max"},
        {"engine": "keras"},
        {"preprocessing": 0},
        {"see": "lungs"},
        {"weights": replace(network.weights, sha256="other")},
    ]
    keys = {key(network), *(key(replace(network, **change)) for change in changes)}  # type: ignore[arg-type]
    assert len(keys) == 7


def test_key_does_not_change_with_where_the_file_lies(tiny_network: Path) -> None:
    network = prepared(tiny_network)
    assert key(replace(network, path="elsewhere", sha256="")) == key(network)


def test_damaged_file_is_built_again(tiny_network: Path) -> None:
    first = prepared(tiny_network)
    Path(first.path).write_bytes(b"half")
    assert prepared(tiny_network).dim == first.dim


def test_nothing_but_the_file_and_its_lock_is_left(tiny_network: Path) -> None:
    path = Path(prepared(tiny_network).path)
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def test_damaged_file_is_told_to_whoever_reads_it(tmp_path: Path) -> None:
    (tmp_path / "x.network").write_bytes(b"half")
    with pytest.raises(WeightsError, match="Remove it: it is built again"):
        read(tmp_path / "x.network")


def test_fake_needs_no_file(cache: Path) -> None:
    row = catalog.get("fake")
    network = prepare(row, resolve("", row), "fake")
    assert (network.path, network.dim, local(network)) == ("", 128, network)
    assert not (cache / "networks").exists()


def test_executor_finds_what_was_shipped(
    tiny_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = prepared(tiny_network)
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    Path(network.path).rename(shipped / Path(network.path).name)
    monkeypatch.setenv("SPARK_CXR_CACHE", str(tmp_path / "executor"))
    found = local(network, [str(shipped)])
    assert found.path == str(tmp_path / "executor" / "networks" / Path(network.path).name)
    assert replace(read(Path(found.path)), sha256=network.sha256) == found


def test_file_that_was_damaged_on_its_way_is_refused(
    tiny_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = prepared(tiny_network)
    monkeypatch.setenv("SPARK_CXR_CACHE", str(tmp_path / "executor"))
    with pytest.raises(WeightsError, match="It was damaged on its way: run again"):
        local(replace(network, sha256="0" * 64))


def test_executor_without_the_file_says_where_it_looked(tmp_path: Path) -> None:
    row = catalog.get("VGG16")
    weights = resolve("random:0", row)
    gone = Network("VGG16", (224, 224), 512, "caffe", "avg", "openvino", weights, path="/no/x")
    with pytest.raises(SetupError, match=f"nothing at /no/x, {tmp_path}/x"):
        local(gone, [str(tmp_path)])


def test_two_processes_build_one_file(tiny_network: Path, cache: Path) -> None:
    code = (
        "import logging\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "from spark_cxr.backbones.network import prepare\n"
        "from spark_cxr.backbones.user_network import find\n"
        "from spark_cxr.backbones.weights import resolve\n"
        f"row = find({str(tiny_network)!r}, 'tf')\n"
        "prepare(row, resolve('', row), 'openvino')"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in started]
    assert sum(text.count("is made ready for openvino") for text in said) == 1


def test_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    keras = import_keras()
    films = keras.Input((32, 32, 3))
    network = keras.Model(films, keras.layers.Lambda(lambda x: x * 2)(films))
    network.save(tmp_path / "code.keras")
    with pytest.raises(WeightsError, match="Networks with Lambda layers or classes of their own"):
        prepared(tmp_path / "code.keras")


def test_weights_of_another_network_are_refused(tiny_network: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.weights.h5"
    import_keras().saving.load_model(tiny_network).save_weights(file)
    row = replace(catalog.get("MobileNetV2"), size_hw=(96, 96))
    with pytest.raises(WeightsError, match="The file must hold MobileNetV2 without its classifier"):
        prepare(row, resolve(str(file), row), "openvino", say=lambda _: None)


def test_copy_says_not_where_the_network_was_made(tiny_network: Path, tmp_path: Path) -> None:
    network = prepared(tiny_network)
    copy_without_places(Path(network.path), tmp_path / "copy")
    assert str(tiny_network.parent).encode() not in (tmp_path / "copy").read_bytes()
    assert read(tmp_path / "copy").weights.origin == tiny_network.name
    assert key(read(tmp_path / "copy")) == key(network)
    for name in (CONSTANTS, GRAPH):
        assert read_member(tmp_path / "copy", name) == read_member(Path(network.path), name)
    constants = map_constants(tmp_path / "copy")
    assert constants.offset % mmap.PAGESIZE == 0
    assert bytes(constants) == read_member(Path(network.path), CONSTANTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"dim": "6"},
        {"dim": 0},
        {"size_hw": [8]},
        {"size_hw": [8, 1 << 20]},
        {"weights": None},
        {"more": 1},
        {"see": "heart"},
        {"format": 99},
    ],
)
def test_file_that_contradicts_is_refused(
    tiny_network: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    network = prepared(tiny_network)
    meta = json.loads(read_member(Path(network.path), META)) | changes
    with zipfile.ZipFile(tmp_path / "x.network", "w") as archive:
        archive.writestr(META, json.dumps(meta))
    with pytest.raises(WeightsError, match="Expected a network's file"):
        read(tmp_path / "x.network")
