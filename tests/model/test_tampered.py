"""Model directories that were changed and sealed anew: the same answers, or one line."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_by_hand import manifest, reference

from spark_cxr.backbones import catalog
from spark_cxr.errors import InputError, SparkCxrError
from spark_cxr.heads.portable import PortableHead, pack
from spark_cxr.heads.portable.layers import Dense, Perceptron
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.heads.portable.trees import Trees
from spark_cxr.model import load_model
from spark_cxr.model.manifest import ARRAYS, NAME, REFERENCE, SEAL, _seal, digests, write_manifest
from spark_cxr.output import Output
from tests.model.decision_by_hand import decision_of_findings
from tests.model.findings_by_hand import findings_model, mixed_heads

DIM = catalog.get("fake").dim
DRAW = np.random.default_rng(18)
VECTORS = DRAW.standard_normal((3, DIM))


def layers(*units: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    pairs = list(pairwise(units))
    weights = tuple(DRAW.standard_normal(pair) for pair in pairs)
    return weights, tuple(DRAW.standard_normal(out) for _, out in pairs)


def trees() -> Trees:
    leaf = np.array([1, 1, 2])
    values = np.array([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0], [0.1, 0.2, 0.7]])
    limits = np.array([0.5, np.inf, np.inf])
    left, right = np.array([1, 1, 2]), np.array([2, 1, 2])
    roots, depth = np.array([0]), np.array([1])
    return Trees(leaf, limits, left, right, values, roots, depth, "share")


HEADS: dict[str, PortableHead] = {
    "linear": Linear(DRAW.standard_normal((3, DIM)), DRAW.standard_normal(3), "softmax"),
    "trees": trees(),
    "dense": Dense(*layers(DIM, 5, 3)),
    "perceptron": Perceptron(np.zeros(DIM), np.ones(DIM), *layers(DIM, 4, 3)),
}


def written(folder: Path, head: PortableHead) -> Path:
    output = Output(str(folder))
    output.write_bytes(ARRAYS, pack(head))
    output.write_bytes(REFERENCE, reference().pack())
    write_manifest(output, manifest(digests(output)))
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    found = {name: written(root / name, head) for name, head in HEADS.items()}
    found["findings"] = Path(findings_model(root / "findings", mixed_heads()))
    of_findings = decision_of_findings()
    found["decided"] = Path(findings_model(root / "decided", mixed_heads(), decision=of_findings))
    return found


def reseal(folder: Path, entries: dict[str, Any], anew: bool = True) -> None:
    """Write model.json as whoever may write the whole directory can."""
    entries = {name: value for name, value in entries.items() if name != SEAL}
    if anew and isinstance(entries.get("files"), dict):
        entries["files"] = {**entries["files"], **digests(Output(str(folder)))}
    text = json.dumps({**entries, SEAL: _seal(entries)}, ensure_ascii=True)
    (folder / NAME).write_text(text, encoding="utf-8")


def entries_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
    return found


def answers(folder: Path) -> Any:
    model = load_model(folder)
    with np.errstate(all="ignore"):
        shares = model.probabilities(VECTORS)
        distances = [model.predictor.reference.measure(vector) for vector in VECTORS]
        found = [each.probabilities for each in model.predict_vectors(VECTORS)]
    return shares, distances, found


# What somebody may do to it


def odd_value(draw: random.Random) -> Any:
    huge = 10 ** draw.randint(3, 400)
    words = ["", "x", "../../evil", "/etc/passwd", "a\0b", "\ud800", "f32", "A" * 5000]
    kinds = [None, True, -1, 0, 1.5, huge, float("nan"), float("inf"), [], {}, [1], {"a": []}]
    return draw.choice([*kinds, *words, [[[]]], ["a", "a"]])


def change_entry(folder: Path, draw: random.Random) -> None:
    entries = entries_of(folder)
    at: Any = entries
    while True:
        keys = list(at) if isinstance(at, dict) else range(len(at))
        name = draw.choice([key for key in keys if key != SEAL] or [None])
        deeper = name is not None and isinstance(at[name], dict | list) and at[name]
        if not deeper or draw.random() < 0.4:
            break
        at = at[name]
    if name is None:
        return
    if draw.random() < 0.3 and isinstance(at, dict):
        del at[name]
    elif draw.random() < 0.2 and isinstance(at, dict):
        at["extra"] = odd_value(draw)
    else:
        at[name] = odd_value(draw)
    reseal(folder, entries, anew=False)


def change_array(folder: Path, draw: random.Random) -> None:
    name = draw.choice([ARRAYS, REFERENCE])
    with np.load(folder / name) as stored:
        arrays = {key: stored[key] for key in stored.files}
    key = draw.choice(sorted(arrays))
    array = arrays[key]
    wide: dict[str, Callable[[], Any]] = {
        "nan": lambda: np.where(DRAW.random(array.shape) < 0.5, np.nan, 1.0),
        "inf": lambda: np.full(array.shape, -np.inf),
        "ints": lambda: np.full(array.shape, draw.choice([-7, 10**9])),
        "short": lambda: array.ravel()[:-1],
        "long": lambda: np.concatenate([array.ravel(), array.ravel()]),
        "flat": lambda: array[None],
        "words": lambda: np.full(array.shape, "odd"),
        "complex": lambda: np.full(array.shape, 1j),
        "bytes": lambda: np.frombuffer(b"\xff" * 16, dtype="S4"),
        "none": lambda: np.empty((0, *array.shape[1:])),
    }
    arrays[key] = wide[draw.choice(sorted(wide))]()
    if draw.random() < 0.15:
        del arrays[key]
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    (folder / name).write_bytes(stream.getvalue())
    reseal(folder, entries_of(folder))


def change_bytes(folder: Path, draw: random.Random) -> None:
    name = draw.choice([ARRAYS, REFERENCE, NAME])
    data = bytearray((folder / name).read_bytes())
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    if draw.random() < 0.3:
        del data[draw.randrange(len(data)) :]
    (folder / name).write_bytes(bytes(data))
    if name != NAME:
        reseal(folder, entries_of(folder))


def change_place(folder: Path, draw: random.Random) -> None:
    name = draw.choice([ARRAYS, REFERENCE, NAME])
    path, kind = folder / name, draw.randrange(5)
    if kind == 0:
        outside = folder.with_name(f"{folder.name}.outside")
        path.rename(outside)
        path.symlink_to(outside)
        return
    path.unlink()
    if kind == 1:
        os.mkfifo(path)
    elif kind == 2:
        path.symlink_to("/dev/zero")
    elif kind == 3:
        path.mkdir()
    else:
        path.symlink_to(path.name)


CHANGES = (change_entry, change_array, change_bytes, change_place)


@pytest.mark.parametrize("head", [*HEADS, "findings", "decided"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_tampered_model_answers_as_before_or_is_refused_in_one_line(
    models: dict[str, Path], tmp_path: Path, head: str, change: Callable[..., None]
) -> None:
    draw, before, refused = random.Random(f"{head} {change.__name__}"), answers(models[head]), 0
    for number in range(30):
        folder = tmp_path / str(number)
        shutil.copytree(models[head], folder)
        change(folder, draw)
        try:
            after = answers(folder)
        except SparkCxrError as error:
            refused += 1
            assert len(str(error)) < 1000
            continue
        for answer in after[:2]:
            assert np.isfinite(answer).all()
        if change in (change_bytes, change_place):
            np.testing.assert_equal(after, before)
    assert refused >= 5


@pytest.mark.parametrize("name", ["../../evil", "/etc/hostname", "..", "a/../../b", "a\\b", ""])
def test_network_outside_of_the_directory_is_refused(
    models: dict[str, Path], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "a/b/model"
    shutil.copytree(models["linear"], folder)
    (tmp_path / "evil").write_bytes(b"evil")
    entries = {**entries_of(folder), "network": name, "engine": "openvino"}
    for files in (entries["files"], {**entries["files"], name: "0" * 64}):
        reseal(folder, {**entries, "files": files}, anew=False)
        with pytest.raises(InputError):
            load_model(folder)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"labels": ["a", "b", "a"]}, "a model of two or more labels, each once"),
        ({"features": 64}, "a network with a file, or 128 features"),
        ({"features": True}, "a model.json with all its entries"),
        ({"limits": {"max_pixels": 0, "min_side": 1}}, "limits of films above 0"),
        ({"more": 1}, "a model.json with all its entries"),
        ({"labels": ["a", "b"]}, "a head of 128 features and 2 classes"),
        ({"labels": ["a", "b", "c"]}, "a reference of 128 features and 3 labels"),
    ],
)
def test_manifest_that_contradicts_is_refused(
    models: dict[str, Path], tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(models["linear"], folder)
    reseal(folder, {**entries_of(folder), **changes})
    with pytest.raises(InputError, match=f"Expected {expected}"):
        load_model(folder)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"format": NaN}', '{"a": 1, "a": 2}', '{"a": 1e999}', '"\\ud800"', "\xff"],
)
def test_json_that_is_none_is_refused(models: dict[str, Path], tmp_path: Path, text: str) -> None:
    folder = tmp_path / "m"
    shutil.copytree(models["linear"], folder)
    (folder / NAME).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="Expected a model directory"):
        load_model(folder)


def test_huge_json_is_not_read(models: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(models["linear"], folder)
    with (folder / NAME).open("r+b") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(InputError, match=r"a file of at most 16,777,216 bytes"):
        load_model(folder)


def test_bomb_of_arrays_is_not_unpacked(models: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(models["linear"], folder)
    with zipfile.ZipFile(folder / ARRAYS, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", bytes(1000))
        archive.filelist[-1].file_size = (1 << 30) + 1
    reseal(folder, entries_of(folder))
    with pytest.raises(InputError, match="bytes of arrays, at most"):
        load_model(folder)
