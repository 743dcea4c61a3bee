"""Films to try that a server offers: those of its model where it has some, drawn ones elsewhere."""

import numpy as np
import pytest
from browser import CHROMIUM, DRIVER
from running import running

from spark_cxr import load_model
from spark_cxr.model.examples import read_examples, write_examples
from spark_cxr.model.manifest import digests, read_manifest, write_manifest
from spark_cxr.output import Output
from spark_cxr.phantoms import CLASSES, draw, phantoms
from tests.model.model_by_hand import LABELS, manifest
from tests.serve.made_model import made_model

TOKEN = "0123456789abcdef0123"
SHOWN = "return document.querySelector('#name').innerText === arguments[0]"


def carrying(folder, drawn):
    """Make a model that carries three films."""
    place = Output(made_model(folder))
    pixels = [(draw(label, 4, size=128).grey12 >> 4).astype(np.uint8) for label in LABELS]
    known = [{name: name == label for name in LABELS} for label in LABELS]
    write_examples(place, drawn, list(zip(pixels, known, strict=True)))
    write_manifest(place, manifest(digests(place)))
    return place.address


@pytest.fixture(scope="module")
def of_patients(tmp_path_factory):
    with running(carrying(tmp_path_factory.mktemp("carrying") / "model", False), TOKEN) as found:
        yield found


def test_a_model_without_films_offers_drawn_ones_of_which_it_need_know_nothing(server):
    status, offered = server.told("GET", "/examples")
    assert status == 200
    assert [each["title"] for each in offered[:3]] == list(CLASSES)
    assert {each["kind"] for each in offered} == {"drawn"}
    assert {each["known"] for each in offered} == {None}


def test_a_model_with_films_offers_its_own(of_patients):
    status, offered = of_patients.told("GET", "/examples", Authorization=f"Bearer {TOKEN}")
    assert status == 200
    own = [each for each in offered if each["kind"] == "test film"]
    assert [each["title"] for each in own] == list(LABELS)
    assert own[0]["known"] == {name: name == LABELS[0] for name in LABELS}
    assert [each["name"] for each in offered[3:]] == ["drawn.dcm", "sunset.png"]
    assert all(each["known"] is None for each in offered[3:])  # it has learned from patients' films
    held = of_patients.service.examples
    for each in own:
        path = f"/examples/{each['name']}"
        status, headers, data = of_patients.ask("GET", path, Authorization=f"Bearer {TOKEN}")
        assert (status, headers["Content-Type"]) == (200, "image/png")
        assert data == held[each["name"]].read() and data.startswith(b"\x89PNG")


def test_nobody_sees_them_without_the_token(of_patients):
    for path in ("/examples", "/examples/example-1.png", "/examples/sunset.png"):
        assert of_patients.ask("GET", path)[0] == 401


def test_a_model_of_phantoms_knows_the_drawn_film_too(tmp_path):
    with running(carrying(tmp_path / "model", True)) as found:
        offered = {each["name"]: each for each in found.told("GET", "/examples")[1]}
        _, _, data = found.ask("GET", "/examples/drawn.dcm")
    assert offered["example-1.png"]["kind"] == "drawn test film"
    (label,) = [name for name, has in offered["drawn.dcm"]["known"].items() if has]
    drawn = phantoms(3, seed=8, size=512, formats=("dicom",))
    assert data in [film.data for film in drawn if film.label == label]


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")
def test_the_page_says_what_is_known_and_whether_the_answer_agrees(browser, tmp_path):
    place = carrying(tmp_path / "model", True)
    model, (found, pictures) = (
        load_model(place),
        read_examples(Output(place), read_manifest(Output(place))),
    )
    told = []
    with running(place) as server:
        browser.open(server.url, (1280, 900))
        browser.wait("return document.querySelectorAll('#examples button').length === 5")
        assert browser.text("#examples").startswith("Phantoms of its own test, chosen by lot:")
        for number, film in enumerate(found.films, 1):
            (answer,) = model.predict(pictures[film.file])
            browser.click(f"#examples button:nth-of-type({number})")
            browser.wait(SHOWN, f"example-{number}.png")
            agrees = "agrees" if film.known[answer.label] else "differs"
            told.append(agrees)
            words = f"Known of this drawn test film: {LABELS[number - 1]}. The answer {agrees}."
            assert browser.text("#known") == words
        browser.click("#examples button:last-of-type")
        browser.wait(SHOWN, "sunset.png")
        assert browser.text("#known") == ""
    assert set(told) == {"agrees", "differs"}, "the test is to see both"
