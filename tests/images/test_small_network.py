"""Convolutions in numpy are those of the definition."""

import itertools

import numpy as np
import pytest

from spark_cxr.images.small_network import convolved, doubled, padded


@pytest.mark.parametrize("depth", [3, 15, 16, 40])
def test_convolutions_are_those_of_the_definition(depth):
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((9, 8, depth)).astype(np.float32)
    kernel = rng.standard_normal((3, 3, depth, 4)).astype(np.float32)
    found = convolved(maps, kernel, 2)
    wanted = np.zeros((4, 3, 4))
    for y, x in itertools.product(range(4), range(3)):
        window = maps[2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
        wanted[y, x] = np.einsum("abc,abcd->d", window, kernel)
    assert np.allclose(found, wanted, atol=1e-4)


def test_padding_and_doubling_keep_every_cell():
    maps = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    wide = padded(maps, 1, 2)
    assert wide.shape == (5, 5, 3)
    assert np.array_equal(wide[1:3, 1:3], maps)
    assert wide.sum() == maps.sum()
    assert np.array_equal(doubled(maps)[1::2, ::2], maps)
