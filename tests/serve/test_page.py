"""The page in a real browser, without a window: as people use it, and as axe-core reads it.

axe.min.js is axe-core 4.14.1, unchanged, under the Mozilla Public License 2.0; it is for these
tests only and is not part of the package.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, DRIVER
from PIL import Image
from running import running, until

from spark_cxr import load_model
from spark_cxr.backbones.catalog import FAKE_CAVEAT
from spark_cxr.backbones.network import key
from spark_cxr.images.decode import decode
from tests.model.run_with_vectors import run_with_vectors

AXE = Path(__file__).with_name("axe.min.js").read_text(encoding="utf-8")
DESKTOP, PHONE = (1280, 900), (360, 760)
NOTICE = "Research use only. Not for diagnosis."
SHOWN = "return document.querySelector('#name').innerText === arguments[0] ? 1 : 0"
HEATED = "return !document.querySelector('#heat').hidden"
TOKEN = "0123456789abcdef0123"
PIXEL = """const c = document.querySelector('#film');
return [...c.getContext('2d').getImageData(arguments[0], arguments[1], 1, 1).data]"""
SET = """const e = document.querySelector(arguments[0]); e.value = arguments[1];
e.dispatchEvent(new Event('input', {bubbles: true}));
e.dispatchEvent(new Event('change', {bubbles: true}))"""
DROP = """const [name, text] = arguments, transfer = new DataTransfer();
const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
transfer.items.add(new File([bytes], name));
document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, bubbles: true}))"""
TAB, ENTER, RIGHT = "\ue004", "\ue007", "\ue014"

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory, drawn, photo):
    """Write what is uploaded."""
    folder = tmp_path_factory.mktemp("films")
    contents = {
        "film.png": drawn["png"],
        "film.jpg": drawn["jpeg"],
        "film.dcm": drawn["dicom"],
        "photo.png": photo,
        "notes.txt": b"Dear colleague, this is no film.",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(params=["desktop", "phone"])
def page(request, browser, server):
    """Open the page afresh; at its end the browser has nothing to complain of."""
    is_phone = request.param == "phone"
    browser.open(server.url, PHONE if is_phone else DESKTOP, dark=is_phone)
    browser.wait("return document.querySelectorAll('#card dt').length")
    yield browser
    assert browser.console() == []


def upload(page, files, *names):
    page.type("#files", "\n".join(str(files / name) for name in names))
    page.wait(SHOWN, names[0])


def complaints(page):
    """Let axe-core read the page, in words that say what to mend."""
    page.run(AXE)
    found = page.run_async("axe.run().then(arguments[arguments.length - 1])")["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found]


def test_card_tells_accuracy_with_its_interval_and_its_test(page):
    assert "accuracy, on its own test of 40 films" in page.text("#card")
    assert "0.500 (95 % interval 0.350 to 0.650)" in page.text("#card")
    assert "split by patient, test 0.25, seed 0" in page.text("#card")


def test_what_it_is_not_for_is_seen_first(page):
    assert page.text("main > :first-child") == NOTICE
    top = page.run("return document.querySelector('#notice').getBoundingClientRect().top")
    assert 0 <= top < 60


@pytest.mark.parametrize("name", ["film.png", "film.jpg", "film.dcm"])
def test_a_film_gets_label_bars_picture_and_heat(page, files, model, name):
    upload(page, files, name)
    (expected,) = model.predict((files / name).read_bytes())
    assert page.text("#verdict").startswith(expected.label)
    bars = page.run("return [...document.querySelectorAll('#bars tbody th')].map(e => e.innerText)")
    assert sorted(bars) == sorted(model.labels)
    page.wait(HEATED)
    grey = decode((files / name).read_bytes()).pixels
    assert page.run(PIXEL, 40, 50) == [int(grey[50, 40])] * 3 + [255]
    page.run("document.querySelector('#status').scrollIntoView()")
    assert (
        NOTICE.lower()[:12]
        in page.run("return document.querySelector('#status').textContent").lower()
    )


def test_heat_follows_the_slider_and_the_class(page, files, model):
    upload(page, files, "film.png")
    page.wait(HEATED)
    page.run(SET, "#opacity", "25")
    assert page.run("return document.querySelector('#heat').style.opacity") == "0.25"
    first = page.text("#heat-note")
    other = next(label for label in model.labels if label not in page.text("#verdict"))
    page.run(SET, "#heat-class", other)
    page.wait("return document.querySelector('#heat-note').innerText.includes(arguments[0])", other)
    assert page.text("#heat-note") != first


def test_grey_levels_and_inversion_change_the_film_and_reset_brings_it_back(page, files):
    upload(page, files, "film.png")
    page.wait("return document.querySelector('#film').width > 1")
    plain = page.run(PIXEL, 40, 50)[0]
    page.click("#invert")
    page.wait(f"{PIXEL.rstrip()}[0] === arguments[2]", 40, 50, 255 - plain)
    page.click("#reset")
    page.wait(f"{PIXEL.rstrip()}[0] === arguments[2]", 40, 50, plain)
    page.run(SET, "#level", "255")
    page.run(SET, "#window", "64")
    page.wait(f"{PIXEL.rstrip()}[0] < arguments[2]", 40, 50, plain)


def test_a_photo_gets_a_verdict_in_place_of_a_score(page, files):
    upload(page, files, "photo.png")
    assert page.text("#verdict") == "Not a frontal chest film"
    assert page.run("return document.querySelectorAll('#bars tbody tr').length") == 0
    assert "%" not in page.text("#result")
    assert "Not a frontal chest film: " in page.text("#result")
    assert not page.is_shown("#heat-controls")


def test_a_text_file_is_refused_with_its_reason(page, files):
    upload(page, files, "notes.txt")
    assert page.text("#verdict") == "No film: the bytes are no image format that is known here"
    assert not page.is_shown("#film")


def test_many_files_are_listed_and_each_can_be_looked_at(page, files):
    names = ["film.png", "notes.txt", "film.dcm", "photo.png"]
    upload(page, files, *names)
    page.wait(
        "return ![...document.querySelectorAll('#films small')]"
        ".some(e => e.innerText.includes('waiting'))"
    )
    for n, name in enumerate(names, 1):
        page.click(f"#films li:nth-child({n}) button")
        page.wait(SHOWN, name)


def test_a_film_may_be_dropped_and_an_example_clicked(page, drawn):
    import base64

    page.run(DROP, "dropped.png", base64.b64encode(drawn["png"]).decode())
    page.wait(SHOWN, "dropped.png")
    page.wait("return document.querySelectorAll('#examples button').length >= 5")
    page.click("#examples button:last-of-type")
    page.wait(SHOWN, "sunset.png")
    assert page.text("#verdict") == "Not a frontal chest film"


def test_answer_and_picture_can_be_saved(page, files, model):
    upload(page, files, "film.dcm")
    page.wait(HEATED)
    for path in page.downloads.iterdir():
        path.unlink()
    page.click("#save-json")
    page.click("#save-png")
    saved = page.downloads / "film.json"
    until(lambda: saved.exists() and (page.downloads / "film-answer.png").exists())
    told = json.loads(saved.read_text())
    (expected,) = model.predict((files / "film.dcm").read_bytes())
    (film,) = told["films"]
    assert film["probabilities"] == dict(expected.probabilities)
    assert film["name"] == "film.dcm"
    assert film["sha256"] == hashlib.sha256((files / "film.dcm").read_bytes()).hexdigest()
    assert told["notice"] == NOTICE
    picture = Image.open(io.BytesIO((page.downloads / "film-answer.png").read_bytes()))
    width, height = decode((files / "film.dcm").read_bytes()).pixels.shape[::-1]
    assert picture.width == width and picture.height > height


def test_all_of_it_can_be_done_by_keyboard(page, files):
    page.run("document.activeElement.blur()")
    reached = []
    for _ in range(12):
        page.press(TAB)
        reached.append(
            page.run("return document.activeElement.id || document.activeElement.innerText")
        )
        if reached[-1].startswith("Pneu"):
            page.press(ENTER)
            break
    page.wait(SHOWN, "Pneumonia.png")
    assert "files" in reached
    page.wait(HEATED)
    page.run("document.querySelector('#opacity').focus()")
    page.press(RIGHT)
    assert page.run("return document.querySelector('#heat').style.opacity") == "0.61"


@pytest.mark.parametrize("what", ["empty", "film.png", "photo.png", "notes.txt", "docs"])
def test_axe_core_finds_nothing_to_mend(page, server, files, what):
    if what == "docs":
        page.open(f"{server.url}/docs")
        page.wait("return document.querySelectorAll('h3').length > 5")
    elif what != "empty":
        upload(page, files, what)
    if what == "film.png":
        page.wait(HEATED)
    assert complaints(page) == []


def test_nothing_scrolls_sideways(page, files):
    upload(page, files, "film.png", "film.dcm")
    page.wait(HEATED)
    wide = page.run(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0


def test_where_a_token_is_asked_for_the_page_asks_for_it(browser, model_dir, files):
    with running(model_dir, TOKEN) as closed:
        browser.open(closed.url, DESKTOP)
        browser.wait("return !document.querySelector('#token-form').hidden")
        browser.type("#token", TOKEN)
        browser.click("#token-form button")
        browser.wait("return document.querySelectorAll('#card dt').length")
        upload(browser, files, "film.png")
        kept = browser.run(
            "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        assert kept == '[{},{},""]'
        browser.console()


def test_films_like_it_are_listed_where_the_server_has_any(browser, model_dir, files, tmp_path):
    network = load_model(model_dir).plan.network
    draw = np.random.default_rng(0)
    rows = [
        {"path": f"{n}", "sha256": f"{n}", "label": "Pneumonia", "features": vector.tolist()}
        for n, vector in enumerate(draw.normal(size=(12, network.dim)).astype("f4"))
    ]
    run = run_with_vectors(tmp_path, rows, key=f"{network.backbone}-{key(network)[:16]}-f32")
    with running(model_dir, neighbours=run.address) as found:
        browser.open(found.url, DESKTOP)
        browser.wait("return document.querySelectorAll('#card dt').length")
        browser.console()  # what the page before has said of the end of its server
        upload(browser, files, "film.png")
        assert browser.text("#similar caption") == "Known films most like this one"
        assert browser.text("#similar tbody").count("Pneumonia") == 8
        assert complaints(browser) == []
        upload(browser, files, "photo.png")
        assert browser.run("return document.querySelector('#similar').children.length") == 0
        assert browser.console() == []


def test_what_is_wrong_with_the_features_stands_above_the_answers(page):
    assert page.text("#caveat") == FAKE_CAVEAT


def test_a_page_that_would_break_the_rules_is_heard(browser, server):
    browser.open(server.url)
    browser.run(
        "const s = document.createElement('script'); s.text = 'window.bad = 1';"
        "document.body.append(s)"
    )
    assert browser.run("return window.bad") is None
    assert any("Content Security Policy" in line for line in browser.console())
