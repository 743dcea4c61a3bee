"""Our normalising is Keras' own."""

import numpy as np
import pytest
from official_layout import kerass_module

from spark_cxr.backbones import catalog
from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.keras_model import normalise

ROWS = [catalog.get(name) for name in catalog.names() if catalog.get(name).constructor]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_normalising_is_that_of_keras(row: Backbone) -> None:
    films = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype(np.float32)
    ours = np.asarray(normalise(films, row.normalising))
    np.testing.assert_allclose(ours, kerass_module(row).preprocess_input(films.copy()), atol=1e-6)


def test_grey_is_exact_in_8_bits_of_a_number() -> None:
    """Half steps of 255 levels and a power of two: bfloat16 keeps each of them."""
    made = np.asarray(normalise(np.arange(256, dtype=np.float32), "grey"))
    np.testing.assert_array_equal(made, (np.arange(256) * 2 - 255) / 128)
    np.testing.assert_array_equal(made.view(np.uint32) & 0xFFFF, 0)
