"""Broken files, 2,000 and 20,000: each gives a film or BadImage, and nothing else."""

import time

import numpy as np
import pytest

from spark_cxr.errors import REASONS, BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from tests.images.mutated import SOURCES, mutated

LIMITS = Limits(max_pixels=4_000_000)
FILES_PER_SEED = 80


def check(name: str, seeds: range) -> None:
    """Break a file once for each seed; decoding takes no longer than it may."""
    for seed in seeds:
        rng = np.random.default_rng([seed, len(name), len(SOURCES[name])])
        started = time.monotonic()
        try:
            film = decode(mutated(SOURCES[name], rng), LIMITS)
        except BadImage as refused:
            assert refused.reason in REASONS
            assert len(refused.detail) < 120
        else:
            assert film.pixels.dtype == np.uint8
            assert film.pixels.ndim in (2, 3)
            assert film.pixels.size <= 3 * LIMITS.max_pixels
        assert time.monotonic() - started < 2 * LIMITS.seconds + 10


@pytest.mark.parametrize("name", SOURCES)
def test_broken_file_gives_a_film_or_a_reason(name):
    check(name, range(FILES_PER_SEED))


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_ten_times_as_many_do(name):
    check(name, range(FILES_PER_SEED, 10 * FILES_PER_SEED))


def test_there_are_two_thousand_broken_files():
    assert len(SOURCES) * FILES_PER_SEED >= 2000
