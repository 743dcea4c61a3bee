"""Occlusion finds what a score hangs on, where that is known."""

import numpy as np
import pytest

from spark_cxr.backbones.engines.fake import CELLS as FAKE_CELLS
from spark_cxr.backbones.maps import CELLS, MASKS, occlude, rise

FILM = np.random.default_rng(1).integers(90, 110, (64, 64, 3), dtype=np.uint8)
FILM[8:16, 40:48] = 255
"""Cell (1, 5) of 8 x 8 is bright."""


def brightness(films):
    """Score by the known place alone: a margin for it, and one that nothing changes."""
    at = films[:, 8:16, 40:48].mean(axis=(1, 2, 3), dtype=np.float64)
    return np.stack([at, np.zeros(len(at))], axis=1)


@pytest.mark.parametrize("method", [occlude, rise])
def test_heat_is_where_the_score_looks(method):
    found = method(FILM, brightness)
    assert found.shape == (2, CELLS, CELLS)
    assert np.unravel_index(found[0].argmax(), found[0].shape) == (1, 5)
    np.testing.assert_array_equal(found[1], 0)


def test_fall_of_a_hidden_window_is_what_the_score_loses():
    fill = FILM.mean(axis=(0, 1)).astype(np.uint8).mean()
    assert occlude(FILM, brightness)[0, 1, 5] == pytest.approx(255 - fill, abs=1)


def test_windows_far_away_change_nothing():
    found = occlude(FILM, brightness)[0]
    np.testing.assert_array_equal(found[4:], 0)
    np.testing.assert_array_equal(found[:, :3], 0)


@pytest.mark.parametrize(("method", "passes"), [(occlude, CELLS**2 + 1), (rise, MASKS)])
def test_number_of_passes_is_fixed(method, passes):
    counted = []
    method(FILM, lambda films: counted.append(len(films)) or brightness(films))
    assert sum(counted) == passes


def test_random_masks_are_the_same_for_the_same_seed():
    np.testing.assert_array_equal(rise(FILM, brightness, 3), rise(FILM, brightness, 3))
    assert (rise(FILM, brightness, 3) != rise(FILM, brightness, 4)).any()


def test_tree_on_one_feature_is_explained_by_the_cells_of_that_feature():
    """A stump whose feature is one known cell of the film: hiding the cell changes its mind."""
    from spark_cxr.heads.portable.trees import Trees

    stump = Trees(
        feature=np.array([37, 0, 0]),
        threshold=np.array([150.0, np.inf, np.inf]),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        value=np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]]),
        roots=np.array([0]),
        depth=np.array([1]),
        link="share",
    )
    film = np.full((64, 64, 3), 100, np.uint8)
    row, column = divmod(37, FAKE_CELLS)
    film[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4] = 255

    def score(films):
        cells = films.reshape(len(films), FAKE_CELLS, 4, FAKE_CELLS, 4, 3).mean(axis=(2, 4, 5))
        return stump.margins(cells.reshape(len(films), -1).astype(np.float64))

    found = occlude(film, score)[1]
    assert found[row // 2, column // 2] == pytest.approx(0.7)
    np.testing.assert_allclose(np.unique(found), [0, 0.7], rtol=1e-6)
