"""`serve --reduce auto`: JPEG 2000 no finer than the network needs, and the answer says so."""

import numpy as np
import pytest

from spark_cxr.backbones import catalog
from tests.images.encoded import Encoded, jpeg_2000
from tests.serve.running import running

SIDE = 4 * max(catalog.get("fake").size_hw)
FILM = (np.add.outer(np.arange(SIDE), np.arange(SIDE + 8)) % 4096).astype("u2")


@pytest.fixture(scope="module")
def film():
    return Encoded("1.2.840.10008.1.2.4.90", jpeg_2000(FILM), FILM).dicom()


@pytest.fixture(scope="module")
def thrifty(model_dir):
    with running(model_dir, reduce="auto") as found:
        yield found


def flags_and_size(server, film, query=""):
    _, told = server.predict(film, query)
    (found,) = told["predictions"]
    file = found["file"]
    return {flag["name"] for flag in found["flags"]}, (file["height"], file["width"])


def test_answer_names_the_lower_resolution_and_the_size_of_the_file(thrifty, film):
    flags, size_hw = flags_and_size(thrifty, film)
    assert "reduced" in flags
    assert size_hw == FILM.shape


@pytest.mark.parametrize("query", ["?film=1", "?explain=1"])
def test_film_that_is_shown_or_explained_is_decoded_in_full(thrifty, film, query):
    flags, size_hw = flags_and_size(thrifty, film, query)
    assert "reduced" not in flags
    assert size_hw == FILM.shape


def test_films_are_decoded_in_full_unless_told_otherwise(server, film):
    assert "reduced" not in flags_and_size(server, film)[0]


def test_probabilities_are_nearly_those_of_the_whole_film(thrifty, server, film):
    one, other = (each.predict(film)[1]["predictions"][0] for each in (thrifty, server))
    assert one["label"] == other["label"]
    assert one["probabilities"] == pytest.approx(other["probabilities"], abs=0.05)
