"""Portable heads made by hand: what they answer, and that their file holds no code."""

import io
import itertools
from dataclasses import replace

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.heads.portable import FindingHeads, check_head, pack, unpack
from spark_cxr.heads.portable.layers import Dense, Perceptron
from spark_cxr.heads.portable.linear import Linear, link, logistic
from spark_cxr.heads.portable.trees import Trees

STUMP = Trees(
    feature=np.array([1, 0, 0]),
    threshold=np.array([0.5, np.inf, np.inf]),
    left=np.array([1, 1, 2]),
    right=np.array([2, 1, 2]),
    value=np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]]),
    roots=np.array([0]),
    depth=np.array([1]),
    link="share",
)
LINEAR = Linear(np.eye(2), np.zeros(2), "softmax")
PERCEPTRON = Perceptron(
    mean=np.array([1.0, 2.0]),
    scale=np.array([2.0, 0.0]),
    weights=(np.array([[1.0], [5.0]]), np.array([[1.0, -1.0]])),
    biases=(np.array([0.0]), np.array([0.0, 1.0])),
)
DENSE = Dense(
    weights=(np.array([[1.0, -1.0], [2.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])),
    biases=(np.array([0.5, 0.0]), np.array([0.0, -1.0])),
)
HEADS = {"trees": STUMP, "linear": LINEAR, "perceptron": PERCEPTRON, "dense": DENSE}


def test_a_value_on_the_threshold_goes_left():
    told = STUMP.probabilities(np.array([[9, 0.5], [9, 0.5000001]]))
    np.testing.assert_allclose(told, [[0.9, 0.1], [0.2, 0.8]])


def test_no_film_gives_no_row():
    assert STUMP.probabilities(np.empty((0, 2))).shape == (0, 2)


def test_logistic_layers_by_hand():
    hidden = 1 / (1 + np.exp(-2.0))  # (2 - 1) x 2, and a feature that never changes counts nothing
    odds = np.exp([hidden, 1 - hidden])
    told = PERCEPTRON.probabilities(np.array([[2.0, 77.0]]))
    np.testing.assert_allclose(told, [odds / odds.sum()])


def test_dense_layers_by_hand():
    # (1 + 4 + 0.5, max(-1 + 2, 0)) and then (5.5, 3 x 1 - 1); the other film stops at the ReLU.
    told = DENSE.margins(np.array([[1.0, 2.0], [1.0, -3.0]]))
    np.testing.assert_allclose(told, [[5.5, 2.0], [0.0, -1.0]])


def test_logistic_shares_of_two_opposite_margins_are_the_logistic_function():
    np.testing.assert_allclose(logistic(np.array([[-0.7, 0.7]]))[0, 1], 1 / (1 + np.exp(-0.7)))


def test_logistic_shares_by_hand_for_three_classes():
    each = 1 / (1 + np.exp(-np.array([0.3, -2.0, 1.1])))
    np.testing.assert_allclose(logistic(np.array([[0.3, -2.0, 1.1]]))[0], each / each.sum())


@pytest.mark.parametrize("far", [-2000.0, 2000.0])
def test_logistic_shares_far_from_all_classes_are_still_shares(far):
    told = logistic(np.array([[far, far - 1, far]]))
    assert np.isfinite(told).all()
    assert told.sum() == pytest.approx(1)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_comes_back_from_its_file_with_the_same_answers(head):
    films = np.random.default_rng(0).standard_normal((50, 2))
    again = unpack(pack(head))
    np.testing.assert_array_equal(again.probabilities(films), head.probabilities(films))


def test_pickled_objects_are_refused():
    stream = io.BytesIO()
    np.savez(stream, kind=np.array("linear"), weights=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="Expected the arrays of a portable head"):
        unpack(stream.getvalue())


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", pack(LINEAR)[:-40]])
def test_what_is_no_whole_file_is_refused(data):
    with pytest.raises(InputError, match="Train again"):
        unpack(data)


def test_an_unknown_link_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Received: sofmax. Did you mean softmax\?"):
        link("sofmax", np.zeros((1, 2)))


def random_perceptron(rng):
    sizes = (5, 4, 3, 2)
    weights = tuple(rng.standard_normal((a, b)) for a, b in itertools.pairwise(sizes))
    biases = tuple(rng.standard_normal(b) for b in sizes[1:])
    return Perceptron(rng.standard_normal(5), rng.random(5), weights, biases)


def random_dense(rng):
    layers = random_perceptron(rng)
    return Dense(layers.weights, layers.biases)


def random_linear(rng):
    return Linear(rng.standard_normal((3, 5)), rng.standard_normal(3), "softmax")


@pytest.mark.parametrize("draw", [random_linear, random_perceptron, random_dense])
def test_gradients_are_what_small_steps_say(draw):
    rng = np.random.default_rng(6)
    head = draw(rng)
    films, step = rng.standard_normal((4, 5)), 1e-6
    found = head.gradients(films)
    for k in range(5):
        moved = np.eye(5)[k] * step
        slope = (head.margins(films + moved) - head.margins(films - moved)) / (2 * step)
        np.testing.assert_allclose(found[:, :, k], slope, atol=1e-7)


def test_margins_of_a_tree_are_its_shares_and_of_boosting_its_sums():
    film = np.array([[9.0, 0.5]])
    np.testing.assert_allclose(STUMP.margins(film), [[0.9, 0.1]])
    boosted = replace(STUMP, link="logistic", value=STUMP.value * 10)
    np.testing.assert_allclose(boosted.margins(film), [[9.0, 1.0]])


# A head of findings


FINDINGS = FindingHeads(tuple(HEADS.values()))
WITHOUT_TREES = FindingHeads((LINEAR, PERCEPTRON, DENSE))


def test_each_finding_has_the_answer_of_its_own_head():
    films = np.random.default_rng(1).standard_normal((20, 2))
    found, margins = FINDINGS.probabilities(films), FINDINGS.margins(films)
    assert found.shape == margins.shape == (20, 4)
    for place, head in enumerate(HEADS.values()):
        np.testing.assert_array_equal(found[:, place], head.probabilities(films)[:, 1])
        both = head.margins(films)
        np.testing.assert_array_equal(margins[:, place], both[:, 1] - both[:, 0])


def test_margins_of_findings_are_log_odds():
    films = np.random.default_rng(2).standard_normal((20, 2))
    odds = WITHOUT_TREES.probabilities(films)
    np.testing.assert_allclose(WITHOUT_TREES.margins(films), np.log(odds / (1 - odds)), atol=1e-9)


def test_gradients_of_findings_are_what_small_steps_say():
    films, step = np.random.default_rng(3).standard_normal((4, 2)), 1e-6
    found = WITHOUT_TREES.gradients(films)
    assert found.shape == (4, 3, 2)
    for k in range(2):
        moved = np.eye(2)[k] * step
        ahead, behind = WITHOUT_TREES.margins(films + moved), WITHOUT_TREES.margins(films - moved)
        np.testing.assert_allclose(found[:, :, k], (ahead - behind) / (2 * step), atol=1e-7)


def test_trees_among_findings_have_no_gradients():
    with pytest.raises(TypeError, match="trees"):
        FINDINGS.gradients(np.zeros((1, 2)))


def test_a_head_of_findings_comes_back_from_its_file_in_order():
    many = FindingHeads((*HEADS.values(), *[LINEAR] * 7, STUMP))
    again = unpack(pack(many))
    assert [type(head) for head in again.heads] == [type(head) for head in many.heads]
    films = np.random.default_rng(4).standard_normal((50, 2))
    np.testing.assert_array_equal(again.probabilities(films), many.probabilities(films))


@pytest.mark.parametrize(
    ("head", "classes", "message"),
    [
        (FINDINGS, 3, "4 heads for 3 findings"),
        (FindingHeads((FINDINGS,)), 1, "within a head of findings"),
        (FindingHeads((Linear(np.eye(3)[:, :2], np.zeros(3), "softmax"),)), 1, "weights of"),
        (FindingHeads(()), 0, "no head"),
    ],
)
def test_a_head_of_findings_that_does_not_fit_is_refused(head, classes, message):
    with pytest.raises(InputError, match=message):
        check_head(head, 2, classes)


def test_a_head_of_findings_that_fits_is_taken():
    check_head(FINDINGS, 2, 4)


@pytest.mark.parametrize("gone", ["0.kind", "1.weights", "2.mean", "3.biases.1"])
def test_a_file_of_findings_that_lacks_an_array_is_refused(gone):
    with np.load(io.BytesIO(pack(FINDINGS))) as stored:
        arrays = {name: stored[name] for name in stored.files if name != gone}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    with pytest.raises(InputError, match="Train again"):
        check_head(unpack(stream.getvalue()), 2, 4)


@pytest.mark.parametrize("kind", ["findings", "no kind"])
def test_a_file_of_findings_within_findings_is_refused(kind):
    stream = io.BytesIO()
    np.savez(stream, **{"kind": np.array("findings"), "0.kind": np.array(kind)})
    with pytest.raises(InputError, match="Train again"):
        unpack(stream.getvalue())
