"""The last layer solved once more: a solution that nothing near it beats, and when it is taken."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from training_tasks import make_task

from spark_cxr.heads.portable.layers import Dense
from spark_cxr.heads.portable.linear import Linear, softmax
from spark_cxr.training import epoch
from spark_cxr.training.loop import train
from spark_cxr.training.recipe import STILL
from spark_cxr.training.refit import SHRINKAGE, LabelledVectors, refit_if_better, solve

EVEN = np.ones(3)


def drawn(films=240, seed=0, dim=6):
    """Draw three clouds that overlap, along axes of very different length."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, films)
    vectors = rng.normal(size=(films, dim)) + 1.5 * np.eye(dim)[targets]
    return LabelledVectors((vectors * 10.0 ** np.arange(-3, 3)).astype(np.float32), targets)


def linear(weight=0.0):
    return Linear(np.full((3, 6), weight), np.zeros(3), "softmax")


def test_the_solution_is_that_of_another_solver():
    known = drawn()
    kernel, bias = solve(known.vectors, known.targets, EVEN)
    mean, spread = known.vectors.mean(axis=0), known.vectors.std(axis=0)
    other = LogisticRegression(C=1 / (SHRINKAGE * 6), tol=1e-8, max_iter=1000)
    wanted = other.fit((known.vectors - mean) / spread, known.targets)
    shares = softmax(known.vectors @ kernel + bias)
    told = wanted.predict_proba((known.vectors - mean) / spread)
    np.testing.assert_allclose(shares, told, atol=1e-3)


def test_a_class_that_weighs_twice_is_as_good_as_one_drawn_twice():
    known = drawn()
    twice = known + LabelledVectors(
        *(part[known.targets == 0] for part in (known.vectors, known.targets))
    )
    mean, spread = known.vectors.mean(axis=0), known.vectors.std(axis=0)
    weighed = solve((known.vectors - mean) / spread, known.targets, np.array([2.0, 1, 1]))
    drawn_twice = solve((twice.vectors - mean) / spread, twice.targets, EVEN)
    ours, others = (
        softmax(known.vectors @ kernel + bias) for kernel, bias in (weighed, drawn_twice)
    )
    np.testing.assert_allclose(ours, others, atol=0.05)


def test_a_feature_that_is_always_the_same_says_nothing():
    known = drawn()
    known.vectors[:, 2] = 7
    kernel, _ = solve(known.vectors, known.targets, EVEN)
    np.testing.assert_array_equal(kernel[2], 0)


def test_a_solution_that_is_no_worse_is_taken_and_learns_from_validation_too():
    train_part, val = drawn(seed=1), drawn(60, seed=2)
    head, is_refitted = refit_if_better(linear(), train_part, val, EVEN)
    assert is_refitted
    both = train_part + val
    np.testing.assert_array_equal(head.weights.T, solve(both.vectors, both.targets, EVEN)[0])


def test_a_head_that_validation_likes_better_is_left():
    val = drawn(60, seed=2)
    kernel, bias = solve(val.vectors, val.targets, EVEN)
    best = Linear(kernel.T, bias, "softmax")
    wrong = replace(val, targets=(val.targets + 1) % 3)
    assert refit_if_better(best, wrong, val, EVEN) == (best, False)


def test_of_dense_layers_only_the_last_changes():
    rng = np.random.default_rng(3)
    units = rng.normal(size=(6, 5)) / 10.0 ** np.arange(-3, 3)[:, None]
    deep = Dense((units, np.zeros((5, 3))), (np.zeros(5), np.zeros(3)))
    head, is_refitted = refit_if_better(deep, drawn(seed=1), drawn(60, seed=2), EVEN)
    assert is_refitted
    np.testing.assert_array_equal(head.weights[0], units)
    assert np.abs(head.weights[1]).max() > 0


@pytest.mark.parametrize("changes", [{}, {"mirror": True, "erase": 1.0}])
def test_training_ends_with_it(tmp_path, body, changes):
    task = make_task(tmp_path, body, refit=True, augment=replace(STILL, **changes))
    told, plain = train(task, lambda line: None), replace(task.recipe, refit=False)
    assert told.is_refitted
    learned = train(replace(task, recipe=plain, folder=tmp_path / "plain"), lambda line: None)
    assert not learned.is_refitted
    assert np.abs(told.head.weights - learned.head.weights).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "ways"),
    [({}, 1), ({"erase": 0.5}, 2), ({"mirror": True}, 2), ({"mirror": True, "erase": 0.5}, 3)],
)
def test_it_knows_films_in_all_ways_that_they_keep_to(tmp_path, body, monkeypatch, changes, ways):
    seen = []

    def watched(head, train, val, weights, first):
        seen.append((len(train.vectors), len(val.vectors), len({*map(bytes, train.vectors)})))
        return head, False

    monkeypatch.setattr(epoch, "refit_if_better", watched)
    task = make_task(tmp_path, body, refit=True, augment=replace(STILL, **changes))
    train(task, lambda line: None)
    films = ways * task.train.count
    assert seen == [(films, ways * task.val.count, films)]
