"""The map itself: neighbours stay neighbours, chance has no part, odd vectors do no harm."""

from __future__ import annotations

import numpy as np
import pytest

from spark_cxr.metrics.vector_map import FEWEST, VectorMap, cosines_of, flat, vector_map


def heaps(kinds: int = 3, each: int = 30, dim: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    kind = np.repeat(np.arange(kinds), each)
    return rng.normal(size=(kinds, dim))[kind] + 0.4 * rng.normal(size=(len(kind), dim)), kind


def mapped(vectors: np.ndarray, labels: list[str], sources: list[str | None]) -> VectorMap:
    names = {"backbone": "fake", "head": "lr"}
    return vector_map(vectors, labels, labels, sources, films=len(labels), **names)


def test_heaps_of_many_numbers_are_heaps_on_the_map() -> None:
    vectors, kind = heaps()
    places = flat(cosines_of(vectors))
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (kind[distances.argmin(axis=1)] == kind).all()
    within = max(distances[kind == k][:, kind == k].min(axis=1).max() for k in range(3))
    between = min(distances[kind == k][:, kind != k].min() for k in range(3))
    assert within < between


def test_the_same_vectors_give_the_same_map_to_the_last_bit() -> None:
    vectors, _ = heaps()
    assert (flat(cosines_of(vectors)) == flat(cosines_of(vectors))).all()


def test_the_length_of_a_vector_does_not_matter() -> None:
    vectors, _ = heaps()
    lengths = np.random.default_rng(0).uniform(1e-10, 1e3, (len(vectors), 1))
    assert np.allclose(cosines_of(vectors * lengths), cosines_of(vectors))


def test_films_of_one_vector_lie_in_one_place() -> None:
    vectors, _ = heaps()
    vectors[7] = vectors[40]
    places = flat(cosines_of(vectors))
    assert np.allclose(places[7], places[40], atol=1e-3 * places.std())


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((20, 5)),
        np.ones((20, 5)),
        np.ones((1, 4)),
        np.eye(2),
        np.eye(FEWEST),
        np.eye(40),
        np.repeat(np.eye(2, 5), 20, 0),
        1e-12 * np.random.default_rng(0).normal(size=(30, 7)),
    ],
    ids=["zero", "equal", "one", "two", "fewest", "apart", "twice", "tiny"],
)
@pytest.mark.filterwarnings("error")
def test_odd_vectors_get_places_in_the_square(vectors: np.ndarray) -> None:
    found = mapped(vectors, ["a"] * len(vectors), [None] * len(vectors))
    places = np.array(found.places)
    assert places.shape == (len(vectors), 2)
    assert ((places >= 0) & (places <= 1)).all()
    assert 0 <= found.kept <= 1


def test_likeness_is_that_of_the_whole_vectors_and_is_held_against_chance() -> None:
    vectors, kind = heaps()
    by_kind = [str(each) for each in kind]
    by_lot: list[str | None] = [None if n % 3 == 0 else "ab"[n % 2] for n in range(len(kind))]
    by_class, by_source = mapped(vectors, by_kind, by_lot).near
    assert (by_class.by, by_source.by) == ("class", "source")
    assert by_class.share == 1
    assert by_class.by_chance == pytest.approx(29 / 89)
    assert by_source.share == pytest.approx(by_source.by_chance, abs=0.1)


def test_the_map_says_how_many_neighbours_it_keeps() -> None:
    vectors, kind = heaps()
    clear = mapped(vectors, [str(k) for k in kind], [None] * len(kind)).kept
    noise = np.random.default_rng(0).normal(size=(90, 200))
    unclear = mapped(noise, ["a"] * 90, [None] * 90).kept
    assert 1 > clear > unclear > 0.1
