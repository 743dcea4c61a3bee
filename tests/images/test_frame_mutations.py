"""Broken frames of each compressed encoding of DICOM: each a film or BadImage, and no dead worker.

The file around a frame stays sound, so that the decoder itself is reached.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from spark_cxr.errors import REASONS, BadImage
from spark_cxr.images import apart
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from tests.images.encoded import ENCODED
from tests.images.mutated import broken

LIMITS = Limits(max_pixels=4_000_000, seconds=5)
FEW, MANY = 30, 2_000
SMALL_HW = (20, 20)


def outcomes(name: str, seeds: range) -> Iterator[str]:
    """Break a frame once for each seed; give the reason why it is no film, or none."""
    encoded, others = ENCODED[name], [each.frame for each in ENCODED.values()]
    for seed in seeds:
        rng = np.random.default_rng([seed, len(name), len(encoded.frame)])
        data = encoded.dicom(broken(encoded.frame, rng, others) or bytes(2))
        enough_hw = SMALL_HW if seed % 2 else None
        try:
            film = decode(data, LIMITS, enough_hw)
        except BadImage as bad:
            assert bad.reason in REASONS
            assert len(bad.detail) < 120
            yield bad.reason
        else:
            is_reduced = "reduced" in film.flags
            assert is_reduced <= bool(enough_hw)
            assert film.file_hw == encoded.pixels.shape
            assert is_reduced or film.pixels.shape == encoded.pixels.shape
            yield ""


@pytest.mark.parametrize("name", ENCODED)
def test_broken_frame_gives_a_film_or_a_reason(name):
    assert len(list(outcomes(name, range(FEW)))) == FEW


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ENCODED)
def test_two_thousand_broken_frames_do(name):
    assert len(list(outcomes(name, range(FEW, FEW + MANY)))) == MANY


def test_sound_frame_after_broken_ones_is_decoded():
    apart.close_children()
    list(outcomes("lossless", range(5)))
    for encoded in ENCODED.values():
        assert decode(encoded.dicom()).pixels.shape == encoded.pixels.shape
