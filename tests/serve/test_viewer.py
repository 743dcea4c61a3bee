"""The film under glass: the bits of its file, lengths, the lungs' outline, a film beside it."""

import io

import numpy as np
import pydicom
import pytest
from browser import CHROMIUM, DRIVER
from test_desk import PRESS, SIZES, scale_of
from test_page import HEATED, PIXEL, SET, SHOWN, complaints, upload

from spark_cxr.images.decode import decode
from spark_cxr.phantoms import phantoms
from tests.images.dicom_writer import dicom

DEEP = "return document.querySelector('#levels-note').innerText.includes('bits of the file are')"
GREYS = """const c = document.querySelector('#film');
const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
return new Set(data.filter((_, n) => n % 4 === 0)).size"""
STAGE_KEY = """document.querySelector('#stage').dispatchEvent(
new KeyboardEvent('keydown', {key: arguments[0], shiftKey: arguments[1], bubbles: true}))"""
LEVELS = "return ['#level', '#window'].map((id) => Number(document.querySelector(id).value))"
COUNT = """window.asked = []; const real = window.fetch;
window.fetch = (path, ...more) => { asked.push(path); return real(path, ...more) }"""
RAMP = np.add.outer(np.arange(128) * 8, np.arange(256) * 10).astype("u2")
"""From 0 to 3566 of 4095: 12 bits in small steps."""
MM = 0.5

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
)


def spaced(film, **tags):
    """Give a phantom the spacing of its pixels."""
    dataset = pydicom.dcmread(io.BytesIO(film))
    for name, value in tags.items():
        setattr(dataset, name, value)
    written = io.BytesIO()
    dataset.save_as(written)
    return written.getvalue()


