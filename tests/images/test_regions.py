"""Regions of a film: corners, border and lungs, and the heat in each."""

import numpy as np
import pytest

from spark_cxr.images.lungs import CELLS, LungFields
from spark_cxr.images.regions import CORNERS, EDGE, SIDE, LungHeat, cells_of, heat_on, shares_of

LEFT_HALF = np.arange(SIDE)[None].repeat(SIDE, 0) < SIDE // 2


def test_areas_are_those_that_the_audit_blackens():
    assert CORNERS.mean() == pytest.approx(4 * 0.15**2)
    assert EDGE.mean() == pytest.approx(1 - 0.8**2)


def test_even_heat_has_the_shares_of_the_areas():
    found = shares_of(np.ones((7, 7), np.float32), LEFT_HALF)
    assert found.lungs == pytest.approx(0.5)
    assert found.corners == pytest.approx(CORNERS.mean(), abs=1e-6)
    assert found.border == pytest.approx(EDGE.mean(), abs=1e-6)


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


def test_without_lungs_the_heat_on_them_is_unknown_and_the_rest_is_not():
    found = shares_of(np.ones((7, 7), np.float32), None)
    assert found.lungs is None
    assert found.corners == pytest.approx(CORNERS.mean(), abs=1e-6)


def test_heat_on_the_lungs_stands_beside_their_area():
    shares = np.zeros((CELLS, CELLS), np.float32)
    shares[:, : CELLS // 2] = 1
    field = LEFT_HALF.astype(np.float32)
    assert heat_on(LungFields(shares), field) == LungHeat(pytest.approx(1, abs=0.01), 0.5)
    assert heat_on(None, field) is None
    assert heat_on(LungFields(shares), -field) is None
