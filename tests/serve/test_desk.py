"""The page as a desk: state before score, a film under glass, many films, their table and files."""

import csv
import io
import json
import shutil
import subprocess
import sys
import zipfile

import pytest
from browser import CHROMIUM, DRIVER, SIZES
from PIL import Image
from running import running, until
from test_page import HEATED, PIXEL, SHOWN, complaints, upload

from spark_cxr.images.decode import decode

ANSWERED = "return !document.querySelector('#totals').innerText.includes('waiting')"
PRESS = (
    "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"
)
TOKEN = "0123456789abcdef0123"

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory, drawn, photo):
    """Write a film, its negative, what is no film, and a zip of them."""
    folder = tmp_path_factory.mktemp("films")
    contents = {"film.png": drawn["png"], "other.jpg": drawn["jpeg"], "film.dcm": drawn["dicom"]}
    contents |= {"photo.png": photo, "notes.txt": b"Dear colleague, this is no film."}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    negative = Image.fromarray(255 - decode(drawn["png"]).pixels)
    negative.save(folder / "negative.png")
    with zipfile.ZipFile(folder / "films.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("ward/film.png", drawn["png"])
        packed.writestr("ward/.hidden.png", drawn["png"])
        packed.writestr("film.dcm", drawn["dicom"], zipfile.ZIP_STORED)
    (folder / "cut.zip").write_bytes((folder / "films.zip").read_bytes()[:200])
    return folder


@pytest.fixture(params=list(SIZES))
def page(request, browser, server):
    """Open the page afresh; at its end the browser has nothing to complain of."""
    browser.open(server.url, SIZES[request.param], dark=request.param == "tablet")
    browser.wait("return document.querySelectorAll('#card dt').length")
    yield browser
    assert browser.console() == []


def test_what_puts_an_answer_in_doubt_stands_before_it(page, files):
    upload(page, files, "negative.png")
    assert page.text("#verdict").startswith("Looks inverted")
    assert page.run("return document.querySelector('#result').dataset.state") == "doubtful"
    seen = page.run("return document.querySelector('#verdict').getBoundingClientRect().bottom")
    assert seen < page.run("return innerHeight")
    assert complaints(page) == []


def test_a_negative_is_inverted_and_asked_again(desktop, files):
    upload(desktop, files, "negative.png")
    desktop.wait("return document.querySelector('#film').width > 1")
    desktop.click("#again")
    desktop.wait(SHOWN, "negative (inverted).png")
    assert "Looks inverted" not in desktop.text("#verdict")
    chips = desktop.text("#films")
    assert "Looks inverted" in chips
    desktop.wait(f"{PIXEL.rstrip()}[0] > 0", 40, 50)
    grey = int(decode((files / "film.png").read_bytes()).pixels[50, 40])
    assert desktop.run(PIXEL, 40, 50)[0] == grey


def test_an_answer_is_gone_as_soon_as_the_next_film_is_on_its_way(desktop, files):
    upload(desktop, files, "film.png")
    # The server is held up, so that there is time to look.
    desktop.run("window.held = window.fetch; window.fetch = () => new Promise(() => {})")
    desktop.type("#files", str(files / "film.dcm"))
    desktop.wait("return !document.querySelector('#progress').hidden")
    assert not desktop.is_shown("#result")
    assert desktop.text("#progress") == "film.dcm is being looked at …"


def test_a_refused_picture_says_what_to_do_and_has_no_class(desktop, files):
    upload(desktop, files, "photo.png")
    assert "Show a frontal chest film." in desktop.text("#bars")
    assert desktop.run("return document.querySelector('#result').dataset.state") == "refused"


def test_the_film_fits_the_window_and_the_answer_stands_beside_or_above_it(page, files):
    upload(page, files, "film.png")
    page.wait(HEATED)
    stage = page.run("const b = document.querySelector('#stage').getBoundingClientRect();"
                     "return [b.width, b.height, innerWidth, innerHeight]")  # fmt: skip
    assert stage[0] <= stage[2] and stage[1] <= stage[3]
    assert stage[1] >= 0.35 * stage[3]
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.run(wide) <= 0
    assert complaints(page) == []


def scale_of(page, plane="#plane"):
    style = "getComputedStyle(document.querySelector(arguments[0]))"
    return page.run(f"return new DOMMatrix({style}.transform).a", plane)


def test_a_film_is_zoomed_by_buttons_wheel_and_keys(desktop, files):
    upload(desktop, files, "film.png")
    desktop.wait(HEATED)
    desktop.click("#larger")
    assert scale_of(desktop) == pytest.approx(1.25)
    desktop.run(WHEEL)
    assert scale_of(desktop) == pytest.approx(1.25**2)
    desktop.run(PRESS, "-")
    assert scale_of(desktop) == pytest.approx(1.25)
    desktop.run(PRESS, "0")
    assert scale_of(desktop) == 1


WHEEL = """document.querySelector('#stage').dispatchEvent(new WheelEvent('wheel',
{deltaY: -100, clientX: 300, clientY: 300, bubbles: true, cancelable: true}))"""
DRAW = """const stage = document.querySelector('#stage'), box = stage.getBoundingClientRect();
stage.setPointerCapture = () => {};
const send = (kind, x, y) => stage.dispatchEvent(new PointerEvent(kind, {pointerId: 1, button: 0,
clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true}));
send('pointerdown', .4, .4); send('pointermove', .6, .5); send('pointerup', .6, .5);"""


def test_drawing_sets_window_and_level_and_moves_a_film_that_is_zoomed(desktop, files):
    upload(desktop, files, "film.png")
    desktop.wait(HEATED)
    desktop.run(DRAW)
    levels = "return ['#window', '#level'].map(id => Number(document.querySelector(id).value))"
    assert desktop.run(levels) == [256 + 51, 128 + 26]
    for _ in range(4):
        desktop.click("#larger")
    desktop.run(DRAW)
    assert desktop.run(levels) == [256 + 51, 128 + 26]
    moved = desktop.run("return document.querySelector('#plane').style.transform")
    assert "translate(20%, 10%)" in moved


def test_keys_change_heat_greys_and_film(desktop, files):
    upload(desktop, files, "film.png", "film.dcm")
    desktop.wait(ANSWERED)
    desktop.wait(HEATED)
    desktop.run(PRESS, "h")
    assert not desktop.is_shown("#heat")
    desktop.run(PRESS, "i")
    assert desktop.run("return document.querySelector('#invert').checked")
    desktop.run(PRESS, "2")
    second = "return document.querySelector('#heat-class').selectedIndex"
    assert desktop.run(second) == 1
    desktop.run(PRESS, "ArrowRight")
    desktop.wait(SHOWN, "film.dcm")
    desktop.run(PRESS, "?")
    assert desktop.is_shown("#help")
    assert "Window and level" in desktop.text("#help")
    assert complaints(desktop) == []


def test_many_films_are_a_table_that_sorts_filters_and_is_saved(page, files, model):
    names = ["film.png", "notes.txt", "film.dcm", "photo.png", "negative.png"]
    upload(page, files, *names)
    page.wait(ANSWERED)
    told = "return [...document.querySelectorAll('#table tbody th')].map(e => e.innerText)"
    assert page.run(told) == names
    page.click("#table thead th:first-child button")
    assert page.run(told) == sorted(names)
    page.type("#filter", "inverted")
    assert page.run(told) == ["negative.png"]
    assert page.text("#totals").startswith("5 films: ")
    assert {"refused 1", "no film 1", "in doubt 1"} <= set(page.text("#totals")[9:-1].split(", "))
    assert complaints(page) == []
    for path in page.downloads.iterdir():
        path.unlink()
    page.click("#save-csv")
    page.click("#save-all")
    saved = page.downloads / "answers.csv"
    until(lambda: saved.exists() and (page.downloads / "answers.json").exists())
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(saved.read_text()))}
    (expected,) = model.predict((files / "film.dcm").read_bytes())
    assert list(rows) == names
    assert float(rows["film.dcm"]["confidence"]) == expected.confidence
    assert rows["negative.png"]["state"] == "doubtful"
    assert rows["photo.png"]["label"] == rows["notes.txt"]["confidence"] == ""
    assert rows["film.png"]["version"] and len(rows["film.png"]["sha256"]) == 64
    films = json.loads((page.downloads / "answers.json").read_text())["films"]
    assert [film["name"] for film in films] == names
    page.click("#clear")
    assert not page.is_shown("#desk") and not page.is_shown("#result")


