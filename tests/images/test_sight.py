"""What of a film a network is shown, and where its maps then lie on the film."""

import dataclasses

import numpy as np
import pytest

from spark_cxr.errors import ConfigError
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Box
from spark_cxr.images.fit import Fit, fitted
from spark_cxr.images.heat import Grid, on_part, place
from spark_cxr.images.lungs import CELLS, LungFields, find_lungs
from spark_cxr.images.sight import sight_of
from spark_cxr.model.predictor import NO_LUNGS, look_at_film
from spark_cxr.phantoms import phantoms

FIT = Fit((64, 64), see="lungs")


def lungs_at(top, bottom, left, right):
    shares = np.zeros((CELLS, CELLS), np.float32)
    shares[top:bottom, left:right] = 1
    return LungFields(shares)


@pytest.fixture(scope="module")
def film():
    return np.random.default_rng(0).integers(1, 255, (640, 320), np.uint8)


def test_the_whole_film_is_seen_where_nothing_else_is_wanted_or_known(film):
    lungs = lungs_at(16, 48, 8, 56)
    for sight in (sight_of(film, "film", lungs), sight_of(film, "lungs", None)):
        assert sight.pixels is film
        assert sight.box is None


def test_the_box_of_the_lungs_has_a_margin_of_its_own_size(film):
    sight = sight_of(film, "lungs", lungs_at(16, 48, 8, 56))
    assert sight.box == Box(top=0.225, bottom=0.775, left=28 / 320, right=292 / 320)
    np.testing.assert_array_equal(sight.pixels, film[144:496, 28:292])


def test_a_margin_ends_where_the_film_does(film):
    sight = sight_of(film, "lungs", lungs_at(0, 64, 0, 64))
    assert sight.box == Box(0.0, 1.0, 0.0, 1.0)


def test_what_is_no_lung_is_black_where_lungs_alone_are_seen(film):
    lungs = lungs_at(16, 48, 8, 56)
    sight = sight_of(film, "lungs-only", lungs)
    part = lungs.mask((640, 320))[144:496, 28:292]
    np.testing.assert_array_equal(sight.pixels[part], film[144:496, 28:292][part])
    assert not sight.pixels[~part].any()
    in_colour = sight_of(np.repeat(film[..., None], 3, 2), "lungs-only", lungs)
    np.testing.assert_array_equal(in_colour.pixels[..., 1], sight.pixels)


def test_the_hottest_cell_lies_where_the_network_saw_it(film):
    sight = sight_of(film, "lungs", lungs_at(16, 48, 8, 56))
    field = np.zeros((4, 4), np.float32)
    field[3, 0] = 1
    heat = place(field, film.shape, on_part(None, sight.box))
    down, across = np.unravel_index(heat.argmax(), heat.shape)
    assert 144 + 0.75 * 352 <= down < 496
    assert 28 <= across < 28 + 0.25 * 264
    outside = np.ones(film.shape, bool)
    outside[144:496, 28:292] = False
    assert not heat[outside].any(), "no heat on what the network has not seen"


def test_a_part_may_be_padded_too():
    grid = Grid(fit=Fit((64, 64), "pad"), box=Box(0.25, 0.75, 0.0, 1.0))
    down, across = grid.spans((100, 200))  # the part has 50 x 200 pixels
    assert across == (0.0, 1.0)
    assert down == pytest.approx((0.25 - 0.75, 0.75 + 0.75))


def test_without_a_part_the_grid_is_as_it_was():
    assert on_part(None, None) is None
    grid = Grid(0.1, 0.2)
    assert on_part(grid, None) is grid


@pytest.fixture(scope="module")
def phantom():
    drawn = next(phantoms(3, 1, 256, ("png",)))
    return decode(drawn.data).pixels


def test_a_network_is_shown_the_part_in_its_size(phantom):
    lungs = find_lungs(phantom)
    assert lungs, "a drawn film has lungs that are found"
    part = sight_of(phantom, "lungs", lungs).pixels
    assert part.shape < phantom.shape
    picture, shown = look_at_film(phantom, (), FIT)
    np.testing.assert_array_equal(shown[..., 0], fitted(phantom, FIT))
    np.testing.assert_array_equal(shown[..., 0], fitted(part, Fit((64, 64))))
    assert picture.box == sight_of(phantom, "lungs", lungs).box
    assert NO_LUNGS not in picture.flags


def test_a_film_whose_lungs_are_not_found_is_marked(phantom, monkeypatch):
    from spark_cxr.model import predictor

    monkeypatch.setattr(predictor, "find_lungs", lambda *_: None)
    monkeypatch.setattr(predictor, "is_chest_film", lambda _: True)
    picture, shown = look_at_film(phantom, (), FIT)
    assert NO_LUNGS in picture.flags
    assert picture.box is None
    np.testing.assert_array_equal(shown[..., 0], fitted(phantom, Fit((64, 64))))
    plain, _ = look_at_film(phantom, (), dataclasses.replace(FIT, see="film"))
    assert NO_LUNGS not in plain.flags, "a network that sees whole films asks for no lungs"


def test_a_sight_that_is_not_known_is_refused():
    with pytest.raises(ConfigError, match="see to be one of film, lungs, lungs-only"):
        Fit((64, 64), see="heart")
