"""Pages in a real browser: laid out, and not a word in its console."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from spark_cxr.images.raster import encode_png
from spark_cxr.report.comparison import comparison_page
from spark_cxr.report.document import document_page
from spark_cxr.report.findings import findings_page
from spark_cxr.report.findings_comparison import findings_comparison_page
from spark_cxr.report.html import figure, picture, section, table
from spark_cxr.report.html import page as whole_page
from spark_cxr.report.model_card import card_document
from spark_cxr.report.sheets import sheets_document
from spark_cxr.report.training import training_page
from tests.report.card_fields import card_of
from tests.report.finding_fields import FindingFilms, findings_comparison, findings_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
PHONE = 360
ASK = (
    "<!doctype html><iframe id=f srcdoc='{page}' style='width:{width}px;height:900px'></iframe>"
    "<script>onload = () => {{ const page = f.contentDocument.documentElement;"
    "document.title = [page.scrollWidth, page.clientWidth].join('/') }}</script>"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome on the path"),
]


def browse(path, *flags):
    """Load a page without a window; give what it became and what the console said."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    done = subprocess.run(
        [*command, f"--user-data-dir={path.parent / 'profile'}", *flags, path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(path.parent)},
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(
    params=["training", "comparison", "findings", "findings comparison", "card", "sheets"]
)
def page(request, full, field):
    """Leave out the thumbnails: those of the fixtures are no pictures."""
    pages = {
        "training": lambda: training_page(full),
        "comparison": lambda: comparison_page(field),
        "findings": lambda: findings_page(findings_report(FindingFilms().measured())),
        "findings comparison": lambda: findings_comparison_page(
            findings_comparison(FindingFilms())
        ),
        "card": lambda: document_page(card_document(card_of(full))),
        "sheets": lambda: document_page(sheets_document(card_of(full))),
    }
    return re.sub(r"<img[^>]*>", "", pages[request.param]())


def test_the_console_stays_silent(page, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    became, console = browse(file, "--dump-dom")

    assert console == []
    assert "Research use only" in became


def test_a_console_that_speaks_is_heard(page, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page.replace("</main>", "<img src='x.png'></main>"), encoding="utf-8")

    assert any("Content Security Policy" in line for line in browse(file, "--dump-dom")[1])


def test_nothing_but_tables_scrolls_sideways_on_a_phone(page, tmp_path):
    file = tmp_path / "frame.html"
    quoted = page.replace("&", "&amp;").replace("'", "&#39;")
    file.write_text(ASK.format(page=quoted, width=PHONE), encoding="utf-8")
    became, _ = browse(file, "--dump-dom", "--window-size=800,1000")
    wide, room = map(int, re.search(r"<title>(\d+)/(\d+)</title>", became).groups())

    assert PHONE - 20 <= room <= PHONE
    assert wide <= room


def test_tables_sort_and_films_open_large(tmp_path):
    """In a browser that is driven, so that something can be clicked."""
    driven = pytest.importorskip("tests.serve.browser")
    if not driven.DRIVER:
        pytest.skip("needs chromedriver")
    rows = [("b", "1,200"), ("a", "9 %"), ("c", "–"), ("d", "<0.1 %")]
    film = figure(picture(encode_png(np.zeros((40, 40), np.uint8)), "film x"), "x", class_="film")
    text = whole_page("A page", section("T", table("Counts", ("Class", "Films"), rows), film))
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    browser = driven.Browser(tmp_path / "browser")
    try:
        browser.open((tmp_path / "page.html").as_uri())
        told = "return [...document.querySelectorAll('tbody th')].map(e => e.innerText).join('')"
        browser.click("thead th:nth-child(2) button")
        assert browser.run(told) == "dabc"
        browser.click("thead th:nth-child(2) button")
        assert browser.run(told) == "cbad"
        browser.click("thead th:first-child button")
        assert browser.run(told) == "abcd"
        browser.click(".enlarge")
        assert browser.is_shown("dialog img")
        browser.click("dialog button")
        assert not browser.is_shown("dialog img")
        assert browser.console() == []
    finally:
        browser.close()
