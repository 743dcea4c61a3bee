"""Heat against boxes, on maps whose figures are known by hand."""

import numpy as np
import pytest

from spark_cxr.images.boxes import OVERLAP_AT, covered, heat_in_boxes
from spark_cxr.images.film import Box
from spark_cxr.images.fit import Fit
from spark_cxr.images.heat import Grid

SQUARE = (512, 512)
LEFT, RIGHT = Box(0.0, 1.0, 0.0, 0.5), Box(0.0, 1.0, 0.5, 1.0)


def spot(row: int, column: int, cells: int = 8) -> np.ndarray:
    """One hot cell."""
    field = np.zeros((cells, cells), np.float32)
    field[row, column] = 2.0
    return field


def test_heat_that_is_the_same_everywhere_lies_in_boxes_as_chance_has_it() -> None:
    found = heat_in_boxes(np.ones((8, 8), np.float32), [Box(0.25, 0.5, 0.0, 0.5)], SQUARE)
    assert found.inside == pytest.approx(found.area) == pytest.approx(0.125)
    assert found.overlap == pytest.approx(0.125)
    assert not found.hit


def test_the_hottest_point_is_the_middle_of_the_hottest_cell() -> None:
    field = spot(2, 5)
    middle = Box(2.4 / 8, 2.6 / 8, 5.4 / 8, 5.6 / 8)
    assert heat_in_boxes(field, [middle], SQUARE).hit
    assert not heat_in_boxes(field, [Box(0.0, 1.0, 0.0, 5.4 / 8)], SQUARE).hit


def test_one_of_several_boxes_is_enough_and_areas_that_overlap_count_once() -> None:
    boxes = [Box(0.0, 0.25, 0.0, 0.25), Box(0.25, 0.5, 0.5, 1.0), Box(0.25, 0.5, 0.5, 1.0)]
    found = heat_in_boxes(spot(2, 5), boxes, SQUARE)
    assert found.hit
    assert found.area == pytest.approx(1 / 16 + 1 / 8)


def test_a_tent_of_heat_overlaps_by_its_upper_half() -> None:
    """From a cell's middle heat falls to 0 in a cell's width: above a half it is a square rhomb."""
    found = heat_in_boxes(spot(3, 3), [Box(0.0, 1.0, 0.0, 1.0)], SQUARE)
    marked = {x: max(0.0, 1 - abs(x)) for x in np.linspace(-1, 1, 2001)}
    down, across = np.meshgrid(list(marked.values()), list(marked.values()))
    expected = (down * across >= OVERLAP_AT).mean() * (2 / 8) ** 2
    assert (found.hit, found.inside) == (True, pytest.approx(1.0))
    assert found.overlap == pytest.approx(expected, rel=0.05)


def test_what_speaks_against_a_finding_does_not_count() -> None:
    field = spot(2, 6) - spot(2, 1)
    assert heat_in_boxes(field, [RIGHT], SQUARE).inside == pytest.approx(1.0)
    assert heat_in_boxes(field, [LEFT], SQUARE).inside == 0.0


def test_a_map_without_heat_hits_nothing() -> None:
    found = heat_in_boxes(-spot(2, 2), [LEFT], SQUARE)
    assert (found.hit, found.inside, found.overlap) == (False, 0.0, 0.0)
    assert found.area == pytest.approx(0.5)


def test_equal_hottest_points_hit_where_most_of_them_lie_in_boxes() -> None:
    field = spot(2, 1) + spot(2, 6) + spot(5, 6)
    assert heat_in_boxes(field, [RIGHT], SQUARE).hit
    assert not heat_in_boxes(field, [LEFT], SQUARE).hit


def test_a_film_that_is_not_square_has_the_same_shares() -> None:
    wide = heat_in_boxes(spot(2, 5), [Box(0.25, 0.4, 0.6, 0.75)], (300, 900))
    square = heat_in_boxes(spot(2, 5), [Box(0.25, 0.4, 0.6, 0.75)], SQUARE)
    assert wide.hit and square.hit
    assert wide.inside == pytest.approx(square.inside, abs=0.02)


def test_cells_of_a_cropped_film_lie_on_the_part_that_the_network_sees() -> None:
    grid = Grid(fit=Fit((64, 64), "crop"))
    # Of 512 x 1024 the network sees the middle 512 columns: cell 0 begins at a quarter.
    found = heat_in_boxes(spot(0, 0), [Box(0.0, 0.125, 0.25, 0.3125)], (512, 1024), grid)
    assert found.hit
    assert not heat_in_boxes(spot(0, 0), [Box(0.0, 0.125, 0.0, 0.2)], (512, 1024), grid).hit


def test_pixels_count_where_their_centres_lie_in_a_box() -> None:
    mask = covered([Box(0.0, 0.5, 0.3, 0.8)], (4, 10))
    assert mask[:2].sum() == mask.sum() == 10
    assert mask[0].tolist() == [False] * 3 + [True] * 5 + [False] * 2
