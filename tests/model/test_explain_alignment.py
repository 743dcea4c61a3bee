"""Film and heat align to the pixel: a planted bright square is found where it is."""

import io
from dataclasses import replace

import numpy as np
import pytest
from model_by_hand import LABELS, reference
from PIL import Image

from spark_cxr.backbones.engines import load
from spark_cxr.backbones.engines.fake import CELLS
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.images.raster import encode_png
from spark_cxr.model import load_model
from spark_cxr.model.predictor import Predictor
from spark_cxr.phantoms.drawing import Drawing
from spark_cxr.phantoms.encoding import EXPLICIT, Owner, encode_dicom
from tests.quick import fake_plan

CELL = (4, 11)
"""Row and column, of 16 x 16, in which the square lies."""


def planted(size_hw):
    """Draw dim noise, and a square that fills one cell of the network's view."""
    film = np.random.default_rng(8).integers(60, 70, size_hw, dtype=np.uint8)
    film[square(size_hw)] = 250
    return film


def square(size_hw):
    return tuple(
        slice(round(at * side / CELLS), round((at + 1) * side / CELLS))
        for at, side in zip(CELL, size_hw, strict=True)
    )


def as_png(film):
    return encode_png(film)


def as_colour(film):
    return encode_png(np.repeat(film[..., None], 3, axis=2))


def as_16_bits(film):
    out = io.BytesIO()
    Image.fromarray(film.astype(np.uint16) * 257).save(out, "PNG")
    return out.getvalue()


def as_turned_jpeg(film):
    """Write a JPEG that lies on its side, and says so."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(film)).save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


def as_dicom(film, photometric="MONOCHROME2"):
    drawing = Drawing(film.astype(np.uint16) * 16, np.zeros(film.shape, bool), "PA", "")
    return encode_dicom(drawing, Owner("p", 1), photometric, EXPLICIT)


def as_inverted_dicom(film):
    return as_dicom(film, "MONOCHROME1")


@pytest.fixture
def model(directory):
    """Give a model whose second label is for what is bright in that one cell."""
    loaded = load_model(directory.address)
    projection = load(fake_plan()).projection
    weights = np.zeros((3, projection.shape[1]))
    weights[1] = projection[CELL[0] * CELLS + CELL[1]]
    head = Linear(weights, np.zeros(3), "softmax")
    return replace(loaded, predictor=Predictor(LABELS, head, reference()))


SIZES = [(64, 64), (400, 150), (90, 333), (48, 40), (2600, 2100), (1024, 1024)]
FORMATS = [as_png, as_colour, as_16_bits, as_turned_jpeg, as_dicom, as_inverted_dicom]


def opacity_of(explanation, longest):
    png = explanation.heat_png(float(explanation.map.max()), longest)
    layer = np.asarray(Image.open(io.BytesIO(png)))
    return layer[..., 3].astype(int), layer


@pytest.mark.parametrize("size_hw", SIZES, ids=str)
def test_square_is_found_in_films_of_any_shape(model, size_hw):
    found = model.explain(as_png(planted(size_hw)), label=LABELS[1])
    assert np.unravel_index(found.map.argmax(), found.map.shape) == CELL
    hot = np.zeros(size_hw, bool)
    hot[square(size_hw)] = True
    assert hot[found.heat == found.heat.max()].all()
    assert found.heat[hot].min() > 0.2 * found.heat.max()


@pytest.mark.parametrize("written", FORMATS, ids=lambda f: f.__name__)
def test_square_is_found_in_every_kind_of_file(model, written):
    size_hw = (320, 200)
    found = model.explain(written(planted(size_hw)), label=LABELS[1])
    assert found.film.shape[:2] == size_hw
    assert found.film[square(size_hw)].min() > 200
    assert np.unravel_index(found.map.argmax(), found.map.shape) == CELL


@pytest.mark.parametrize("longest", [0, 100, 512])
@pytest.mark.parametrize("size_hw", [(400, 150), (1200, 1000)], ids=str)
def test_layers_of_any_size_lie_on_the_square(model, size_hw, longest):
    found = model.explain(as_png(planted(size_hw)), label=LABELS[1])
    opacity, layer = opacity_of(found, longest)
    film = np.asarray(Image.open(io.BytesIO(found.film_png(longest))))
    assert film.shape == layer.shape[:2]
    bright = film > 160
    assert bright[opacity == opacity.max()].mean() > 0.9
    warm = layer[..., 0] > layer[..., 2]
    assert warm[bright & (opacity > 100)].all()


def test_hottest_pixels_are_in_the_middle_of_the_square(model):
    size_hw = (1600, 800)
    heat = model.explain(as_png(planted(size_hw)), label=LABELS[1]).heat
    rows, columns = np.nonzero(heat == heat.max())
    assert (rows.mean() + 0.5) / size_hw[0] == pytest.approx((CELL[0] + 0.5) / CELLS, abs=1e-3)
    assert (columns.mean() + 0.5) / size_hw[1] == pytest.approx((CELL[1] + 0.5) / CELLS, abs=1e-3)
