"""The last layer of findings solved once more: each over what is known of it, as of two classes."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from training_tasks import make_finding_task

from spark_cxr.heads.portable.layers import Dense
from spark_cxr.heads.portable.linear import Linear, softmax
from spark_cxr.training import epoch
from spark_cxr.training.finding_refit import (
    loss_of_findings,
    refit_findings_if_better,
    solve_findings,
)
from spark_cxr.training.finding_targets import cell_weights, weighed
from spark_cxr.training.loop import train
from spark_cxr.training.recipe import STILL
from spark_cxr.training.refit import SHRINKAGE, LabelledVectors, solve

DIM = 6


def drawn(films=240, seed=0, balance="none", unknown=0.3):
    """Draw vectors that say two findings, along axes of very different length."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((films, 2)) < (0.5, 0.2)).astype(np.float32)
    vectors = rng.normal(size=(films, DIM))
    vectors[:, :2] += 1.5 * truth
    truth[rng.random(truth.shape) < unknown] = -1
    vectors = (vectors * 10.0 ** np.arange(-3, 3)).astype(np.float32)
    return LabelledVectors(vectors, weighed(truth, cell_weights(truth, balance), 0.0)), truth


def linear():
    return Linear(np.zeros((2, DIM)), np.zeros(2), "softmax")


def shares(vectors, kernel, bias):
    return 1 / (1 + np.exp(-(vectors @ kernel + bias)))


@pytest.mark.parametrize("balance", ["none", "weights"])
def test_each_finding_is_what_another_solver_makes_of_its_known_films(balance):
    known, truth = drawn(balance=balance)
    found = shares(known.vectors, *solve_findings(known.vectors, known.targets))
    for place in range(2):
        rows = truth[:, place] >= 0
        vectors, targets = known.vectors[rows], truth[rows, place]
        mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
        # Of two classes with a margin each, both are held back: half as much on their difference.
        held = SHRINKAGE * DIM / 2
        weight = {"none": None, "weights": "balanced"}[balance]
        other = LogisticRegression(C=1 / held, tol=1e-8, max_iter=1000, class_weight=weight)
        wanted = other.fit((vectors - mean) / spread, targets)
        told = wanted.predict_proba((vectors - mean) / spread)[:, 1]
        np.testing.assert_allclose(found[rows, place], told, atol=2e-3)


def test_a_finding_that_is_known_of_all_films_is_solved_as_two_classes_are():
    known, truth = drawn(unknown=0.0)
    found = shares(known.vectors, *solve_findings(known.vectors, known.targets))
    for place in range(2):
        kernel, bias = solve(known.vectors, truth[:, place].astype(np.int64), np.ones(2))
        wanted = softmax(known.vectors @ kernel + bias)[:, 1]
        np.testing.assert_allclose(found[:, place], wanted, atol=1e-6)


def test_films_of_which_nothing_is_known_have_no_part_in_it():
    known, truth = drawn()
    hidden = (truth < 0).all(axis=1)
    assert hidden.sum() > 10
    moved = known.vectors + np.float32(100) * hidden[:, None].astype(np.float32)
    for one, other in zip(
        solve_findings(known.vectors, known.targets),
        solve_findings(moved, known.targets),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_solution_that_is_no_worse_is_taken_and_learns_from_validation_too():
    (train_part, _), (val, _) = drawn(seed=1), drawn(60, seed=2)
    head, is_refitted = refit_findings_if_better(linear(), train_part, val)
    assert is_refitted
    both = train_part + val
    np.testing.assert_array_equal(head.weights.T, solve_findings(both.vectors, both.targets)[0])
    assert loss_of_findings(head, val) < loss_of_findings(linear(), val)


def test_a_head_that_validation_likes_better_is_left():
    val, _ = drawn(60, seed=2)
    kernel, bias = solve_findings(val.vectors, val.targets)
    best = Linear(kernel.T, bias, "softmax")
    wrong = replace(val, targets=np.roll(val.targets, 2, axis=1))  # yes for no
    assert refit_findings_if_better(best, wrong, val) == (best, False)


def test_of_dense_layers_only_the_last_changes():
    rng = np.random.default_rng(3)
    units = rng.normal(size=(DIM, 5)) / 10.0 ** np.arange(-3, 3)[:, None]
    deep = Dense((units, np.zeros((5, 2))), (np.zeros(5), np.zeros(2)))
    head, is_refitted = refit_findings_if_better(deep, drawn(seed=1)[0], drawn(60, seed=2)[0])
    assert is_refitted
    np.testing.assert_array_equal(head.weights[0], units)
    assert np.abs(head.weights[1]).max() > 0


def test_training_ends_with_it_on_all_films_as_they_are(tmp_path, body, monkeypatch):
    received = []

    def watched(head, train, val, first):
        received.append((train, val))
        return refit_findings_if_better(head, train, val, first)

    monkeypatch.setattr(epoch, "refit_findings_if_better", watched)
    changes = {"label_smoothing": 0.1, "augment": replace(STILL, erase=1.0)}
    task = make_finding_task(tmp_path, body, refit=True, **changes)
    trained, plain = train(task, lambda line: None), replace(task.recipe, refit=False)
    assert trained.is_refitted
    learned = train(replace(task, recipe=plain, folder=tmp_path / "plain"), lambda line: None)
    assert not learned.is_refitted
    (known, val), films = received[0], 2 * task.train.count  # with corners and without
    assert (len(known.vectors), len(val.vectors)) == (films, 2 * task.val.count)
    assert set(np.unique(known.targets > 0)) == {False, True}
    positive, negative = np.split(known.targets, 2, axis=1)
    assert not (positive * negative).any()  # not smoothed
    both = known + val
    kernel, bias = solve_findings(both.vectors, both.targets)
    for place, head in enumerate(trained.head.heads):
        np.testing.assert_array_equal(head.weights, [0 * kernel[:, place], kernel[:, place]])
        np.testing.assert_array_equal(head.bias, [0, bias[place]])
    assert len(received) == 1
