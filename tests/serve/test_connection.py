"""Clients that dawdle, lie, break off or come all at once."""

import base64
import json
import select
import socket
import threading
import time

import pytest
from running import running, until

from spark_cxr.serve import bodies

SECONDS = 0.6


@pytest.fixture(scope="module")
def hasty(model_dir):
    with running(model_dir, seconds=SECONDS, max_body_bytes=100_000, max_waiting=4) as found:
        yield found


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def spoken(server, *pieces, pause=0.0):
    """Send pieces, and read until the server closes or answers; empty where it only closes."""
    with connect(server) as line:
        try:
            for piece in pieces:
                if select.select([line], [], [], pause)[0]:
                    break
                line.sendall(piece)
            return whole(line)
        except (ConnectionError, BrokenPipeError):
            return b""


def whole(line):
    """Read one answer; empty where the server closes without one."""
    told = b""
    while b"\r\n\r\n" not in told:
        if not (piece := line.recv(65536)):
            return told
        told += piece
    start, _, body = told.partition(b"\r\n\r\n")
    length = int(start.lower().partition(b"content-length:")[2].split(None, 1)[0])
    while len(body) < length and (piece := line.recv(65536)):
        body += piece
    return start + b"\r\n\r\n" + body


def head(length, *more):
    lines = [
        "POST /predict HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {length}",
        *more,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def is_well(server, film):
    """Ask until there is an answer: where the machine is busy, a hasty server may say so too."""
    until(lambda: server.predict(film)[0] == 200)
    return True


def test_headers_that_never_end_are_cut_off(hasty, drawn):
    began = time.monotonic()
    assert spoken(hasty, b"POST /predict HTTP/1.1\r\nHost: localhost\r\n") == b""
    assert SECONDS / 2 < time.monotonic() - began < 20 * SECONDS
    assert is_well(hasty, drawn["png"])


def test_a_connection_that_says_nothing_is_cut_off(hasty):
    assert spoken(hasty) == b""


def test_a_second_request_may_not_dawdle_either(hasty):
    with connect(hasty) as line:
        line.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert whole(line).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /ping HTTP/1.1\r\nHo")
        assert whole(line) == b""


def test_headers_without_measure_are_cut_off(hasty, drawn):
    assert spoken(hasty, b"GET / HTTP/1.1\r\nX-A: ", *[b"a" * 50_000] * 6) in (b"",)
    many = b"".join(b"X-%d: %s\r\n" % (n, b"b" * 1000) for n in range(300))
    assert not spoken(hasty, b"GET / HTTP/1.1\r\n", many, b"\r\n").startswith(b"HTTP/1.1 200")
    assert is_well(hasty, drawn["png"])


def test_a_body_that_comes_too_slowly_is_refused_with_408(hasty, drawn):
    told = spoken(hasty, head(1000), b"a" * 10)
    assert told.startswith(b"HTTP/1.1 408") and b"too_slow" in told
    assert b"connection: close" in told
    assert hasty.service.room.held == 0
    assert is_well(hasty, drawn["png"])


def test_a_body_of_drops_is_refused_with_408(hasty):
    assert b" 408 " in spoken(hasty, head(1000), *[b"a"] * 20, pause=SECONDS / 10)


def test_a_body_that_is_announced_too_large_is_refused_unread(hasty):
    told = spoken(hasty, head(100_001, "Expect: 100-continue"))
    assert told.startswith(b"HTTP/1.1 413")


def test_a_body_that_is_too_large_gets_its_answer_though_it_is_still_coming(hasty):
    told = spoken(hasty, head(300_000), b"a" * 300_000)
    assert told.startswith(b"HTTP/1.1 413") and b"too_large" in told


def test_a_chunked_body_without_end_is_refused_at_the_limit(hasty, drawn):
    chunk = b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n"
    start = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 413 " in spoken(hasty, start, *[chunk] * 4)
    until(lambda: hasty.service.room.held == 0)
    assert is_well(hasty, drawn["png"])


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "0x10", "9" * 30])
def test_a_length_that_is_no_number_is_a_bad_request(hasty, length):
    assert spoken(hasty, head(length), b"a").startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def test_a_shorter_length_than_the_film_is_a_bad_request_and_hurts_no_next_one(hasty, drawn):
    film = drawn["png"]
    told = spoken(hasty, head(len(film) // 2) + film)
    assert told.startswith((b"HTTP/1.1 400", b"HTTP/1.1 422"))
    assert is_well(hasty, film)


def test_what_is_no_http_is_a_bad_request(hasty):
    assert spoken(hasty, b"\x16\x03\x01\x02\x00\x01\x00").startswith(b"HTTP/1.1 400")


def test_a_client_that_breaks_off_leaves_nothing_behind(hasty, drawn):
    for cut in (10, len(drawn["png"])):
        for _ in range(10):
            with connect(hasty) as line:
                line.sendall(head(len(drawn["png"])) + drawn["png"][:cut])
    until(lambda: hasty.service.batcher.waiting == 0 and hasty.service.room.held == 0)
    assert is_well(hasty, drawn["png"])


def test_more_clients_than_there_is_room_for_are_asked_to_come_again(hasty, drawn, monkeypatch):
    may_run, engine = threading.Event(), hasty.service.engine

    class Held:
        used = engine.used

        def features(self, batch):
            may_run.wait(20)
            return engine.features(batch)

    monkeypatch.setattr(hasty.service.batcher, "_engine", Held())
    found = []
    clients = [
        threading.Thread(target=lambda: found.append(hasty.ask("POST", "/predict", drawn["png"])))
        for _ in range(10)
    ]
    for client in clients:
        client.start()
    until(lambda: len(found) >= 6)
    may_run.set()
    for client in clients:
        client.join()
    statuses = sorted(status for status, _, _ in found)
    assert set(statuses[:4]) <= {200, 503} and statuses.count(503) >= 6
    assert all(h["Retry-After"] == "1" for status, h, _ in found if status == 503)
    assert is_well(hasty, drawn["png"])


def test_heat_maps_that_take_too_long_together_are_ended(hasty, drawn, monkeypatch):
    """Each is in time; all of them are not."""
    made = type(hasty.service.explainer)._made

    def late(*args):
        time.sleep(SECONDS / 2)
        return made(*args)

    monkeypatch.setattr(type(hasty.service.explainer), "_made", late)
    body = json.dumps({"images": [base64.b64encode(drawn["png"]).decode()] * 4})
    status, told = hasty.predict(body, "?explain=1", Content_Type="application/json")
    assert (status, told["reason"]) == (503, "busy")
    assert "no answer within" in told["detail"]
    until(lambda: hasty.service.room.held == 0)


def test_bodies_that_are_too_many_together_are_asked_to_come_again(model_dir, drawn):
    with running(model_dir, max_held_bytes=150_000) as server:
        with connect(server) as line:
            line.sendall(head(120_000) + b"a" * 119_000)
            until(lambda: server.service.room.held > 100_000)
            status, told = server.predict(b"b" * 60_000)
            assert (status, told["reason"]) == (503, "busy")
        until(lambda: server.service.room.held == 0)
        assert is_well(server, drawn["png"])


def test_a_slow_body_gives_its_room_to_others(model_dir, drawn, monkeypatch):
    monkeypatch.setattr(bodies, "UNHURRIED_S", 0.2)
    with running(model_dir, max_held_bytes=150_000) as server, connect(server) as line:
        line.sendall(head(120_000) + b"a" * 119_000)
        until(lambda: server.service.room.held > 100_000)
        time.sleep(0.3)
        until(lambda: server.predict(drawn["png"] + bytes(40_000))[0] == 200, 5)
        assert b" 503 " in whole(line)
        until(lambda: server.service.room.held == 0)
        assert not server.service.room.coming


def test_many_requests_on_one_connection_and_in_a_pipe_are_all_answered(server, drawn):
    film = drawn["jpeg"]
    with connect(server) as line:
        line.sendall((head(len(film)) + film) * 5)
        told = b""
        while told.count(b"HTTP/1.1 200") < 5 or not told.endswith(b"}"):
            told += line.recv(65536)
    bodies = [part.partition(b"\r\n\r\n")[2] for part in told.split(b"HTTP/1.1 200")[1:]]
    shares = {str(json.loads(body)["predictions"][0]["probabilities"]) for body in bodies}
    assert len(shares) == 1
