"""The page as it is met: forced colours, paper, keys alone, a slow net, no server, many films."""

import base64
import csv
import gzip
import io
import re
import subprocess
import sys
import time

import pytest
from browser import CHROMIUM, DRIVER, free_port
from running import until
from test_desk import ANSWERED, PRESS, SIZES
from test_page import ENTER, HEATED, SHOWN, TAB, complaints, upload
from test_viewer import COUNT

from spark_cxr.phantoms import phantoms
from spark_cxr.serve.page import STATIC, static_file

MANY = 300
MOST_BYTES = 120_000
PAGES = re.compile(rb"/Type\s*/Page\b(?!s)")
ONLINE = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
OFFLINE = ONLINE | {"offline": True}
SLOW = ONLINE | {"latency": 700, "downloadThroughput": 60_000, "uploadThroughput": 60_000}
WIDE = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
ESCAPE, LEFT, RIGHT = "\ue00c", "\ue012", "\ue014"

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory, drawn, photo):
    folder = tmp_path_factory.mktemp("films")
    contents = {"film.png": drawn["png"], "film.dcm": drawn["dicom"], "other.jpg": drawn["jpeg"]}
    for name, content in (contents | {"photo.png": photo}).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Write hundreds of small films."""
    folder = tmp_path_factory.mktemp("many")
    for number, film in enumerate(phantoms(MANY, seed=1, size=64, formats=("jpeg",))):
        (folder / f"film{number:03}.jpg").write_bytes(film.data)
    return folder


def opened(browser, url, size):
    browser.open(url, SIZES[size])
    browser.wait("return document.querySelectorAll('#card dt').length")
    return browser


@pytest.fixture(params=list(SIZES))
def page(request, browser, server):
    yield opened(browser, server.url, request.param)
    assert browser.console() == []


def net(browser, conditions):
    browser.devtools("Network.enable", {})
    browser.devtools("Network.emulateNetworkConditions", conditions)


def test_with_forced_colours_bars_marks_and_choices_can_be_told(page, files):
    forced = [{"name": "forced-colors", "value": "active"}]
    page.devtools("Emulation.setEmulatedMedia", {"features": forced})
    try:
        assert page.run("return matchMedia('(forced-colors: active)').matches")
        upload(page, files, "film.dcm", "other.jpg")
        page.wait(ANSWERED)
        page.wait(HEATED)
        colours = page.run("""const colour = (at) => getComputedStyle(document.querySelector(at));
            return [colour('.fill').backgroundColor, colour('.track').backgroundColor,
            colour('.zone').borderLeftColor, colour('.shelf [aria-current]').outlineStyle,
            colour('.shelf li:last-child button').outlineStyle]""")
        assert colours[0] not in (colours[1], "rgba(0, 0, 0, 0)")
        assert colours[2] != colours[1]
        assert colours[3:] == ["solid", "none"]
        shown = page.run("""const c = document.querySelector('#film');
            return c.getContext('2d').getImageData(40, 50, 1, 1).data[0]""")
        assert 0 < shown < 255
        assert page.run(WIDE) <= 0
        assert complaints(page) == []
    finally:
        page.devtools("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("many_films", [False, True])
def test_an_answer_is_printed_on_one_page(page, files, many_films):
    names = ["film.dcm", "other.jpg", "film.png"] if many_films else ["film.dcm"]
    upload(page, files, *names)
    if many_films:
        page.wait(ANSWERED)
    page.wait(HEATED)
    if many_films:
        page.run(PRESS, "b")
        page.wait("return document.querySelector('#beside-film').width > 1")
    for width, height in ((8.27, 11.69), (8.5, 11)):  # A4 and Letter, in inches
        paper = {"paperWidth": width, "paperHeight": height, "printBackground": True}
        told = page.devtools("Page.printToPDF", paper)
        assert len(PAGES.findall(base64.b64decode(told["data"]))) == 1


def tabbed(browser, until_id, most=80):
    """Press Tab until something has the focus; give how often it took."""
    for count in range(most):
        browser.press(TAB)
        if browser.run("return document.activeElement.id") == until_id:
            return count
    raise AssertionError(f"{until_id} is not reached by Tab")


def test_by_keys_alone_from_the_first_film_to_the_table(desktop, model):
    """An example, its heat, a second film, the first again, a length refused, help, and the CSV."""
    desktop.wait("return document.querySelectorAll('#examples button').length >= 5")
    for path in desktop.downloads.iterdir():
        path.unlink()
    tabbed(desktop, "files")
    desktop.press(TAB)
    desktop.press(ENTER)
    desktop.wait(SHOWN, "No_findings.png")
    desktop.wait(HEATED)
    desktop.press(TAB)
    desktop.press(ENTER)
    desktop.wait(SHOWN, "Pneumonia.png")
    desktop.wait(HEATED)
    desktop.press("h")
    assert not desktop.is_shown("#heat")
    desktop.press(LEFT)
    desktop.wait(SHOWN, "No_findings.png")
    desktop.press(RIGHT)
    desktop.wait(SHOWN, "Pneumonia.png")
    desktop.press("b")
    desktop.wait("return document.querySelector('#beside-name').innerText === 'No_findings.png'")
    desktop.press("?")
    assert "beside this one" in desktop.text("#help")
    assert "Measure a length" in desktop.text("#help")
    desktop.press(ESCAPE)
    assert not desktop.is_shown("#help")
    tabbed(desktop, "save-csv")
    desktop.press(ENTER)
    saved = desktop.downloads / "answers.csv"
    until(saved.exists)
    rows = list(csv.DictReader(io.StringIO(saved.read_text())))
    assert [row["name"] for row in rows] == ["No_findings.png", "Pneumonia.png"]


def test_the_focus_stays_on_a_film_that_was_chosen_in_the_table(desktop, files):
    upload(desktop, files, "film.dcm", "other.jpg", "film.png")
    desktop.wait(ANSWERED)
    desktop.run("document.querySelector('#table tbody tr:nth-child(2) button').focus()")
    desktop.press(ENTER)
    desktop.wait(SHOWN, "other.jpg")
    assert desktop.run("return document.activeElement.innerText") == "other.jpg"
    box = desktop.run("const b = document.querySelector('#verdict').getBoundingClientRect();"
                      "return [b.top, b.bottom, innerHeight]")  # fmt: skip
    assert box[0] >= 0 and box[1] <= box[2]


HEAR = """
const note = document.querySelector("#heat-note");
window.said = [];
new MutationObserver(() => window.said.push(note.textContent))
  .observe(note, {childList: true, characterData: true, subtree: true});
