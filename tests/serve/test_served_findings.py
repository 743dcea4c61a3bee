"""A model of findings over HTTP: JSON, MLflow, SageMaker, Open Inference, counters, the page."""

import base64
import json

import numpy as np
import pytest
from browser import CHROMIUM, DRIVER, Browser
from running import running, until
from test_page import AXE, DESKTOP, HEATED, SHOWN

import spark_cxr
from spark_cxr.model.explanation import target_of
from spark_cxr.model.findings import log_odds
from spark_cxr.model.predictor import Prediction
from spark_cxr.model.pyfunc import PyfuncModel
from spark_cxr.phantoms import phantoms
from spark_cxr.serve.answers import is_uncertain
from tests.model.findings_by_hand import FINDINGS, findings_model, linear_heads

JSON = {"Content_Type": "application/json"}
HEALTHY, PHONE = "healthy.png", (390, 844)


@pytest.fixture(scope="module")
def contents():
    return [film.data for film in phantoms(8, seed=6, size=96, formats=("png",))]


@pytest.fixture(scope="module")
def points(tmp_path_factory, contents):
    """Give operating points that half of the films are above."""
    first = spark_cxr.load_model(findings_model(tmp_path_factory.mktemp("first") / "model"))
    told = [list(each.probabilities.values()) for each in first.predict(contents)]
    return dict(zip(FINDINGS, np.median(told, axis=0).tolist(), strict=True))


@pytest.fixture(scope="module")
def address(tmp_path_factory, points):
    return findings_model(tmp_path_factory.mktemp("served") / "model", thresholds=points)


@pytest.fixture(scope="module")
def findings(address):
    return spark_cxr.load_model(address)


@pytest.fixture(scope="module")
def serving(address):
    with running(address, uncertain=0.6) as found:
        yield found


def as_text(content):
    return base64.b64encode(content).decode("ascii")


def test_answers_name_the_findings_with_their_operating_points(serving, findings, contents, points):
    counts = set()
    for content in contents:
        (expected,), (status, told) = findings.predict(content), serving.predict(content)
        (answer,) = told["predictions"]
        above = [name for name in FINDINGS if expected.probabilities[name] >= points[name]]
        assert (status, answer["findings"]) == (200, above)
        assert answer["label"] == ("|".join(above) or "No Finding") == expected.label
        assert answer["probabilities"] == pytest.approx(dict(expected.probabilities), abs=1e-6)
        assert answer["thresholds"] == points
        assert answer["confidence"] == max(answer["probabilities"].values())
        counts.add(len(above))
    assert len(counts) > 1


def test_an_answer_is_uncertain_where_its_findings_hang_on_a_hair(
    serving, findings, contents, points
):
    said = set()
    for content in contents:
        (expected,) = findings.predict(content)
        odds = [log_odds(expected.probabilities[name]) - log_odds(points[name]) for name in points]
        (answer,) = serving.predict(content)[1]["predictions"]
        assert answer["is_uncertain"] == (abs(max(odds)) <= log_odds(0.6))
        said.add(answer["is_uncertain"])
    assert said == {True, False}


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, True), (0.7, True), (0.71, False), (0.301, True), (0.29, False)],
)
def test_around_one_half_the_limit_is_that_of_classes(share, expected):
    told = Prediction("Mass", share, {"Mass": share, "Hernia": 0.001})
    assert is_uncertain(told, 0.7, {"Mass": 0.5, "Hernia": 0.5}) is expected


def test_without_a_finding_no_threshold_is_said(serving, photo):
    (answer,) = serving.predict(photo)[1]["predictions"]
    names = ("label", "confidence", "probabilities", "findings", "thresholds")
    assert [answer[name] for name in names] == [None] * 5
    assert not answer["is_uncertain"]


def test_classes_have_neither_findings_nor_thresholds(server, drawn):
    (answer,) = server.predict(drawn["png"])[1]["predictions"]
    assert (answer["findings"], answer["thresholds"]) == (None, None)


def test_heat_speaks_for_the_leading_finding_or_for_the_one_that_is_named(
    serving, findings, contents, points
):
    for content in contents[:3]:
        (expected,) = findings.predict(content)
        (answer,) = serving.predict(content, "?explain=1")[1]["predictions"]
        assert answer["heat"]["label"] == target_of(expected, points)
    (answer,) = serving.predict(contents[0], "?explain=Mass")[1]["predictions"]
    assert answer["heat"]["label"] == "Mass"
    assert serving.predict(contents[0], "?explain=Edema")[0] == 400


def test_card_has_the_operating_points(serving, server, points):
    assert serving.told("GET", "/model")[1]["thresholds"] == points
    assert server.told("GET", "/model")[1]["thresholds"] == {}


def test_tables_get_the_rows_of_the_model_that_mlflow_logs(serving, findings, contents):
    import pandas as pd

    images = [as_text(contents[0]), as_text(b"no film")]
    body = json.dumps({"inputs": {"image": images}})
    status, told = serving.told("POST", "/invocations", body, **JSON)
    expected = PyfuncModel(findings).predict(pd.DataFrame({"image": images}))
    assert (status, told) == (200, {"predictions": expected.to_dict(orient="records")})
    assert set(told["predictions"][0]) == {
        *("label", "confidence", "reason"),
        *(f"probability_{name}" for name in FINDINGS),
    }


def test_sagemaker_gets_the_answer_of_predict(serving, contents):
    told = serving.told("POST", "/invocations", contents[0], Content_Type="image/png")[1]
    assert told["predictions"] == serving.predict(contents[0])[1]["predictions"]


