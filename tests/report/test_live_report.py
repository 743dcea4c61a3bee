"""Reports in a driven browser: what moves, what is cut off, what comes out on paper."""

import base64
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.images.raster import encode_png
from spark_cxr.metrics import measure, measure_parts
from spark_cxr.metrics.evaluation_results import EvaluationCounts, EvaluationReport
from spark_cxr.metrics.matrix_films import CellFilm, MatrixCell, MatrixFilms
from spark_cxr.metrics.net_benefit import decision_curves
from spark_cxr.metrics.results import LearningSummary, Mistake, PartTable
from spark_cxr.metrics.subgroup_gaps import subgroup_gaps
from spark_cxr.metrics.transfer import transfers
from spark_cxr.report.comparison import comparison_page
from spark_cxr.report.evaluation import evaluation_page
from spark_cxr.report.findings import findings_page
from spark_cxr.report.findings_comparison import findings_comparison_page
from spark_cxr.report.training import training_page
from tests.report.conftest import small_report
from tests.report.fields import LABELS as FIELD_LABELS
from tests.report.fields import Films
from tests.report.finding_fields import FindingFilms, findings_comparison, findings_report
from tests.report.test_epochs import EPOCHS

driven = pytest.importorskip("tests.serve.browser")
AXE = (Path(__file__).parents[1] / "serve" / "axe.min.js").read_text(encoding="utf-8")
FILM = encode_png(np.arange(1600).reshape(40, 40).astype(np.uint8))
LONG = ("Lung_Opacity", "Viral Pneumonia", "An_extraordinarily_long_name", "Tuberculosis")
SIZES = ((390, 844), (1366, 900))
CUT = """
return [...document.querySelectorAll("svg")].flatMap(svg => {
  const whole = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.width && (box.left < whole.left - 1 || box.right > whole.right + 1
      || box.top < whole.top - 1 || box.bottom > whole.bottom + 1);
  }).map(text => text.textContent);
});
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (driven.CHROMIUM and driven.DRIVER), reason="needs chromium and chromedriver"
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = driven.Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


def measured(labels, n=300, skill=1.5):
    rng = np.random.default_rng(3)
    truth = np.arange(n) % len(labels)
    margins = rng.normal(size=(n, len(labels)))
    margins[np.arange(n), truth] += skill
    shares = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    groups = [f"patient-{row // 3}" for row in range(n)]
    named = [labels[code] for code in truth]
    curves = decision_curves(np.eye(len(labels))[truth], shares, labels, groups)
    return measure(named, shares, labels, groups, resamples=100), curves


def films_of(metrics):
    """Give all films of each cell, the first of them with a picture."""
    cells = []
    for true, row in zip(metrics.labels, metrics.confusion, strict=True):
        for predicted, count in zip(metrics.labels, row, strict=True):
            films = [CellFilm(f"{true}-{n}.png", 0.7, FILM if n < 3 else b"") for n in range(count)]
            cells += [MatrixCell(true, predicted, count, tuple(films))] if count else []
    return MatrixFilms(tuple(cells))


def training(labels, skill=1.5):
    metrics, curves = measured(labels, skill=skill)
    return dataclasses.replace(
        small_report(metrics),
        matrix=films_of(metrics),
        mistakes=tuple(Mistake(f"{n}.png", *labels[:2], 0.9, FILM) for n in range(8)),
        net_benefit=curves,
        parts=GROUPS,
        missed=MISSED,
        learned=LearningSummary(EPOCHS, 2, 40),
    )


def groups_of_five(films=300):
    """Give figures by five properties of films, as those of a hospital have them."""
    made = Films(films)
    measured = (made.truth, made.named(1.7), FIELD_LABELS, made.groups)
    names = {"view": 2, "age band": 4, "sex": 2, "maker": 3, "device": 4}
    parts = {by: [f"{by} {row // 3 % many}" for row in range(films)] for by, many in names.items()}
    sick = np.arange(films) % 3 > 0
    missed = sick & (np.arange(films) % 11 == 0)
    tables = [PartTable(by, measure_parts(*measured, of, resamples=20)) for by, of in parts.items()]
    gaps = subgroup_gaps(sick, missed, made.groups, parts, label="disease", resamples=100)
    return tuple(tables), gaps


GROUPS, MISSED = groups_of_five()


def evaluation():
    report = training(LONG)
    there = {"accuracy": 0.9, "auc_macro": 0.95, "n_test": 400}
    return EvaluationReport(
        job="evaluate",
        title="A model on films of another place",
        metrics=report.metrics,
        answered=None,
        counts=EvaluationCounts(300, 0, 2, 4, 1),
        training=there,
        data=report.data,
        model=report.model,
        run=report.run,
        transfers=transfers(there, report.metrics),
        net_benefit=report.net_benefit,
        parts=report.parts,
        missed=report.missed,
        mistakes=report.mistakes,
        matrix=report.matrix,
        caveats=report.caveats,
    )


@pytest.fixture(scope="module")
def pages(field, tmp_path_factory):
    """Write a page of each kind."""
    named = FindingFilms(findings=("Enlarged Cardiomediastinum", "Pleural_Thickening", "Hernia"))
    found = findings_report(named.measured(1.5))
    found = dataclasses.replace(
        found, matrix=None, missed=MISSED, learned=LearningSummary(EPOCHS, 2, 40)
    )
    texts = {
        "two": training_page(training(("ill", "well"))),
        "crowded": training_page(
            training(tuple(f"a rather long name of class {n}" for n in "abcdefghi"))
        ),
        "sure": training_page(training(LONG, skill=7)),
        "evaluation": evaluation_page(evaluation()),
        "findings": findings_page(found),
        "comparison": comparison_page(dataclasses.replace(field, mistakes=())),
        "findings-comparison": findings_comparison_page(findings_comparison(named)),
    }
    folder, addresses = tmp_path_factory.mktemp("pages"), {}
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
        addresses[name] = (folder / f"{name}.html").as_uri()
    return addresses


KINDS = ("two", "crowded", "sure", "evaluation", "findings", "comparison", "findings-comparison")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_cut_off_or_wrong(browser, pages, kind, size):
    browser.open(pages[kind], size, dark=size[0] < 600)
    assert browser.run(CUT) == []
    wide = "const page = document.documentElement; return page.scrollWidth - page.clientWidth"
    assert browser.run(wide) <= 0
    done = "axe.run().then(arguments[arguments.length - 1])"
    browser.run(AXE)
    assert [each["id"] for each in browser.run_async(f"{AXE};{done}")["violations"]] == []
    assert browser.console() == []


def test_text_that_is_cut_off_is_found(browser, tmp_path):
    text = '<svg viewBox="0 0 90 20" width="90"><text x="50" y="15">much too long</text></svg>'
    (tmp_path / "cut.html").write_text(text, encoding="utf-8")
    browser.open((tmp_path / "cut.html").as_uri())
    assert browser.run(CUT) == ["much too long"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_prints_on_three_pages(browser, pages, kind):
    browser.open(pages[kind])
    browser.devtools("Emulation.setEmulatedMedia", {"media": ""})
    paper = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
    printed = base64.b64decode(browser.devtools("Page.printToPDF", paper)["data"])
    assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 3


def shown(browser):
    return browser.run(
        "return [...document.querySelectorAll('.cell')].filter(e => e.checkVisibility())"
        ".map(e => e.id)"
    )


def films(browser):
    return browser.run(
        "return [...document.querySelectorAll('.cell figure, .cell li')]"
        ".filter(e => e.checkVisibility()).length"
    )


def test_a_cell_of_the_matrix_shows_its_films(browser, pages):
    browser.open(pages["evaluation"])
    assert len(shown(browser)) > 1
    browser.run(
        "document.querySelector('svg a[href=\"#cell-0-1\"]')"
        ".dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))"
    )
    assert shown(browser) == ["cell-0-1"]
    assert browser.run("return location.hash") == "#cell-0-1"
    browser.click(".cells li:first-child a")
    assert len(shown(browser)) > 1
    assert "cell-0-0" not in shown(browser)
    assert browser.console() == []


def test_an_address_with_a_cell_opens_it(browser, pages):
    browser.open(f"{pages['two']}#cell-1-1")
    assert shown(browser) == ["cell-1-1"]


def test_many_films_are_paged(browser, pages):
    browser.open(f"{pages['two']}#cell-0-0")
    many = int(browser.text(".pages output").split()[-2])
    assert films(browser) == 24
    assert browser.text(".pages output") == f"1 to 24 of {many} listed"
    for _ in range((many - 1) // 24):
        browser.click(".pages button:last-child")
    assert films(browser) == (many - 1) % 24 + 1
    assert browser.run("return document.querySelector('.pages button:last-child').disabled")
    browser.click(".pages button:first-child")
    assert films(browser) == 24


def test_the_slider_moves_the_point_and_what_follows(browser, pages):
    browser.open(pages["two"])
    metrics, _ = measured(("ill", "well"))
    recall = f"{100 * metrics.recall[0]:.1f}\u202f%"
    assert "as it answers now" in browser.text(".chosen strong")
    assert browser.text(".chosen dd").startswith(recall)
    before = browser.run("return document.querySelector('.point').getAttribute('cy')")
    browser.run(
        "const slider = document.querySelector('.chosen input'); slider.value = slider.max;"
        "slider.dispatchEvent(new Event('input'))"
    )
    assert browser.text(".chosen dd").startswith("100.0\u202f%")
    assert f"{metrics.support[0]} found, 0 missed; {metrics.support[1]} false alarms" in (
        browser.text(".chosen output p")
    )
    assert browser.run("return document.querySelector('.point').getAttribute('cy')") != before
    browser.run(
        "const which = document.querySelector('.chosen select'); which.value = '1';"
        "which.dispatchEvent(new Event('change'))"
    )
    assert browser.text(".chosen dd").startswith(f"{100 * metrics.recall[1]:.1f}\u202f%")
    assert browser.console() == []


def test_without_script_all_films_and_points_are_there(browser, pages):
    browser.devtools("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(pages["two"])
        box = browser.devtools("Page.getLayoutMetrics", {})["cssContentSize"]
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.open(pages["two"])
    live = browser.devtools("Page.getLayoutMetrics", {})["cssContentSize"]
    assert box["height"] > live["height"] + 500
