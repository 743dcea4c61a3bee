"""Compressed frames are decoded in a child process: what befalls it does not befall the worker."""

import threading

import numpy as np
import pytest
from dicom_writer import compressed, dicom

from spark_cxr.errors import BadImage
from spark_cxr.images import codecs
from spark_cxr.images.decode import decode

pytest.importorskip("gdcm")
PIXELS = np.arange(40 * 48, dtype="u2").reshape(40, 48)


@pytest.fixture(scope="module")
def film() -> bytes:
    return compressed(dicom(PIXELS, BitsStored=12), "JPEGLosslessProcess14_1")


@pytest.fixture(autouse=True)
def _no_child_before_or_after():
    codecs.close_children()
    yield
    codecs.close_children()


@pytest.mark.parametrize("code", ["import os; os.abort()", "print('{}', flush=True)"])
def test_child_that_dies_or_babbles_makes_the_film_corrupt(film, monkeypatch, code):
    monkeypatch.setattr(codecs, "_CODE", code)
    with pytest.raises(BadImage, match="corrupt: dicom: gdcm breaks down"):
        decode(film)


def test_child_that_hangs_makes_the_film_corrupt(film, monkeypatch):
    monkeypatch.setattr(codecs, "_CODE", "import time; time.sleep(60)")
    monkeypatch.setattr(codecs, "_SECONDS", 0.2)
    with pytest.raises(BadImage, match="corrupt: dicom: gdcm breaks down"):
        decode(film)


def test_next_film_after_a_death_is_decoded(film, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(codecs, "_CODE", "import os; os.abort()")
        with pytest.raises(BadImage):
            decode(film)
    assert decode(film).pixels.shape == (40, 48)


def test_child_is_kept_for_the_next_film(film):
    decode(film)
    (child,) = codecs._idle
    decode(film)
    assert codecs._idle == [child]


def test_refused_frame_does_not_cost_the_child(film):
    start = film.rindex(b"\xff\xda")
    with pytest.raises(BadImage):
        decode(film[:start] + bytes(20) + film[start + 20 :])
    decode(film)
    assert len(codecs._idle) == 1


def test_no_room_for_a_process_is_out_of_memory(film, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError

    monkeypatch.setattr(codecs.subprocess, "Popen", refuse)
    with pytest.raises(BadImage) as caught:
        decode(film)
    assert caught.value.reason == "out_of_memory"


def test_threads_get_their_own_film(film):
    films = [compressed(dicom(PIXELS + n, BitsStored=12), "JPEGLSLossless") for n in range(3)]
    expected = [decode(data).pixels for data in films]
    got = [None] * len(films)

    def work(n):
        got[n] = decode(films[n]).pixels

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(films))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)