def test_open_inference_has_a_probability_for_each_finding(serving, findings, contents, points):
    name = findings.manifest.name
    told = serving.told("GET", f"/v2/models/{name}")[1]
    assert told["parameters"]["labels"].split(",") == list(FINDINGS)
    named = [float(text) for text in told["parameters"]["thresholds"].split(",")]
    assert named == [points[name] for name in FINDINGS]
    data = [as_text(content) for content in contents[:2]]
    one = {"name": "image", "datatype": "BYTES", "shape": [2], "data": data}
    body = json.dumps({"inputs": [one]})
    told = serving.told("POST", f"/v2/models/{name}/infer", body, **JSON)[1]
    outputs = {each["name"]: each for each in told["outputs"]}
    expected = findings.predict(contents[:2])
    assert outputs["label"]["data"] == [each.label for each in expected]
    assert outputs["probabilities"]["shape"] == [2, len(FINDINGS)]
    shares = [share for each in expected for share in each.probabilities.values()]
    assert outputs["probabilities"]["data"] == pytest.approx(shares, abs=1e-6)


def test_a_film_counts_for_each_of_its_findings(serving, findings, contents):
    def count(finding):
        text = serving.ask("GET", "/metrics")[2].decode()
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return float(lines.get(f'spark_cxr_films_total{{result="{finding}"}}', 0))

    many = max(contents, key=lambda each: findings.predict(each)[0].label.count("|"))
    named = findings.predict(many)[0].label.split("|")
    assert len(named) > 1
    before = {name: count(name) for name in named}
    serving.predict(many)
    until(lambda: all(count(name) == before[name] + 1 for name in named))
    assert "|" not in serving.ask("GET", "/metrics")[2].decode()


# The page


def healthy(address):
    """Give a model of one finding that is far above every film."""
    return findings_model(address, linear_heads(1), thresholds={"Mass": 1 - 1e-9})


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver (Debian: chromium-driver)")
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


def shown(browser, server, folder, content, size, name="film.png"):
    (folder / name).write_bytes(content)
    browser.open(server.url, size, dark=size == PHONE)
    browser.wait("return document.querySelectorAll('#card dt').length")
    browser.type("#files", str(folder / name))
    browser.wait(SHOWN, name)
    browser.wait(HEATED)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_page_has_a_bar_for_each_finding_from_its_operating_point(
    browser, serving, findings, contents, points, tmp_path, size
):
    many = max(contents, key=lambda each: findings.predict(each)[0].label.count("|"))
    (expected,) = findings.predict(many)
    shown(browser, serving, tmp_path, many, size)
    above = expected.label.split("|")
    assert browser.text("#verdict").removesuffix(", uncertain") == ", ".join(above)
    rows = browser.run(
        "return [...document.querySelectorAll('#bars tbody tr')].map(row => "
        "[row.className, ...[...row.children].map(e => e.innerText)])"
    )
    odds = {
        name: log_odds(expected.probabilities[name]) - log_odds(points[name]) for name in points
    }
    assert [row[1] for row in rows] == sorted(odds, key=lambda name: -odds[name])
    for mark, name, _, share, point in rows:
        assert mark == ("has" if name in above else "")
        assert share == f"{expected.probabilities[name]:.1%}".replace("%", "\u202f%")
        assert point == f"{points[name]:.1%}".replace("%", "\u202f%")
    _bars_lie_on_their_side_of_the_tick(browser, [row[0] == "has" for row in rows])
    assert browser.run("return document.querySelector('#heat-class').value") == target_of(
        expected, points
    )
    assert "Findings, and from which probability each is said" in browser.text("#card")
    browser.run(AXE)
    found = browser.run_async("axe.run().then(arguments[arguments.length - 1])")["violations"]
    assert [each["id"] for each in found] == []
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.console() == []


def _bars_lie_on_their_side_of_the_tick(browser, has):
    places = browser.run(
        "return [...document.querySelectorAll('#bars .track')].map(track => {"
        "const boxes = ['.fill', '.tick'].map(e => track.querySelector(e).getBoundingClientRect());"
        "return boxes.map(box => (box.left + box.right) / 2) })"
    )
    assert len(places) == len(has)
    for (bar, tick), is_right in zip(places, has, strict=True):
        assert bar == pytest.approx(tick, abs=0.6) or (bar > tick) == is_right


def test_page_says_where_no_finding_is_above_its_operating_point(browser, contents, tmp_path):
    with running(healthy(tmp_path / "model")) as found:
        shown(browser, found, tmp_path, contents[0], DESKTOP, HEALTHY)
        assert browser.text("#verdict") == "No finding above its operating point"
        (row,) = browser.run(
            "return [...document.querySelectorAll('#bars tbody tr')].map(e => e.innerText)"
        )
        assert row.startswith("Mass") and row.endswith(">99.9\u202f%")
        assert browser.console() == []


LONG = ("Enlarged Cardiomediastinum", "Hydropneumothoraxandsubcutaneousemphysema", "<b>x</b>")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_long_names_stay_in_their_cells(browser, contents, tmp_path, size):
    points = dict.fromkeys(LONG, 1e-6)
    with running(findings_model(tmp_path / "model", linear_heads(3), thresholds=points)) as found:
        shown(browser, found, tmp_path, contents[0], size, "long.png")
        cells = browser.run(
            "return [...document.querySelectorAll('#bars tbody th, #bars tbody td')].map(e => "
            "[e.innerText, e.scrollWidth <= e.clientWidth + 1])"
        )
        assert {name for name, _ in cells if name in LONG} == set(LONG)
        assert [name for name, fits in cells if not fits] == []
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