"""
"""What is said of the heat is kept: it may be over before the driver asks."""


def test_on_a_slow_net_it_is_said_at_once_what_goes_on(page, files):
    upload(page, files, "film.dcm")
    page.wait(HEATED)
    net(page, SLOW)
    page.run(HEAR)
    try:
        page.type("#files", str(files / "other.jpg"))
        began = time.monotonic()
        page.wait("return !document.querySelector('#progress').hidden")
        assert time.monotonic() - began < 0.6
        assert page.text("#progress") == "other.jpg is being looked at …"
        assert not page.is_shown("#result")
        page.wait(SHOWN, "other.jpg")
        page.wait(HEATED)
        assert "The heat is being made …" in page.run("return window.said")
        assert complaints(page) == []
    finally:
        net(page, ONLINE)


@pytest.mark.parametrize("size", list(SIZES))
def test_a_film_that_finds_no_server_waits_for_it(browser, server, files, model, size):
    page = opened(browser, server.url, size)
    upload(page, files, "film.dcm")
    page.wait(HEATED)
    net(page, OFFLINE)
    try:
        page.type("#files", str(files / "other.jpg"))
        page.wait("return !document.querySelector('#offline').hidden")
        assert page.text("#offline").startswith("The server does not answer.")
        assert not page.is_shown("#result")
        assert page.run(WIDE) <= 0
        assert complaints(page) == []
    finally:
        net(page, ONLINE)
    page.wait(SHOWN, "other.jpg")
    (expected,) = model.predict((files / "other.jpg").read_bytes())
    assert page.text("#verdict").startswith(expected.label)
    assert not page.is_shown("#offline")
    page.console()


def started(model_dir, port):
    command = [sys.executable, "-c", "from spark_cxr.cli import main; main()", "serve"]
    command += ["--model", str(model_dir), "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert "is ready" in server.stderr.readline()
    return server


@pytest.mark.slow
def test_a_server_that_was_ended_and_comes_back_answers_the_film(browser, model_dir, files, model):
    port = free_port()
    server = started(model_dir, port)
    try:
        page = opened(browser, f"http://127.0.0.1:{port}", "laptop")
        server.kill()
        server.communicate(timeout=30)
        page.type("#files", str(files / "film.dcm"))
        page.wait("return !document.querySelector('#offline').hidden")
        server = started(model_dir, port)
        page.wait(SHOWN, "film.dcm")
        (expected,) = model.predict((files / "film.dcm").read_bytes())
        assert page.text("#verdict").startswith(expected.label)
        assert not page.is_shown("#offline")
        page.open("about:blank")
        page.console()
    finally:
        server.kill()
        server.communicate()


EDGES = """const box = document.querySelector('#films [aria-current]').getBoundingClientRect();
return [box.left, box.right]"""
PLACES = """return ['#verdict', '#stage', '#films', '.wide'].map((at) => {
const box = document.querySelector(at).getBoundingClientRect();
return [box.top, box.bottom, box.width] })"""


@pytest.mark.parametrize("size", [pytest.param("phone", marks=pytest.mark.slow), "laptop"])
def test_hundreds_of_films_leave_the_answer_where_it_is(browser, server, many, size):
    page = opened(browser, server.url, size)
    names = [path.name for path in sorted(many.iterdir())]
    upload(page, many, *names)
    height = page.run("return innerHeight")
    before = page.run(PLACES)
    until(lambda: page.run(ANSWERED), seconds=120)
    assert page.text("#totals").startswith(f"{MANY} films: ")
    after = page.run(PLACES)
    assert after[0] == before[0] and after[1] == before[1]
    assert after[0][0] >= 0 and after[0][1] <= height
    assert after[1][0] < 0.7 * height
    assert after[2][1] < height / 2  # the shelf is one row that scrolls in itself
    assert after[3][1] - after[3][0] <= 28 * 16  # and so does the table
    assert page.run("return document.querySelector('.wide').scrollHeight") > 28 * 16
    assert page.run("return document.documentElement.scrollHeight") < 8 * height + 2000
    assert page.run(WIDE) <= 0
    page.run("document.querySelector('#films li:nth-child(250) button').click()")
    page.wait(SHOWN, names[249])
    told = page.run(PLACES)
    assert abs(told[0][0] - after[0][0]) <= 2
    chosen = page.run(EDGES)
    assert chosen[0] >= 0 and chosen[1] <= page.run("return innerWidth")
    assert complaints(page) == []
    # Pictures are held of the last few films only: an early one is asked for again.
    page.run(COUNT)
    page.run("document.querySelector('#films li:nth-child(9) button').click()")
    page.wait(SHOWN, names[8])
    page.wait("return asked.some((path) => path.includes('film=1'))")
    page.wait(HEATED)
    page.devtools("HeapProfiler.collectGarbage", {})
    page.devtools("Performance.enable", {})
    metrics = page.devtools("Performance.getMetrics", {})["metrics"]
    found = {each["name"]: each["value"] for each in metrics}
    assert found["JSHeapUsedSize"] < 64 * 2**20 and found["Nodes"] < 30_000
    page.click("#clear")
    assert not page.is_shown("#shelf")
    assert page.console() == []


def test_of_what_can_be_had_again_the_last_few_are_kept(desktop):
    kept = desktop.run_async("""const done = arguments[arguments.length - 1];
        import('/static/kept.js').then(({ remember }) => {
            const table = new Map();
            for (const key of [1, 2, 3, 1, 4]) remember(table, 3, key, () => key);
            done([...table.keys()]) })""")
    assert kept == [3, 1, 4]


def test_the_page_is_small():
    own = [name for name in STATIC if name not in ("docs.html", "docs.js")]
    sizes = {name: len(static_file(name)) for name in own}
    assert len(sizes) > 12 and min(sizes.values()) > 100
    assert sum(sizes.values()) < MOST_BYTES, sizes
    packed = sum(len(gzip.compress(static_file(name))) for name in own)
    assert packed < MOST_BYTES / 2
