"""Shares of heat in lungs, corners and border."""

import numpy as np
import pytest

from spark_cxr.images.regions import CORNERS, EDGE, SIDE, areas_of, cells_of, shares_of

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