def test_films_come_out_of_a_zip_and_one_that_is_cut_says_so(desktop, files):
    desktop.type("#files", f"{files / 'films.zip'}\n{files / 'cut.zip'}")
    desktop.wait("return document.querySelectorAll('#films li').length === 3")
    desktop.wait(ANSWERED)
    told = desktop.run(
        "return [...document.querySelectorAll('#table tbody th')].map(e => e.innerText)"
    )
    assert told == ["films.zip: ward/film.png", "films.zip: film.dcm", "cut.zip"]
    assert "corrupt" in desktop.text("#table tbody tr:last-child")
    assert desktop.text("#totals").endswith("no film 1.")


def test_the_programs_beside_an_answer_give_that_answer(desktop, files, model):
    upload(desktop, files, "film.dcm")
    texts = desktop.run(
        "return ['#in-curl', '#in-python'].map(id => document.querySelector(id).textContent)"
    )
    (expected,) = model.predict((files / "film.dcm").read_bytes())
    run = {"cwd": files, "capture_output": True, "text": True, "check": True}
    python = subprocess.run([sys.executable, "-c", texts[1]], **run).stdout
    assert python.startswith(f"{expected.label} {expected.confidence}")
    if shutil.which("curl"):
        told = json.loads(subprocess.run(["bash", "-c", texts[0]], **run).stdout)
        assert told["predictions"][0]["confidence"] == expected.confidence


def test_a_wrong_token_is_told_so(browser, model_dir):
    with running(model_dir, TOKEN) as closed:
        browser.open(closed.url, SIZES["laptop"])
        browser.wait("return !document.querySelector('#token-form').hidden")
        browser.type("#token", "wrong")
        browser.click("#token-form button")
        browser.wait(
            "return document.querySelector('#token-label').innerText.includes('not the server')"
        )
        browser.console()
