"""Training from end to end, of a network that takes seconds."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from training_tasks import cached, make_task

from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.keras_model import compose, load
from spark_cxr.errors import ConfigError, InputError, SparkCxrError
from spark_cxr.training import epoch
from spark_cxr.training.batches import Share
from spark_cxr.training.loop import CALM_RATE, train
from spark_cxr.training.recipe import STILL, Augment
from spark_cxr.training.team import Alone


def quiet(line):
    pass


@pytest.fixture(scope="module")
def lines():
    return []


@pytest.fixture(scope="module")
def task(tmp_path_factory, body):
    folder = tmp_path_factory.mktemp("task")
    return make_task(folder, body, epochs=8, warm_epochs=2)


@pytest.fixture(scope="module")
def trained(task, lines):
    return train(task, lines.append)


def accuracy(trained, films):
    """Score films with the file and the portable head, as everybody else will."""
    pixels, targets = films.read(0, films.count)
    network = compose(load(str(trained.weights)), "tf", "avg")
    vectors = network.predict_on_batch(np.repeat(pixels[..., None], 3, axis=-1))
    return (trained.head.probabilities(vectors.astype(np.float64)).argmax(axis=1) == targets).mean()


def test_the_file_and_the_head_tell_films_apart_that_did_not_train(task, trained):
    best = trained.history.epochs[trained.best_epoch - 1]
    assert accuracy(trained, task.val) == pytest.approx(best.val_accuracy)
    assert best.val_accuracy > 0.9


def test_history_has_a_row_for_each_epoch_and_says_the_phase(task, trained):
    told = json.loads((task.folder / "history.json").read_text())
    assert told == trained.history.to_json()
    assert [row["number"] for row in told] == list(range(1, 11))
    assert [row["phase"] for row in told] == ["head"] * 2 + ["all"] * 8
    assert told[-1]["loss"] < told[0]["loss"]
    assert told[0]["learning_rate"] == 0.01


def test_the_weights_are_those_of_the_best_epoch(trained):
    worth = [(-each.val_accuracy, each.val_loss) for each in trained.history.epochs]
    assert trained.best_epoch == 1 + worth.index(min(worth))


def test_each_epoch_is_told(lines):
    ends = [line for line in lines if "validation loss" in line]  # a slow one is told of before
    assert [line[:8] for line in ends] == [f"epoch {n:<2}" for n in range(1, 11)]


def test_the_contact_sheet_shows_six_rows_and_the_first_once_more(task, trained):
    with Image.open(task.folder / "films.png") as sheet:
        assert sheet.size == (8 * 164, 7 * 164 + 8)


def test_the_file_is_a_backbone_that_needs_no_description(task, trained):
    row = own.find(str(trained.weights))
    assert (row.normalising, row.licence) == ("tf", task.backbone.licence)


def test_a_training_that_is_over_gives_its_result_again(task, trained):
    lines = []
    again = train(task, lines.append)
    np.testing.assert_array_equal(again.head.weights, trained.head.weights)
    assert again.history == trained.history
    assert [line for line in lines if line.startswith("epoch")] == []


def test_a_folder_of_another_training_is_trained_anew(tmp_path, body):
    task = make_task(tmp_path, body, warm_epochs=1, epochs=0)
    train(task, quiet)
    other = train(replace(task, recipe=replace(task.recipe, seed=8)), quiet)
    assert len(other.history.epochs) == 1


def test_a_network_that_is_frozen_keeps_its_weights(tmp_path, body):
    task = make_task(tmp_path, body, layers="none", warm_epochs=0, epochs=1)
    found, before = load(str(train(task, quiet).weights)), load(str(body))
    for weight, old in zip(found.get_weights(), before.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, old)


def test_all_that_a_recipe_can_ask_for_at_once(tmp_path, body):
    task = make_task(
        tmp_path,
        body,
        head=(8, 4),
        batch_norm=True,
        layers="0.5",
        loss="focal",
        label_smoothing=0.1,
        balance="sampling",
        distil=0.2,
        optimiser="sgd",
        schedule="plateau",
        precision="bf16",
        warm_epochs=1,
        epochs=1,
    )
    trained = train(task, quiet)
    best = trained.history.epochs[trained.best_epoch - 1]
    # Two of 14 films may lie so near a boundary that the rounding of bf16 decides.
    assert accuracy(trained, task.val) == pytest.approx(best.val_accuracy, abs=2 / 14)


def test_training_ends_when_validation_gets_no_better(tmp_path, body, monkeypatch):
    validations = iter([(0.9, 0.5), (0.5, 0.5), (0.4, 0.4), (0.6, 0.5), (0.8, 0.4), (0.7, 0.3)])
    monkeypatch.setattr(epoch, "validate", lambda course: next(validations))
    task = make_task(tmp_path, body, warm_epochs=0, epochs=50, calm_epochs=2, patience=2)
    trained = train(task, quiet)
    assert trained.best_epoch == 2
    assert [each.phase for each in trained.history.epochs] == ["all"] * 4 + ["calm"] * 2


def test_calm_epochs_show_films_as_they_are_but_for_corners_in_small_steps(
    tmp_path, body, monkeypatch
):
    seen, learn = [], epoch.learn

    def watched(course, *others):
        seen.append(course.train.strengths)
        return learn(course, *others)

    monkeypatch.setattr(epoch, "learn", watched)
    task = make_task(tmp_path, body, warm_epochs=1, epochs=1, calm_epochs=1, augment=Augment())
    told = train(task, quiet).history.epochs
    calm = replace(STILL, erase=Augment().erase)
    assert seen == [(Augment(),), (Augment(),), (calm,)]
    assert told[-1].phase == "calm"
    assert told[-1].learning_rate == pytest.approx(CALM_RATE * task.recipe.learning_rate)


def test_a_loss_that_is_no_number_is_said_with_the_way_out(tmp_path, body):
    task = make_task(tmp_path, body, learning_rate=1e30, warm_epochs=0, optimiser="sgd")
    with pytest.raises(SparkCxrError, match=r"Expected a loss that is a number.*--learning-rate"):
        train(task, quiet)


def test_a_class_without_films_is_refused(task):
    lacking = replace(task, labels=(*task.labels, "four"))
    with pytest.raises(InputError, match="Received: none that trains of four"):
        train(lacking, quiet)


def test_films_of_another_size_are_refused(task, tmp_path):
    wide = replace(task, backbone=replace(task.backbone, size_hw=(64, 64)))
    with pytest.raises(InputError, match=r"films of \(64, 64\).*uint8 \(32, 32\)"):
        train(wide, quiet)


def test_numbers_beyond_the_classes_are_refused(task, tmp_path):
    beyond = replace(task, val=cached(tmp_path / "beyond", [0, 3, 1, 2]))
    with pytest.raises(InputError, match=r"numbers of 3 classes. Received: int32 from 0 to 3"):
        train(beyond, quiet)


class ThreeProcesses(Alone):
    share = Share(0, 3)


def test_batches_that_cannot_be_shared_evenly_are_refused(task):
    with pytest.raises(ConfigError, match=r"3 processes.*8 films.*multiple of 3"):
        train(task, quiet, ThreeProcesses())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"warm_epochs": 0, "epochs": 0}, "Expected at least one epoch"),
        ({"balance": "class"}, "finetune.balance_by by name"),
        ({"schedule": "cosin"}, r"Did you mean cosine\?"),
        ({"precision": "f16"}, "Expected a GPU for training in f16"),
    ],
)
def test_recipes_that_cannot_be_are_refused_at_once(task, changes, told):
    with pytest.raises((ConfigError, SparkCxrError), match=told):
        train(replace(task, recipe=replace(task.recipe, **changes)), quiet)
