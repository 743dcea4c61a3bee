"""The training as a cloud of vectors: distances, limits, what is written."""

import io

import numpy as np
import pytest

from spark_cxr.errors import InputError
from spark_cxr.model.reference import Cloud, Reference, describe, own_distances, unpack


@pytest.fixture(scope="module")
def vectors():
    draw = np.random.default_rng(3)
    return draw.standard_normal((400, 6)) * np.array([9.0, 5.0, 1.0, 1.0, 1.0, 1.0]) + 2.0


def known(cloud, **changes):
    told = {
        "limit": 2.0,
        "false_alarms": 0.01,
        "far": 1.3,
        "distance": 0.5,
        "distance_spread": 0.2,
        "shares": {"a": 0.25, "b": 0.75},
        "confidence": 0.9,
        "confidence_spread": 0.1,
    }
    return Reference(cloud, **told | changes)


def test_distance_is_mahalanobis_where_all_axes_are_kept(vectors):
    cloud = describe(vectors)
    point = np.arange(6.0)
    covariance = np.cov(vectors, rowvar=False, bias=True)
    values, axes = np.linalg.eigh(covariance)
    values[0] = max(values[0], 0)  # the one direction that is left over has its own variance
    away = axes.T @ (point - vectors.mean(axis=0))
    assert cloud.distance(point) == pytest.approx(np.sqrt((away**2 / values).sum()), rel=1e-6)


def test_what_lies_beside_the_axes_counts_by_the_spread_of_the_rest():
    cloud = Cloud(np.zeros(3), np.array([[1.0, 0, 0]]), np.array([4.0]), 0.25)
    assert cloud.distance(np.array([2.0, 0.0, 0.0])) == pytest.approx(1)
    assert cloud.distance(np.array([0.0, 3.0, 4.0])) == pytest.approx(10)


def test_a_far_vector_is_further_than_all_of_the_training(vectors):
    cloud = describe(vectors)
    assert cloud.distance(np.full(6, 40.0)) > max(map(cloud.distance, vectors))


def test_the_same_vectors_give_the_same_cloud(vectors):
    one, other = describe(vectors), describe(vectors)
    np.testing.assert_array_equal(one.axes, other.axes)
    np.testing.assert_array_equal(one.variances, other.variances)


def test_training_films_are_measured_without_their_own_group():
    draw = np.random.default_rng(0)
    crowd = draw.standard_normal((60, 4))
    outsiders = np.full((5, 4), 30.0) + draw.standard_normal((5, 4)) * 0.01
    vectors = np.vstack([crowd, outsiders])
    together = own_distances(vectors, [f"g{i}" for i in range(60)] + ["one patient"] * 5)
    assert np.sort(together)[-5:].min() > 5 * np.median(together)


def test_a_direction_without_any_spread_gives_no_infinite_distance():
    vectors = np.zeros((50, 5))
    vectors[:, 0] = np.random.default_rng(0).standard_normal(50)
    assert np.isfinite(describe(vectors).distance(np.full(5, 0.01)))


def test_too_few_films_have_no_distances_of_their_own():
    assert len(own_distances(np.eye(5), list("abcde"))) == 0


def test_reference_comes_back_as_it_was_written(vectors):
    cloud = describe(vectors)
    written = known(cloud)
    read = unpack(written.pack())
    assert read.shares == written.shares
    assert (read.limit, read.far, read.confidence) == (2.0, 1.3, 0.9)
    assert read.measure(vectors[0]) == pytest.approx(written.measure(vectors[0]), rel=1e-5)


def test_writing_twice_gives_the_same_bytes(vectors):
    assert known(describe(vectors)).pack() == known(describe(vectors)).pack()


def test_without_a_limit_nothing_is_far(vectors):
    read = unpack(known(describe(vectors), limit=np.inf).pack())
    assert read.measure(np.full(6, 1e9)) == 0


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"no archive"])
def test_what_is_no_reference_is_refused(data):
    with pytest.raises(InputError, match=r"the reference of a model\. Received: reference\.npz"):
        unpack(data)


def test_names_of_groups_do_not_matter():
    vectors = np.random.default_rng(3).normal(size=(60, 4))
    patients = [n // 3 for n in range(60)]
    one, other = (own_distances(vectors, [f"{key}{n}" for n in patients]) for key in "ab")
    assert np.array_equal(one, other)


def test_a_model_of_before_is_read_and_refuses_no_tinted_film(vectors):
    written = known(describe(vectors))
    with np.load(io.BytesIO(written.pack())) as stored:
        arrays = {k: stored[k] for k in stored.files if k not in ("refuses_unlike", "most_colour")}
    old = io.BytesIO()
    np.savez_compressed(old, **arrays, colour=0.1)
    read = unpack(old.getvalue())
    assert (read.refuses_unlike, read.most_colour, read.far) == (0.0, 1.0, 1.3)
