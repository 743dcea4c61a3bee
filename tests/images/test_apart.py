"""What may cost anything is decoded in a child process: what befalls it befalls no worker."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from dicom_writer import compressed, dicom

from spark_cxr.errors import BadImage
from spark_cxr.images import apart
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits

pytest.importorskip("gdcm")
PIXELS = np.arange(40 * 48, dtype="u2").reshape(40, 48)
ENDS = "import os; os.abort()"
ANSWERS = """
import os, sys
from spark_cxr.images.apart import Decoded, receive, send
from dataclasses import asdict
receive(sys.stdin.buffer, 10**9)
send(sys.stdout.buffer, asdict(Decoded({0})), {1})
"""
BAD_SPACING = "{'down': 0.1, 'across': 1e9, 'plane': 'detector'}"


@pytest.fixture(scope="module")
def film() -> bytes:
    return compressed(dicom(PIXELS, BitsStored=12), "JPEGLosslessProcess14_1")


@pytest.fixture(autouse=True)
def _no_child_before_or_after():
    apart.close_children()
    yield
    apart.close_children()


def refused(data: bytes, limits: Limits | None = None) -> BadImage:
    with pytest.raises(BadImage) as caught:
        decode(data, limits or Limits())
    return caught.value


@pytest.mark.parametrize("code", [ENDS, "print('{}', flush=True)", "print('x' * 999, flush=True)"])
def test_file_over_which_two_children_die_or_babble_is_named(film, monkeypatch, code):
    monkeypatch.setattr(apart, "_CODE", code)
    assert refused(film).reason == "ended_its_reader"


def test_file_over_which_one_child_dies_is_read_by_the_next(film, monkeypatch, tmp_path):
    mark = tmp_path / "died"
    once = f"import os, pathlib; p = pathlib.Path({str(mark)!r})\n"
    once += f"if not p.exists():\n    p.touch(); os.abort()\n{apart._CODE}"
    monkeypatch.setattr(apart, "_CODE", once)
    assert decode(film).pixels.shape == (40, 48)
    assert mark.exists()


@pytest.mark.parametrize(
    ("facts", "pixels"),
    [
        ("shape=(40, 48), bits=8", "bytes(40)"),
        ("shape=(40, 48, 2), bits=8", "bytes(40 * 48 * 2)"),
        ("shape=(1, 48), bits=8", "bytes(48)"),
        ("shape=(40, 48), bits=8, view='<b>'", "bytes(40 * 48)"),
        ("shape=(40, 48), bits=8, flags=('fine',)", "bytes(40 * 48)"),
        ("reason='because'", "b''"),
        ("shape=(40, 48), bits=8, values_hw=(2, 2)", "bytes(40 * 48)"),
        ("shape=(40, 48), bits=8, values_hw=(2, 2)", "bytes(40 * 48 + 8)"),
        (f"shape=(40, 48), bits=8, spacing={BAD_SPACING}", "bytes(40 * 48)"),
    ],
)
def test_answer_that_no_decoder_gives_is_not_believed(film, monkeypatch, facts, pixels):
    monkeypatch.setattr(apart, "_CODE", ANSWERS.format(facts, pixels))
    assert refused(film).reason == "ended_its_reader"


def test_values_and_spacing_come_through_as_they_were_read():
    native = dicom(PIXELS, BitsStored=12, PixelSpacing=["0.2", "0.3"])
    one, other = decode(native, values_side=20), apart.decode_apart(native, Limits(), None, 20)
    assert one.values is not None and other.values is not None
    np.testing.assert_array_equal(one.values.values, other.values.values)
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert one.values.scale == other.values.scale
    assert one.spacing == other.spacing is not None


@pytest.mark.parametrize(
    ("hw", "top", "payload"),
    [
        ((99, 2), 4095, "bytes(40 * 48 + 2 * 99 * 2)"),
        ((2, 2), 4095, "bytes(40 * 48 + 7)"),
        ((2, 2), 4095, "bytes([255]) * (40 * 48 + 8)"),
        ((2, 2), 0, "bytes(40 * 48 + 8)"),
        ((-2, -2), 4095, "bytes(40 * 48 + 8)"),
    ],
)
def test_values_that_no_decoder_gives_are_not_believed(film, monkeypatch, hw, top, payload):
    scale = {"top": top, "black": 0.0, "white": 1.0, "first": 0.0, "step": 1.0, "is_curved": False}
    facts = f"shape=(40, 48), bits=12, scale={scale}, values_hw={hw}"
    monkeypatch.setattr(apart, "_CODE", ANSWERS.format(facts, payload))
    with pytest.raises(BadImage) as caught:
        decode(film, values_side=20)
    assert caught.value.reason == "ended_its_reader"


def test_child_that_waits_is_ended(film, monkeypatch):
    monkeypatch.setattr(apart, "_CODE", "import time; time.sleep(60)")
    assert refused(film, Limits(seconds=0.1)).reason == "too_slow"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows counts no processor time")
def test_child_that_calculates_is_ended_by_the_processor_time_it_took(film, monkeypatch):
    spin = "from spark_cxr.images import apart\ndef spin(*_):\n    while True: pass\n"
    monkeypatch.setattr(apart, "_CODE", f"{spin}apart.decode_here = spin; apart.serve()")
    monkeypatch.setattr(apart, "_PATIENCE", 1000)
    assert refused(film, Limits(seconds=0.1)).reason == "too_slow"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by Linux only")
def test_child_that_wants_more_memory_than_its_share_is_refused_it(film, monkeypatch):
    greed = "from spark_cxr.images import apart\ndef greed(*_):\n    return bytes(2**31)\n"
    monkeypatch.setattr(apart, "_CODE", f"{greed}apart.decode_here = greed; apart.serve()")
    assert refused(film).reason == "out_of_memory"


def test_next_film_after_a_death_is_decoded(film, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(apart, "_CODE", ENDS)
        refused(film)
    assert decode(film).pixels.shape == (40, 48)


def test_child_is_kept_for_the_next_film(film):
    decode(film)
    (child,) = apart._pool.idle
    decode(film)
    assert apart._pool.idle == [child]


def test_child_that_has_grown_is_not_kept(film, monkeypatch):
    monkeypatch.setattr(apart, "_RETIRED", 1)
    decode(film)
    assert apart._pool.idle == []


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted on Linux only")
def test_child_of_a_large_process_is_kept_too(film):
    code = """
