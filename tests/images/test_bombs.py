"""Files that ask for far more than they are: none takes more than its share."""

import sys

import pytest

from spark_cxr.errors import BadImage
from spark_cxr.images import apart
from spark_cxr.images.decode import decode, is_harmless
from spark_cxr.images.film import Limits

pytest.importorskip("gdcm")
from tests.images.bombs import BOMBS

QUICK = ("webp lossless", "png rgba", "dicom window", "jpeg 2000 empty", "jpeg 2000 far behind")
SHARE = 2**30 + 2**28
"""The most memory for a decode, and what a process with the decoders has without one."""


def outcome(name: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """Decode a bomb: the reason, or none, and the peak memory of the child that did."""
    peaks = [0]
    ask = apart._Child.ask

    def note(child, *args):
        found = ask(child, *args)
        peaks.append(found[0].peak)
        return found

    monkeypatch.setattr(apart._Child, "ask", note)
    data = BOMBS[name]()
    assert not is_harmless(data)
    try:
        decode(data, Limits(seconds=seconds))
    except BadImage as bad:
        return bad.reason, max(peaks)
    return "", max(peaks)


@pytest.mark.parametrize("name", QUICK)
def test_bomb_takes_no_more_than_its_share(name, monkeypatch):
    reason, peak = outcome(name, 3, monkeypatch)
    assert reason
    assert peak < SHARE


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(BOMBS) - set(QUICK)))
def test_larger_bomb_takes_no_more_than_its_share(name, monkeypatch):
    _, peak = outcome(name, 5, monkeypatch)
    assert peak < SHARE


def test_film_after_a_bomb_is_decoded(monkeypatch):
    from tests.images.mutated import SOURCES

    outcome("webp lossless", 3, monkeypatch)
    assert decode(SOURCES["dicom JPEGLSLossless"]).pixels.shape == (48, 40)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by Linux only")
def test_a_decoder_that_asks_for_gigabytes_is_refused_them(monkeypatch):
    """The limits of size aside, so that the decoder itself sees the file."""
    data = BOMBS["webp lossless"]()
    with pytest.raises(BadImage) as caught:
        decode(data, Limits(max_pixels=10**9))
    assert caught.value.reason in ("out_of_memory", "corrupt", "truncated")
