"""Bytes → vectors in a stream: in order, one for one, never more in memory than agreed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.backbones import engines
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import Made, featurize, vector_pass
from spark_cxr.backbones.network import prepare
from spark_cxr.backbones.user_network import find
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import BadImage
from spark_cxr.images.film_pass import Content
from spark_cxr.phantoms import phantoms
from tests.quick import fake_plan

FAKE = fake_plan(4)


def featurize_stream(parts: Iterable[Sequence[bytes]], plan: Plan) -> Iterator[list[Made]]:
    return vector_pass(plan).rows([Content(film) for film in films] for films in parts)


FILMS = [phantom.data for phantom in phantoms(11, 0, 64, ("png", "jpeg"), 0)]


def same(made: list[Made], expected: list[Made]) -> bool:
    return len(made) == len(expected) and all(
        str(a) == str(b) if isinstance(a, BadImage) else np.array_equal(a, b)
        for a, b in zip(made, expected, strict=True)
    )


@pytest.mark.parametrize("lengths", [[11], [1] * 11, [4, 4, 3], [3, 0, 8], [0, 0, 11, 0]])
@pytest.mark.parametrize("threads", [1, 3])
def test_lists_come_out_as_they_went_in(lengths: list[int], threads: int) -> None:
    films = iter(FILMS)
    parts = [[next(films) for _ in range(length)] for length in lengths]
    plan = fake_plan(4, threads=threads)
    made = list(featurize_stream(parts, plan))
    assert [len(part) for part in made] == lengths
    assert same([each for part in made for each in part], featurize(FILMS, FAKE))


@pytest.mark.parametrize("parts", [[], [[]], [[], []]], ids=["none", "one", "two"])
def test_nothing_in_gives_nothing_out(parts: list[list[bytes]]) -> None:
    assert list(featurize_stream(parts, FAKE)) == parts


def test_empty_input_gives_no_vectors() -> None:
    assert featurize([], FAKE) == []


def test_film_alone_gets_the_vector_it_gets_among_others() -> None:
    alone, among = featurize(FILMS[3:4], FAKE)[0], featurize(FILMS, FAKE)[3]
    np.testing.assert_allclose(np.asarray(alone), np.asarray(among), atol=1e-5)


def test_bad_images_keep_their_places() -> None:
    contents = [None, FILMS[0], b"", b"no image", FILMS[1], FILMS[2][:100]]
    made = featurize(contents, FAKE)
    reasons = [each.reason if isinstance(each, BadImage) else "" for each in made]
    assert reasons[:5] == ["empty", "", "empty", "not_an_image", ""]
    assert reasons[5] in ("truncated", "corrupt")
    assert same(featurize(FILMS[:2], FAKE), [made[1], made[4]])


def test_bad_images_alone_load_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load", None)
    assert [str(each) for each in featurize([b""], FAKE)] == ["empty: 0 bytes"]


def test_only_two_batches_of_films_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    def films() -> Iterator[list[bytes]]:
        nonlocal taken
        for _ in range(40):
            taken += 1
            yield FILMS[:1]

    stream = featurize_stream(films(), FAKE)
    next(stream)
    assert taken <= 3 * FAKE.batch_size + 1


def test_threads_end_with_the_stream() -> None:
    before = set(threading.enumerate())
    stream = featurize_stream([FILMS] * 5, FAKE)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    new = set(threading.enumerate()) - before
    assert [each for each in new if each.name.startswith("decode")] == []


def test_network_gets_films_in_its_own_size(tiny_network: Path) -> None:
    row = find(str(tiny_network), "tf")
    network = prepare(row, resolve("", row), "openvino", say=lambda _: None)
    plan = Plan(network, batch_size=4, precision="f32")
    made = featurize(FILMS, plan)
    again = [each for part in featurize_stream([FILMS[:5], FILMS[5:]], plan) for each in part]
    assert {np.shape(each) for each in made} == {(6,)}
    assert same(made, again)
