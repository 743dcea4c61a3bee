"""Regions of a film: corners, border, and the lungs as they are estimated."""

import io

import numpy as np
import pytest
from PIL import Image

from spark_cxr.images.decode import decode
from spark_cxr.images.regions import (
    CORNERS,
    EDGE,
    SIDE,
    areas_of,
    cells_of,
    estimate_lungs,
    shares_of,
)
from spark_cxr.phantoms import phantoms

LEFT_HALF = np.arange(SIDE)[None].repeat(SIDE, 0) < SIDE // 2


def test_areas_are_those_that_the_audit_blackens():
    assert CORNERS.mean() == pytest.approx(4 * 0.15**2)
    assert EDGE.mean() == pytest.approx(1 - 0.8**2)


def test_even_heat_has_the_shares_of_the_areas():
    found, areas = shares_of(np.ones((7, 7), np.float32), LEFT_HALF), areas_of(LEFT_HALF)
    assert found.lungs == pytest.approx(areas.lungs) == pytest.approx(0.5)
    assert found.corners == pytest.approx(areas.corners, abs=1e-6)
    assert found.border == pytest.approx(areas.border, abs=1e-6)


def test_heat_of_one_corner_cell_lies_in_corners_and_border():
    field = np.zeros((20, 20), np.float32)
    field[0, 0] = 1
    found = shares_of(field, LEFT_HALF)
    assert (found.corners, found.border, found.lungs) == pytest.approx((1, 1, 1))


def test_what_speaks_against_does_not_count():
    field = np.full((2, 2), -5, np.float32)
    field[:, 0] = 1
    assert shares_of(field, LEFT_HALF).lungs > 0.99
    assert shares_of(-np.ones((2, 2), np.float32), LEFT_HALF) is None


def test_mask_is_brought_to_cells_by_its_greater_part():
    mask = np.zeros((160, 160), np.uint8)
    mask[:, :80] = 255
    np.testing.assert_array_equal(cells_of(mask), LEFT_HALF)
    np.testing.assert_array_equal(cells_of(np.repeat(mask[..., None], 3, 2)), LEFT_HALF)


@pytest.fixture(scope="module")
def films():
    drawn = phantoms(36, seed=21, size=128, formats=("png", "dicom"), masks=True)
    return [
        (decode(each.data).pixels, cells_of(np.asarray(Image.open(io.BytesIO(each.mask)))))
        for each in drawn
    ]


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_estimates_agree_with_the_lungs_that_were_drawn(films):
    found = [dice(estimate_lungs(film), truth) for film, truth in films]
    assert np.mean(found) > 0.88
    assert min(found) > 0.75


def test_what_is_estimated_lies_in_the_lungs(films):
    inside = [
        (estimate_lungs(film) & truth).sum() / estimate_lungs(film).sum() for film, truth in films
    ]
    assert np.mean(inside) > 0.85


def test_corners_are_never_lungs(films):
    for film, _ in films:
        found, reach = estimate_lungs(film), SIDE // 12
        assert not found[:reach, :reach].any()
        assert not found[:reach, -reach:].any()


@pytest.mark.parametrize("scale", [2, 5])
def test_size_of_the_film_hardly_matters(films, scale):
    for film, _ in films[:4]:
        large = np.kron(film, np.ones((scale, scale), np.uint8))
        assert dice(estimate_lungs(film), estimate_lungs(large)) > 0.97


def test_contrast_does_not_matter(films):
    for film, _ in films[:4]:
        pale = (60 + film.astype(np.float32) * 0.4).astype(np.uint8)
        assert dice(estimate_lungs(film), estimate_lungs(pale)) > 0.95


def test_colour_is_taken_for_grey(films):
    film = films[0][0]
    colour = np.repeat(film[..., None], 3, axis=2)
    np.testing.assert_array_equal(estimate_lungs(colour), estimate_lungs(film))


@pytest.mark.parametrize("film", [np.zeros((64, 64), np.uint8), np.full((64, 80), 255, np.uint8)])
def test_empty_film_has_the_usual_lungs(film):
    assert estimate_lungs(film).mean() == pytest.approx(2 * np.pi * 0.33 * 0.17, abs=0.02)
