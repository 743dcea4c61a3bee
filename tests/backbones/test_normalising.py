"""Our normalising is Keras' own."""

import numpy as np
import pytest
from official_layout import kerass_module

from spark_cxr.backbones import catalog
from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.keras_model import normalise

ROWS = [catalog.get(name) for name in catalog.names() if name != "fake"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_normalising_is_that_of_keras(row: Backbone) -> None:
    films = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype(np.float32)
    ours = np.asarray(normalise(films, row.normalising))
    np.testing.assert_allclose(ours, kerass_module(row).preprocess_input(films.copy()), atol=1e-6)
