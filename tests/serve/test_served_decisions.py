"""A model with operating points and sets over HTTP: JSON, MLflow, Open Inference, the page."""

import base64
import json

import pandas as pd
import pytest
from browser import CHROMIUM, DRIVER, Browser
from running import running
from test_page import DESKTOP, HEATED, SHOWN

import spark_cxr
from spark_cxr.model.pyfunc import PyfuncModel
from tests.model.decision_by_hand import decision, decision_of_findings, point
from tests.model.findings_by_hand import findings_model
from tests.model.model_by_hand import LABELS
from tests.serve.made_model import made_model

JSON = {"Content_Type": "application/json"}
POINTS = {"COVID-19": 0.0, "Pneumonia": 1.0}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    made = decision(points=tuple(point(label, share) for label, share in POINTS.items()))
    return made_model(tmp_path_factory.mktemp("decided") / "model", decision=made)


@pytest.fixture(scope="module")
def decided(address):
    return spark_cxr.load_model(address)


@pytest.fixture(scope="module")
def serving(address):
    with running(address) as found:
        yield found


def test_an_answer_has_verdicts_and_says_which_points_are_reached(serving, decided, drawn):
    (expected,), (status, told) = decided.predict(drawn["png"]), serving.predict(drawn["png"])
    (answer,) = told["predictions"]
    assert (status, answer["verdicts"]) == (200, dict(expected.verdicts))
    assert (answer["coverage"], answer["points"]) == (0.9, POINTS)
    assert answer["reached"] == ["COVID-19"]
    assert answer["probabilities"] == pytest.approx(dict(expected.probabilities), abs=1e-6)
    assert answer["thresholds"] is None


def test_what_is_no_film_has_neither(serving, photo):
    (answer,) = serving.predict(photo)[1]["predictions"]
    names = ("verdicts", "coverage", "points", "reached")
    assert [answer[name] for name in names] == [None] * 4


def test_a_model_without_a_decision_answers_as_before(server, drawn):
    (answer,) = server.predict(drawn["png"])[1]["predictions"]
    names = ("verdicts", "coverage", "points", "reached")
    assert [answer[name] for name in names] == [None] * 4
    assert server.told("GET", "/model")[1]["decision"] is None


def test_the_card_says_how_probabilities_become_answers(serving):
    found = serving.told("GET", "/model")[1]["decision"]
    assert (found["recalibration"], found["coverage"]) == ("temperature", 0.9)
    assert found["points"]["COVID-19"]["target"] == "sensitivity"
    assert (found["films"], found["patients"]) == (120, 90)


def test_mlflow_gets_a_column_for_each_verdict(serving, decided, drawn):
    images = [base64.b64encode(drawn["png"]).decode(), base64.b64encode(b"no film").decode()]
    told = serving.told("POST", "/invocations", json.dumps({"inputs": {"image": images}}), **JSON)
    expected = PyfuncModel(decided).predict(pd.DataFrame({"image": images}))
    assert told == (200, {"predictions": expected.to_dict(orient="records")})
    good, bad = told[1]["predictions"]
    assert good["verdict_COVID-19"] in ("rule in", "rule out", "unsure")
    assert bad["verdict_COVID-19"] is None


def test_open_inference_has_an_output_of_verdicts(serving, server, decided, drawn):
    name = decided.manifest.name
    told = serving.told("GET", f"/v2/models/{name}")[1]
    (spoken,) = (each for each in told["outputs"] if each["name"] == "verdicts")
    assert spoken == {"name": "verdicts", "datatype": "BYTES", "shape": [-1, 3]}
    data = [base64.b64encode(drawn["png"]).decode()]
    one = {"name": "image", "datatype": "BYTES", "shape": [1], "data": data}
    body = json.dumps({"inputs": [one], "outputs": [{"name": "verdicts"}]})
    (output,) = serving.told("POST", f"/v2/models/{name}/infer", body, **JSON)[1]["outputs"]
    expected = decided.predict(drawn["png"])[0].verdicts
    assert (output["shape"], output["data"]) == ([1, 3], [expected[label] for label in LABELS])
    assert server.told("POST", f"/v2/models/{name}/infer", body, **JSON)[0] == 400


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver (Debian: chromium-driver)")
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


def shown(browser, server, folder, content):
    (folder / "film.png").write_bytes(content)
    browser.open(server.url, DESKTOP)
    browser.wait("return document.querySelectorAll('#card dt').length")
    browser.type("#files", str(folder / "film.png"))
    browser.wait(SHOWN, "film.png")
    browser.wait(HEATED)


def verdicts_of(browser):
    return dict(
        browser.run(
            "return [...document.querySelectorAll('#bars tbody tr')].map(row => "
            "[row.children[0].innerText, row.querySelector('.said').innerText])"
        )
    )


SAID = {"rule in": "ruled in", "rule out": "ruled out", "unsure": "unsure"}


def test_page_says_the_verdicts_and_marks_the_points(browser, serving, decided, drawn, tmp_path):
    shown(browser, serving, tmp_path, drawn["png"])
    expected = decided.predict(drawn["png"])[0].verdicts
    assert verdicts_of(browser) == {name: SAID[word] for name, word in expected.items()}
    assert browser.run("return document.querySelectorAll('#bars .tick').length") == 2
    text = browser.text("#bars")
    assert "Verdicts at 90.0\u202f% coverage" in text
    assert "COVID-19 (0.0\u202f%, reached)" in text
    assert "Pneumonia (100.0\u202f%, not reached)" in text
    assert "at 90.0\u202f% coverage" in browser.text("#card")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.console() == []


def test_page_says_the_verdict_on_each_finding(browser, drawn, tmp_path):
    place = findings_model(tmp_path / "model", decision=decision_of_findings())
    with running(place) as found:
        shown(browser, found, tmp_path, drawn["png"])
        expected = spark_cxr.load_model(place).predict(drawn["png"])[0].verdicts
        assert verdicts_of(browser) == {name: SAID[word] for name, word in expected.items()}
        assert browser.console() == []