import sys
held = bytearray(b"x") * (apart_size := 800_000_000)
from spark_cxr.images import apart
from spark_cxr.images.decode import decode
decode(bytes.fromhex(sys.stdin.read()))
(child,) = apart._pool.idle
print(child.peak < apart_size // 2)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], input=film.hex(), capture_output=True, text=True, check=True
    )
    assert ended.stdout == "True\n"


def test_child_that_died_between_two_films_is_replaced(film):
    decode(film)
    (child,) = apart._pool.idle
    child._process.kill()
    child._process.wait()
    assert decode(film).pixels.shape == (40, 48)


def test_refused_file_does_not_cost_the_child(film):
    start = film.rindex(b"\xff\xda")
    refused(film[:start] + bytes(20) + film[start + 20 :])
    decode(film)
    assert len(apart._pool.idle) == 1


def test_no_room_for_a_process_is_out_of_memory(film, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError

    monkeypatch.setattr(apart.subprocess, "Popen", refuse)
    assert refused(film).reason == "out_of_memory"


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


def test_files_that_want_much_memory_take_turns(film, monkeypatch):
    at_once, most, lock = 0, 0, threading.Lock()
    ask = apart._Child.ask

    def count(child, *args):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return ask(child, *args)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(apart._Child, "ask", count)
    monkeypatch.setattr(apart, "_HEAVY", 0)
    threads = [threading.Thread(target=decode, args=(film,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
