"""2,000 broken files: each gives a film or BadImage, and nothing else."""

import numpy as np
import pytest

from spark_cxr.errors import REASONS, BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from tests.images.mutated import SOURCES, mutated

LIMITS = Limits(max_pixels=4_000_000)
FILES_PER_SEED = 80


@pytest.mark.parametrize("name", SOURCES)
def test_broken_file_gives_a_film_or_a_reason(name):
    for seed in range(FILES_PER_SEED):
        rng = np.random.default_rng([seed, len(name), len(SOURCES[name])])
        try:
            film = decode(mutated(SOURCES[name], rng), LIMITS)
        except BadImage as refused:
            assert refused.reason in REASONS
            assert len(refused.detail) < 120
        else:
            assert film.pixels.dtype == np.uint8
            assert film.pixels.ndim in (2, 3)
            assert film.pixels.size <= 3 * LIMITS.max_pixels


def test_there_are_two_thousand_broken_files():
    assert len(SOURCES) * FILES_PER_SEED >= 2000
