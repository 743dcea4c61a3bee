"""Which test films a network was trained on, as a fine-tuned one says of itself."""

import numpy as np
import pytest

from spark_cxr.backbones.film_list import FilmList, film_rows
from spark_cxr.images.fingerprint import SIDE
from spark_cxr.pipeline import evaluate
from spark_cxr.pipeline.evaluate import FOUND, LOOKS, PIXELS, marked

SALT = b"s" * 16
FILM = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE)).astype(np.uint8).tobytes()


@pytest.fixture
def network(monkeypatch):
    """A network that has learned one film."""
    learned = FilmList.of(SALT, [film_rows(SALT, ["film"], [FILM]).tobytes()])
    monkeypatch.setattr(evaluate, "lists_of", lambda weights: (learned,))
    return type("Network", (), {"weights": None})


def found(spark, network, source, digest):
    images = spark.createDataFrame(
        [("a.png", digest, bytearray(FILM), source)],
        f"path string, {PIXELS} string, {LOOKS} binary, source string",
    )
    (row,) = marked(images, images, network).collect()
    return row[FOUND]


def test_a_film_that_looks_like_a_learned_one_is_near_it(spark, network):
    assert found(spark, network, "NIH", "film") == "exact"
    assert found(spark, network, "NIH", "saved anew") == "near"
    assert found(spark, network, None, "saved anew") == "near"


def test_of_phantoms_only_copies_were_learned_for_all_look_alike(spark, network):
    assert found(spark, network, "phantom, hospital one", "film") == "exact"
    assert found(spark, network, "phantom, hospital one", "saved anew") is None
