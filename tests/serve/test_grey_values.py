"""A film in the bits of its file: what a screen needs to set window and level by itself."""

import gzip
import json

import numpy as np
import pytest
from running import running

from spark_cxr.images.decode import decode
from spark_cxr.serve import grey_values
from spark_cxr.serve.guard import memory_bytes
from tests.images.dicom_writer import compressed, dicom
from tests.serve.hostile import bombs

STORED = (np.add.outer(np.arange(64) * 7, np.arange(96) * 31) % 4096).astype("u2")
TOKEN = "0123456789abcdef0123"


def read(body):
    line, _, values = body.partition(b"\n")
    header = json.loads(line)
    found = np.frombuffer(values, "<u2").reshape(header["height"], header["width"])
    return header, found


def asked(server, film, query="", **headers):
    status, told, body = server.ask("POST", f"/grey-values{query}", film, **headers)
    assert (status, told["content-type"]) == (200, "application/octet-stream")
    return read(gzip.decompress(body) if told["content-encoding"] else body)


@pytest.mark.parametrize("encoding", ["gzip, br", "identity"])
def test_values_are_those_of_the_file(server, encoding):
    film = dicom(STORED, BitsStored=12, WindowCenter="2000", WindowWidth="101")
    header, values = asked(server, film, Accept_Encoding=encoding)
    np.testing.assert_array_equal(values, STORED)
    assert (header["scale"]["black"], header["scale"]["white"]) == (1949.5, 2049.5)
    assert (header["bits"], header["scale"]["top"], header["spacing"]) == (12, 4095, None)


def test_spacing_is_that_of_the_values_that_are_sent(server):
    film = dicom(STORED, BitsStored=12, ImagerPixelSpacing=["0.2", "0.1"])
    header, values = asked(server, film, "?longest=48")
    assert values.shape == (32, 48)
    assert header["spacing"]["plane"] == "detector"
    assert [header["spacing"][side] for side in ("down", "across")] == pytest.approx([0.4, 0.2])
    _, told = server.predict(film)
    (found,) = told["predictions"]
    assert found["file"]["spacing"] == {"down": 0.2, "across": 0.1, "plane": "detector"}


def test_compressed_films_have_their_bits_too(server):
    pytest.importorskip("gdcm")
    film = compressed(dicom(STORED, BitsStored=12), "JPEG2000Lossless")
    np.testing.assert_array_equal(asked(server, film)[1], STORED)


def test_a_film_of_8_bits_gives_these(server, drawn):
    header, values = asked(server, drawn["jpeg"])
    np.testing.assert_array_equal(values, decode(drawn["jpeg"]).pixels)
    assert header["scale"]["top"] == 255


@pytest.mark.parametrize("longest", ["0", "4097", "-1", "1e3", "\u0663", "", "99999999999"])
def test_a_size_out_of_bounds_is_refused(server, drawn, longest):
    from urllib.parse import quote

    query = f"?longest={quote(longest)}"
    status, told = server.told("POST", f"/grey-values{query}", drawn["png"])
    assert (status, told["reason"]) == (400, "bad_number")


def test_what_has_no_grey_values_says_why(server, photo):
    assert server.told("POST", "/grey-values", photo)[0] == 415
    assert server.told("POST", "/grey-values", b"Dear colleague")[0] == 415
    assert server.told("POST", "/grey-values", b"")[0] == 400


def test_a_film_of_16_000_pixels_a_side_and_a_forged_size_are_refused(server):
    huge = dicom(STORED, BitsStored=12, Rows=16_000, Columns=16_000)
    assert server.told("POST", "/grey-values", huge)[0] == 413
    forged = dicom(STORED, BitsStored=12, Rows=9_000, Columns=9_000)
    assert server.told("POST", "/grey-values", forged)[0] == 422


@pytest.mark.parametrize("number", range(3))
def test_a_bomb_is_refused_or_shrunk_without_its_memory(server, number):
    before = memory_bytes()
    status, _, body = server.ask("POST", "/grey-values", bombs()[number])
    assert (status, len(body) < 9 * 2**20) == ((413, 200, 422)[number], True)
    assert memory_bytes() - before < 180 * 2**20


def test_more_films_than_may_wait_are_asked_to_come_again(model_dir, drawn, monkeypatch):
    with running(model_dir) as busy:
        busy.service.developer._lane.waiting = grey_values.MOST_WAITING
        status, told, _ = busy.ask("POST", "/grey-values", drawn["png"])
        assert (status, told["retry-after"]) == (503, "1")
        busy.service.developer._lane.waiting = 0
        assert busy.ask("POST", "/grey-values", drawn["png"])[0] == 200
        assert busy.service.developer._lane.waiting == busy.service.room.held == 0


def test_whoever_may_not_ask_gets_no_film(model_dir, drawn):
    with running(model_dir, TOKEN) as closed:
        assert closed.ask("POST", "/grey-values", drawn["png"])[0] == 401
        told = closed.ask("POST", "/grey-values", drawn["png"], Authorization=f"Bearer {TOKEN}")
        assert told[0] == 200
