"""Training of several findings a film: only what is known counts, and each finding by itself."""

from dataclasses import replace

import numpy as np
import pytest
from training_tasks import (
    FINDINGS,
    RECIPE,
    cached_findings,
    make_finding_task,
    opened_finding_task,
    truth_of,
)

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import compose, load
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.heads.portable import FindingHeads
from spark_cxr.training import optimisation
from spark_cxr.training.finding_targets import cell_weights, finding_cells, weighed
from spark_cxr.training.loop import train

# What counts


def test_only_what_is_known_counts_and_a_film_counts_one_on_average() -> None:
    truth = np.array([[1, 0], [0, -1], [-1, -1], [1, 1]], np.float32)
    cells = weighed(truth, cell_weights(truth, "none"), 0.0)
    each = 4 / 5
    assert cells.tolist() == pytest.approx(
        np.array([[1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0]]) * each
    )
    assert cells.sum() == pytest.approx(len(truth))


def test_weights_make_both_answers_to_a_finding_count_the_same() -> None:
    truth = np.array([[1, 0], [0, 0], [0, 0], [0, 1], [-1, 0]], np.float32)
    cells = weighed(truth, cell_weights(truth, "weights"), 0.0)
    positive, negative = cells[:, :2].sum(axis=0), cells[:, 2:].sum(axis=0)
    assert positive == pytest.approx(negative)
    assert cells.sum() == pytest.approx(len(truth))


def test_smoothing_spreads_a_share_over_both_answers() -> None:
    cells = weighed(np.array([[1.0, -1.0]], np.float32), np.ones((2, 2)), 0.2)
    assert cells.tolist() == [pytest.approx([0.9, 0.0, 0.1, 0.0])]


@pytest.mark.parametrize("name", ["crossentropy", "focal"])
def test_loss_is_that_of_known_cells_alone(name: str) -> None:
    loss = optimisation.get_loss(replace(RECIPE, loss=name), of_findings=True)
    convert = import_keras().ops.convert_to_numpy
    margins = np.array([[0.3, -2.0], [0.3, 5.0]], np.float32)
    targets = np.array([[1, 0, 0, 0.5], [1, 0, 0, 0]], np.float32)
    shares = 1 / (1 + np.exp(-margins.astype(float)))
    power = 2 if name == "focal" else 0
    first = (1 - shares[0, 0]) ** power * -np.log(shares[0, 0])
    second = 0.5 * shares[0, 1] ** power * -np.log(1 - shares[0, 1])
    assert convert(loss(targets, margins)).tolist() == pytest.approx(
        [first + second, first], rel=1e-5
    )


def test_hits_are_a_share_of_what_is_known() -> None:
    margins = np.array([[1.0, -1.0], [1.0, 1.0], [1.0, 1.0]], np.float32)
    targets = np.array([[1, 0, 0, 1], [0, 0, 2, 0], [1, 0, 0, 1]], np.float32)
    found = import_keras().ops.convert_to_numpy(optimisation.known_hits(targets, margins))
    assert found.tolist() == [1.0, 0.0, 0.5]


# From end to end


@pytest.fixture(scope="module")
def task(tmp_path_factory, body):
    return make_finding_task(tmp_path_factory.mktemp("findings"), body, epochs=8, warm_epochs=2)


@pytest.fixture(scope="module")
def trained(task):
    return train(task, lambda line: None)


def vectors_of(trained, films):
    pixels, _ = films.read(0, films.count)
    network = compose(load(str(trained.weights)), "tf", "avg")
    found = network.predict_on_batch(np.repeat(pixels[..., None], 3, axis=-1))
    return found.astype(np.float64)


def test_each_finding_is_learned_by_itself(task, trained) -> None:
    _, truth = truth_of(40, 2)
    answers = trained.head.probabilities(vectors_of(trained, task.val))
    assert isinstance(trained.head, FindingHeads)
    right = ((answers > 0.5) == truth).mean(axis=0)
    assert right.min() > 0.9
    assert ((answers > 0.5).sum(axis=1) == 2).any()


def test_the_head_gives_the_loss_of_the_best_epoch(task, trained) -> None:
    known = task.val.targets()
    answers = trained.head.probabilities(vectors_of(trained, task.val))
    right = np.where(known == 1, answers, 1 - answers)
    _, _, cells = finding_cells(task)
    weight = cells[:, :2] + cells[:, 2:]
    loss = -(weight * np.log(right)).sum() / len(known)
    best = trained.history.epochs[trained.best_epoch - 1]
    assert loss == pytest.approx(best.val_loss, rel=1e-3)
    assert best.val_loss == min(epoch.val_loss for epoch in trained.history.epochs)
    shares = ((answers > 0.5) == (known == 1)) * (known >= 0)
    hits = shares.sum(axis=1) / np.maximum((known >= 0).sum(axis=1), 1)
    assert hits.mean() == pytest.approx(best.val_accuracy)


def test_a_finding_that_is_unknown_teaches_nothing(tmp_path, body) -> None:
    """Films of which nothing is known leave the weights as they are, whatever they show."""
    known, truth = truth_of(24, 0)
    hidden = np.vstack([known, np.full((8, 2), -1, np.int32)])
    heads = []
    for name, last in (("a", truth[:8]), ("b", 1 - truth[:8])):
        cached_findings(tmp_path / name / "films" / "train", hidden, np.vstack([truth, last]), 1)
        cached_findings(tmp_path / name / "films" / "val", known, truth, 3)
        task = opened_finding_task(
            tmp_path / name, body, epochs=0, warm_epochs=2, dropout=0.0, average=0.0, batch_size=32
        )
        heads.append(train(task, lambda line: None).head)
    for one, other in zip(heads[0].heads, heads[1].heads, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)


def test_dense_layers_are_shared_by_the_findings(tmp_path, body) -> None:
    task = make_finding_task(
        tmp_path, body, head=(8, 4), batch_norm=True, loss="focal", balance="weights", epochs=1,
        distil=0.2, label_smoothing=0.1,
    )  # fmt: skip
    trained = train(task, lambda line: None)
    trained.head.check(10, 2)
    first, second = trained.head.heads
    np.testing.assert_array_equal(first.weights[0], second.weights[0])
    assert first.weights[-1].shape == (4, 2)
    best = trained.history.epochs[trained.best_epoch - 1]
    known, answers = task.val.targets(), trained.head.probabilities(vectors_of(trained, task.val))
    shares = ((answers > 0.5) == (known == 1)) * (known >= 0)
    hits = shares.sum(axis=1) / np.maximum((known >= 0).sum(axis=1), 1)
    assert hits.mean() == pytest.approx(best.val_accuracy, abs=0.03)


# What is refused


def test_findings_cannot_be_drawn_by_class(tmp_path, body) -> None:
    with pytest.raises(ConfigError, match="--balance-by weights, or none"):
        finding_cells(make_finding_task(tmp_path, body, balance="sampling"))


def test_a_finding_that_no_film_has_cannot_be_learned(tmp_path, body) -> None:
    known = np.zeros((20, 2), np.int32)
    known[::2, 0] = 1
    for side in ("train", "val"):
        cached_findings(tmp_path / "films" / side, known, known, 1)
    task = opened_finding_task(tmp_path, body)
    with pytest.raises(InputError, match="no such films that train of down"):
        finding_cells(task)
    with pytest.raises(InputError, match="for each of 3 findings"):
        finding_cells(replace(task, labels=(*FINDINGS, "both")))
