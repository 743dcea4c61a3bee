"""States of a training on disk."""

from dataclasses import replace

import numpy as np
import pytest

from spark_cxr.training import checkpoint
from spark_cxr.training.checkpoint import Saved, State, Sums
from spark_cxr.training.task import Epoch, History

EPOCH = Epoch(1, "head", 0.1, 1.0, 0.5, 0.25, 0.5, 1.0, 10.0)
STATE = State(1, 3, Sums(1.5, 2.0, 8.0, 8, 0.25), History((EPOCH,)))
SAVED = Saved(STATE, [np.eye(2, dtype=np.float32)], [np.array(7), np.zeros((0, 3))])


def test_a_state_comes_back_with_its_variables(tmp_path):
    checkpoint.write(tmp_path, "key", SAVED)
    found = checkpoint.read(tmp_path, "key")
    assert found is not None
    assert found.state == STATE
    for name in ("model", "optimiser"):
        for one, other in zip(getattr(found, name), getattr(SAVED, name), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def test_the_state_of_another_training_is_none(tmp_path):
    checkpoint.write(tmp_path, "key", SAVED)
    assert checkpoint.read(tmp_path, "other") is None
    assert checkpoint.read(tmp_path / "nothing", "key") is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive"])
def test_what_is_no_state_is_none(tmp_path, content):
    (tmp_path / checkpoint.STATE).write_bytes(content)
    assert checkpoint.read(tmp_path, "key") is None


def test_only_the_best_network_is_kept(tmp_path):
    for number in (1, 2, 11):
        checkpoint.write_best(tmp_path, number, [np.full(3, number)])
    checkpoint.forget(tmp_path, 11)
    assert [path.name for path in tmp_path.iterdir()] == ["best-11.npz"]
    np.testing.assert_array_equal(checkpoint.read_best(tmp_path, 11)[0], [11] * 3)


def test_a_training_is_known_by_recipe_films_labels_and_network_and_not_by_its_folder(task):
    key = checkpoint.key(task)
    others = [
        replace(task, recipe=replace(task.recipe, seed=8)),
        replace(task, labels=("a", "b", "c")),
        replace(task, weights=replace(task.weights, sha256="0")),
        replace(task, train=task.val),
    ]
    assert key == checkpoint.key(replace(task, folder=task.folder / "elsewhere"))
    assert key not in map(checkpoint.key, others)
