"""The gate: chest films pass however they come, other pictures do not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from spark_cxr.errors import WeightsError
from spark_cxr.images import gate
from spark_cxr.images.decode import decode
from spark_cxr.images.gate import FILE, SIDE, gate_view, is_chest_film, unpack
from spark_cxr.images.prepare import resize
from spark_cxr.phantoms import draw
from spark_cxr.phantoms.hospital import HOSPITALS, as_taken_at, seed_at


def drawn(count, hospital=1, size=160):
    """Draw phantoms with 8 bits."""
    for number in range(count):
        drawing = draw("Pneumonia", seed_at(hospital, 7), patient=number, size=size)
        yield (as_taken_at(hospital, drawing).grey12 >> 4).astype(np.uint8)


def tinted(film):
    return (film[..., None] * np.array((0.6, 0.8, 1.0))).astype(np.uint8)


def turned(film):
    return np.asarray(Image.fromarray(film).rotate(15))


def cropped(film):
    down, across = (side // 10 for side in film.shape)
    return film[down:-down, across:-across]


WAYS = {
    "as it is": lambda film: film,
    "tinted": tinted,
    "negative": lambda film: 255 - film,
    "turned": turned,
    "cropped": cropped,
    "tiny": lambda film: resize(film, (64, 64)),
    "large": lambda film: resize(film, (2000, 2400)),
    "dark": lambda film: film // 8,
}


@pytest.mark.parametrize("hospital", HOSPITALS)
@pytest.mark.parametrize("way", WAYS)
def test_a_drawn_film_passes_however_it_comes(way, hospital):
    films = list(drawn(12, hospital))
    assert sum(is_chest_film(WAYS[way](film)) for film in films) >= 11


def test_a_film_of_16_bits_passes():
    film = next(drawn(1)).astype(np.uint16) * 257
    written = io.BytesIO()
    Image.fromarray(film).save(written, "PNG")
    assert is_chest_film(decode(written.getvalue()).pixels)


def others():
    """Draw what nobody takes for a film."""
    rng = np.random.default_rng(3)
    across = np.arange(200, dtype=np.uint8)
    page = Image.new("L", (200, 260), 255)
    ImageDraw.Draw(page).multiline_text((8, 8), "Findings: none.\n" * 14, fill=0)
    film = next(drawn(1))
    height, width = film.shape
    yield "black", np.zeros((200, 200), np.uint8)
    yield "blank", np.full((200, 200), 255, np.uint8)
    yield "noise", rng.integers(0, 256, (200, 200)).astype(np.uint8)
    yield "ramp", np.tile(across, (200, 1))
    yield "text", np.asarray(page)
    yield "checks", (np.indices((200, 200)).sum(axis=0) // 20 % 2 * 255).astype(np.uint8)
    yield "part of a film", film[height // 3 : height // 2, width // 3 : width // 2]


@pytest.mark.parametrize(("name", "picture"), list(others()), ids=[name for name, _ in others()])
def test_what_is_none_is_refused(name, picture):
    assert not is_chest_film(picture)


def test_photographs_are_refused():
    data = pytest.importorskip("sklearn.datasets", reason="photographs come with scikit-learn")
    assert not any(map(is_chest_film, data.load_sample_images().images))


def test_most_real_films_pass(shared_data):
    paths = sorted((shared_data / "originals").rglob("*.*"))
    films = [path for path in paths if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
    passed = [is_chest_film(decode(film.read_bytes()).pixels) for film in films]
    assert len(passed) > 60
    assert np.mean(passed) > 0.95


def test_the_answer_does_not_depend_on_tone_and_size():
    film = next(drawn(1, size=256))
    view = gate_view(film).astype(int)
    for other in (film // 2, np.repeat(film[..., None], 3, axis=2), film.repeat(2, 0).repeat(2, 1)):
        assert abs(gate_view(other).astype(int) - view).mean() < 1.5


def test_what_is_packed_is_read_again():
    shipped = unpack(FILE.read_bytes())
    again = unpack(shipped.pack())
    view = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    assert again.margin(view) == shipped.margin(view)
    assert FILE.stat().st_size <= 2**20


def test_a_gate_that_is_cut_or_gone_is_one_line(tmp_path, monkeypatch):
    gate._shipped.cache_clear()
    for content in (None, b"", FILE.read_bytes()[:1000]):
        file = tmp_path / "gate.npz"
        if content is not None:
            file.write_bytes(content)
        monkeypatch.setattr(gate, "FILE", file)
        with pytest.raises(WeightsError, match=r"the gate that ships.*Install spark_cxr again"):
            is_chest_film(np.zeros((80, 80), np.uint8))
    monkeypatch.undo()
    gate._shipped.cache_clear()
