"""?similar=N: labels and cosines of films of an earlier run, and nothing else of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from spark_cxr.backbones.featurize import featurize
from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.model import neighbours
from spark_cxr.model.manifest import Origin
from spark_cxr.serve.service import open_service
from tests.model.run_with_vectors import run_with_vectors
from tests.quick import fake_plan
from tests.serve.made_model import made_model
from tests.serve.running import running

SECRET = "doe-jane-4711"


@pytest.fixture(scope="module")
def known(tmp_path_factory, drawn, server):
    """Leave the vectors of two of the films, and of 30 that are like none."""
    plan = server.service.model.plan  # a network more would push that of other tests out
    rng = np.random.default_rng(1)
    vectors = [*featurize([drawn["png"], drawn["dicom"]], plan)]
    vectors += [*rng.normal(size=(30, len(vectors[0])))]
    rows = [
        {
            "path": f"file:/films/{SECRET}/{number}.png",
            "sha256": f"{number:064x}",
            "label": ("COVID-19", "Pneumonia")[number] if number < 2 else None,
            "source": SECRET,
            "group_id": SECRET,
            "features": np.asarray(vector, np.float32).tolist(),
        }
        for number, vector in enumerate(vectors)
    ]
    root = tmp_path_factory.mktemp("known")
    weights = fake_plan().network.weights
    origin = Origin(weights.kind, weights.sha256, weights.origin, weights.licence, "")
    model = made_model(root / "model", weights=origin)
    return model, run_with_vectors(root / "F", rows).address


@pytest.fixture(scope="module")
def asked(known):
    with running(known[0], neighbours=known[1]) as found:
        yield found


def test_an_answer_has_labels_and_cosines_of_the_nearest(asked, drawn):
    _, told = asked.predict(drawn["png"], "?similar=3")
    (answer,) = told["predictions"]
    assert answer["similar"][0] == {"label": "COVID-19", "cosine": 1.0}
    assert len(answer["similar"]) == 3
    cosines = [each["cosine"] for each in answer["similar"]]
    assert cosines == sorted(cosines, reverse=True)


def test_nothing_else_of_these_films_is_said(asked, drawn):
    for path in ("/model", "/health", "/metrics", "/openapi.json", "/"):
        assert SECRET.encode() not in asked.ask("GET", path)[2]
    _, told = asked.predict(drawn["png"], "?similar=20&film=1&explain=1")
    assert SECRET not in json.dumps(told)
    assert {name for each in told["predictions"][0]["similar"] for name in each} == {
        "label",
        "cosine",
    }
    assert not any(SECRET in line for line in asked.log)


def test_who_does_not_ask_is_not_told(asked, drawn):
    _, told = asked.predict(drawn["png"])
    assert told["predictions"][0]["similar"] is None
    assert asked.told("GET", "/model")[1]["similar"] is True


def test_what_is_no_film_has_no_neighbours(asked, photo):
    _, told = asked.predict(photo, "?similar=3&errors=inline")
    assert told["predictions"][0]["label"] is None
    assert told["predictions"][0]["similar"] is None


@pytest.mark.parametrize("word", ["21", "-1", "x", "", "1.5", "0000099", "²"])
def test_a_number_out_of_range_is_refused(asked, drawn, word):
    from urllib.parse import quote

    status, told = asked.predict(drawn["png"], f"?similar={quote(word)}")
    assert (status, told["reason"]) == (400, "bad_number")


def test_a_server_without_such_films_says_so(server, drawn):
    assert server.told("GET", "/model")[1]["similar"] is False
    status, told = server.predict(drawn["png"], "?similar=3")
    assert (status, told["reason"]) == (400, "no_neighbours")


def settings_of(known):
    return replace(defaults().serve, model=known[0], neighbours=known[1], threads=2)


def test_vectors_of_another_network_are_refused(known, tmp_path):
    other = run_with_vectors(tmp_path, [], key="ResNet50-0123456789abcdef-f32").address
    with pytest.raises(InputError, match="those of ResNet50-0123456789abcdef-f32"):
        open_service(replace(settings_of(known), neighbours=other))


def test_more_vectors_than_may_be_held_are_refused(known, monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_HELD", 31 * 128)
    with pytest.raises(InputError, match=r"1 to 31 vectors to hold. Received: 32 of 128 in "):
        open_service(settings_of(known))