@pytest.fixture(scope="module")
def films(tmp_path_factory, drawn):
    """Write a film with a spacing, one without, one of 8 bits, and an even ramp of 12."""
    folder = tmp_path_factory.mktemp("films")
    large = next(iter(phantoms(1, seed=4, size=256, formats=("dicom",)))).data
    contents = {
        "spaced.dcm": spaced(large, ImagerPixelSpacing=[str(MM), str(MM)]),
        "plain.dcm": drawn["dicom"],
        "eight.jpg": drawn["jpeg"],
        "ramp.dcm": dicom(RAMP, BitsStored=12),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(params=list(SIZES))
def page(request, browser, server):
    browser.open(server.url, SIZES[request.param], dark=request.param in ("phone", "laptop"))
    browser.wait("return document.querySelectorAll('#card dt').length")
    yield browser
    assert browser.console() == []


def test_a_narrow_window_on_12_bits_has_no_bands(desktop, films):
    upload(desktop, films, "ramp.dcm")
    desktop.wait(DEEP)
    desktop.run(SET, "#window", "17")
    desktop.wait(f"{GREYS} > 100")
    # 8 bits have 17 greys there, and no more.
    assert desktop.run(GREYS) > 5 * 17


def test_as_the_file_says_the_film_is_that_of_8_bits(desktop, films):
    upload(desktop, films, "spaced.dcm")
    desktop.wait(DEEP)
    expected = decode((films / "spaced.dcm").read_bytes()).pixels
    for x, y in ((10, 10), (40, 50), (128, 200), (200, 77)):
        assert abs(desktop.run(PIXEL, x, y)[0] - int(expected[y, x])) <= 1
    assert desktop.run("return document.querySelector('#preset').value") == "as the file says"
    assert "Black is 300, white 3600" in desktop.text("#levels-note")


def test_presets_show_what_their_names_say(desktop, films):
    upload(desktop, films, "spaced.dcm")
    desktop.wait(DEEP)
    names = desktop.run("return [...document.querySelector('#preset').options].map(o => o.value)")
    assert names == [
        *("as the file says", "whole range", "all values of this film"),
        *("its darker half: air, lungs", "its brighter half: heart, bone", "by hand"),
    ]
    desktop.run(SET, "#preset", "whole range")
    assert "Black is 0, white 4095; the file's values go from 0 to 4095" in desktop.text(
        "#levels-note"
    )
    desktop.run(SET, "#preset", "all values of this film")
    values = decode((films / "spaced.dcm").read_bytes(), values_side=2048).values.values
    said = f"Black is {values.min()}, white {values.max()};"
    desktop.wait("return document.querySelector('#levels-note').innerText.includes(arguments[0])",
                 said)  # fmt: skip
    desktop.run(PRESS, "w")
    assert desktop.run("return document.querySelector('#preset').value") == names[3]
    desktop.click("#reset")
    assert desktop.run(LEVELS) == [128, 256]
    desktop.run(SET, "#level", "100")
    assert desktop.run("return document.querySelector('#preset').value") == "by hand"


def test_a_film_of_8_bits_is_asked_for_no_more(desktop, films):
    desktop.run(COUNT)
    upload(desktop, films, "eight.jpg")
    desktop.wait(HEATED)
    asked = desktop.run("return asked")
    assert len(asked) >= 2 and not [path for path in asked if "grey" in path]
    assert "Black is 0, white 255" in desktop.text("#levels-note")


def test_where_the_bits_cannot_be_had_that_is_said(browser, server, films, monkeypatch):
    from spark_cxr.errors import BadImage

    def refuse(*_):
        raise BadImage("too_slow", "dicom: not decoded in 1 s")

    monkeypatch.setattr(server.service.developer, "_made", refuse)
    browser.open(server.url, SIZES["laptop"])
    upload(browser, films, "plain.dcm")
    note = "return document.querySelector('#levels-note').innerText"
    browser.wait(f"{note}.includes('could be had')")
    assert "Only 8 of the file's 12 bits could be had: " in browser.run(note)
    assert any("422" in line for line in browser.console())


def test_a_length_is_that_of_the_file_by_pointer_and_by_keys(page, films):
    upload(page, films, "spaced.dcm")
    page.wait(DEEP)
    assert page.is_shown("#scale-bar")
    bar, film = page.run("""const c = document.querySelector('#film').getBoundingClientRect();
        return [document.querySelector('#scale-bar i').getBoundingClientRect().width,
        Math.min(c.width, c.height)]""")
    words = page.text("#scale-bar")
    long = float(words.split()[0]) * (10 if words.endswith("cm") else 1)
    height, width = decode((films / "spaced.dcm").read_bytes()).pixels.shape
    assert height == width
    assert bar * width * MM / film == pytest.approx(long, rel=0.02)
    page.run("document.querySelector('#measure').click()")
    page.run("""const c = document.querySelector('#film').getBoundingClientRect();
        const side = Math.min(c.width, c.height), stage = document.querySelector('#stage');
        for (const share of [-0.25, 0.25]) stage.dispatchEvent(new PointerEvent('pointerdown',
        {button: 0, bubbles: true, clientX: c.x + c.width / 2 + share * side,
        clientY: c.y + c.height / 2}))""")
    clicked = page.text("#length")
    assert float(clicked.split()[0]) == pytest.approx(width * MM / 2, abs=0.2)
    assert clicked.endswith(
        "at the detector; what lies nearer to the tube is smaller than it looks."
    )
    page.run(STAGE_KEY, "Enter", False)
    for _ in range(10):
        page.run(STAGE_KEY, "ArrowRight", False)
    page.run(STAGE_KEY, "ArrowDown", True)
    page.run(STAGE_KEY, "Enter", False)
    step = round(width / 100)
    assert float(page.text("#length").split()[0]) == pytest.approx(
        MM * np.hypot(10 * step, 1), abs=0.06
    )
    assert page.run("return document.querySelector('#name').innerText") == "spaced.dcm"
    assert complaints(page) == []
    page.run(STAGE_KEY, "Escape", False)
    assert page.run("return document.querySelector('#measure').ariaPressed") == "false"


def test_the_scale_bar_follows_the_zoom(desktop, films):
    upload(desktop, films, "spaced.dcm")
    desktop.wait(DEEP)
    per_mm = """const i = document.querySelector('#scale-bar i').getBoundingClientRect().width;
        const [n, unit] = document.querySelector('#scale-bar').innerText.trim().split(' ');
        return i / (Number(n) * (unit === 'cm' ? 10 : 1))"""
    before = desktop.run(per_mm)
    for _ in range(4):
        desktop.click("#larger")
    assert desktop.run(per_mm) == pytest.approx(before * 1.25**4, rel=0.02)


@pytest.mark.parametrize(("name", "why"), [("plain.dcm", "this file"), ("eight.jpg", "a picture")])
def test_without_a_spacing_there_is_no_scale_and_the_page_says_why(desktop, films, name, why):
    upload(desktop, films, name)
    desktop.wait(HEATED)
    assert not desktop.is_shown("#scale-bar")
    assert desktop.text("#length") == f"No scale: {why} states no pixel spacing."
    assert desktop.run("return document.querySelector('#measure').disabled")
    desktop.run(PRESS, "m")
    assert desktop.run("return document.querySelector('#status').innerText").startswith("No scale")


def test_the_outline_of_the_lungs_is_switched_apart_from_the_heat(page, films):
    upload(page, films, "spaced.dcm")
    page.wait(HEATED)
    assert page.is_shown("#lungs")
    page.run(PRESS, "h")
    assert page.is_shown("#lungs") and not page.is_shown("#heat")
    page.run(PRESS, "l")
    assert not page.is_shown("#lungs")
    page.run("document.querySelector('#heat-on').click()")
    assert page.is_shown("#heat") and not page.is_shown("#lungs")
    green = """const c = document.createElement('canvas'), i = document.querySelector('#heat');
        c.width = i.naturalWidth; c.height = i.naturalHeight; c.getContext('2d').drawImage(i, 0, 0);
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let k = 0; k < d.length; k += 4)
        n += d[k] === 120 && d[k + 1] === 230 && d[k + 2] === 140; return n"""
    assert page.run(green) == 0
    assert page.run(green.replace("#heat", "#lungs")) > 100


def test_two_films_side_by_side_go_together_each_with_its_answer(page, films, model):
    names = ["spaced.dcm", "eight.jpg", "plain.dcm"]
    upload(page, films, *names)
    page.wait("return !document.querySelector('#totals').innerText.includes('waiting')")
    page.wait(HEATED)
    page.run("const s = document.querySelector('#beside-choice'); s.selectedIndex = 1;"
             "s.dispatchEvent(new Event('change'))")  # fmt: skip
    page.wait("return document.querySelector('#beside-film').width > 1")
    (expected,) = model.predict((films / "eight.jpg").read_bytes())
    assert page.text("#beside-verdict").startswith(expected.label)
    assert page.run("return document.querySelectorAll('#beside-bars tbody tr').length") == 3
    assert page.text("#under").startswith("spaced.dcm: ")
    boxes = page.run("""return ['#stage', '#beside-stage'].map((id) => {
        const b = document.querySelector(id).getBoundingClientRect();
        return [b.left, b.top, b.right, b.bottom, innerWidth] })""")
    one, other, width = boxes[0], boxes[1], boxes[0][4]
    is_phone = width < 640
    assert (other[1] >= one[3]) if is_phone else (other[0] >= one[2] and other[1] == one[1])
    assert max(one[2], other[2]) <= width
    page.run("document.querySelector('#larger').click()")
    scales = [scale_of(page), scale_of(page, "#beside-plane")]
    assert scales == pytest.approx([1.25, 1.25])
    page.run(SET, "#preset", "its darker half: air, lungs")
    assert complaints(page) == []
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.run(wide) <= 0
    page.run(PRESS, "b")
    page.wait("return document.querySelector('#beside-name').innerText === 'plain.dcm'")
    page.run(PRESS, "b")
    assert not page.is_shown("#beside") and not page.is_shown("#under")


def test_a_film_that_is_looked_at_itself_is_no_longer_beside(desktop, films):
    upload(desktop, films, "spaced.dcm", "eight.jpg")
    desktop.wait("return !document.querySelector('#totals').innerText.includes('waiting')")
    desktop.run(PRESS, "b")
    desktop.wait("return document.querySelector('#beside-name').innerText === 'eight.jpg'")
    desktop.run(PRESS, "ArrowRight")
    desktop.wait(SHOWN, "eight.jpg")
    assert not desktop.is_shown("#beside")
