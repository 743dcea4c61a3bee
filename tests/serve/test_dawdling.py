"""Clients that keep a server waiting: it closes them, and nobody else waits meanwhile."""

import contextlib
import socket
import sys
import time
from types import SimpleNamespace

import pytest
from running import running, until

from spark_cxr.serve.connection import ConnectionTable, address_of

SECONDS = 0.8
MOST, MOST_OF_ADDRESS = 40, 20
SOON = 10.0
"""Seconds within which whoever dawdles has been closed, also on a machine that is busy."""
OTHER = "127.0.0.2"
needs_addresses = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is not everywhere")


@pytest.fixture(scope="module")
def server(model_dir):
    limits = {"max_connections": MOST, "max_client_connections": MOST_OF_ADDRESS}
    with running(model_dir, seconds=SECONDS, **limits) as found:
        yield found


def connect(server, address="127.0.0.1"):
    line = socket.create_connection(("127.0.0.1", server.port), 10, (address, 0))
    line.settimeout(SOON)
    return line


def drop(line, start, piece):
    """Send a beginning, then piece after piece; give the answer once the server has closed."""
    line.settimeout(SECONDS / 8)
    line.sendall(start)
    ends, told = time.monotonic() + SOON, b""
    while time.monotonic() < ends:
        try:
            line.sendall(piece)
            if not (more := line.recv(65536)):
                return told
            told += more
        except TimeoutError:
            continue
        except ConnectionError:
            return told
    raise AssertionError("never closed")


GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "piece", "status"),
    [
        (b"", b"\r\n", b""),
        (GET, b"X-A: 1\r\n", b""),
        (GET + b"Content-Length: 100000\r\n\r\n", b"a", b"200"),
        (GET + CHUNKED, b"1\r\na\r\n", b"200"),
        (b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n" + CHUNKED, b"1\r\na\r\n", b"404"),
        (b"POST /health HTTP/1.1\r\nHost: localhost\r\n" + CHUNKED, b"1\r\na\r\n", b"405"),
        (b"POST /predict HTTP/1.1\r\nHost: evil.example\r\n" + CHUNKED, b"1\r\na\r\n", b"421"),
        (b"POST /predict HTTP/1.1\r\nHost: localhost\r\n" + CHUNKED, b"1\r\na\r\n", b"408"),
        (GET + b"\r\n", b"\r\n", b"200"),
        (GET + b"\r\n" + GET, b"X-A: 1\r\n", b"200"),
    ],
    ids=[
        *("nothing", "headers", "body of a GET", "chunks of a GET", "no route", "wrong method"),
        *("wrong host", "body", "blank lines", "half requests"),
    ],
)
def test_who_sends_by_the_byte_is_closed(server, start, piece, status):
    with connect(server) as line:
        told = drop(line, start, piece)
    assert told.split(b" ")[1:2] == ([status] if status else [])
    until(lambda: not server.connections)


@pytest.mark.parametrize("path", ["/static/page.js", "/predict?film=1"])
def test_an_answer_that_is_never_read_is_not_kept(server, drawn, path):
    method, body = ("POST", drawn["png"]) if "predict" in path else ("GET", b"")
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    line = socket.socket()
    with line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", server.port))
        line.settimeout(SECONDS)
        with contextlib.suppress(OSError):
            for _ in range(2000):  # until nothing more goes in, or the server has closed
                line.sendall(head.encode() + body)
        until(lambda: not server.connections, SOON)


def test_many_that_dawdle_keep_nobody_out(model_dir, drawn):
    """Each has half a minute; the good ones do not wait for that."""
    limits = {"max_connections": MOST, "max_client_connections": MOST_OF_ADDRESS}
    with contextlib.ExitStack() as held, running(model_dir, **limits) as server:
        for number in range(3 * MOST):
            line = held.enter_context(connect(server))
            line.sendall(GET if number % 2 else GET + b"Content-Length: 9\r\n")
            if number % 6 == 0:
                began = time.monotonic()
                assert server.predict(drawn["png"])[0] == 200
                assert time.monotonic() - began < SOON
            until(lambda: len(server.connections) <= MOST_OF_ADDRESS, SOON)


@needs_addresses
def test_an_address_takes_no_place_from_another_one(model_dir):
    limits = {"max_connections": 100, "max_client_connections": MOST_OF_ADDRESS}
    with contextlib.ExitStack() as held, running(model_dir, **limits) as server:
        mine = [held.enter_context(connect(server)) for _ in range(5)]
        until(lambda: len(server.connections) == 5)
        for _ in range(3 * MOST):
            held.enter_context(connect(server, OTHER))
        until(lambda: len(server.connections) == 5 + MOST_OF_ADDRESS)
        for line in mine:
            line.sendall(GET + b"\r\n")
            assert line.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("192.0.2.7", 5), "192.0.2.7"),
        (("::ffff:192.0.2.7", 5, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/64"),
        ("", ""),
    ],
)
def test_who_has_a_whole_network_counts_once(peer, address):
    assert address_of(SimpleNamespace(get_extra_info={"peername": peer}.get)) == address


class Line:
    """What the table knows of a connection."""

    def __init__(self, table, address, since=0.0, idle=True, deadline=float("inf")):
        self.table, self.address, self.since, self.is_waited_for = table, address, since, idle
        self.deadline, self.is_open = deadline, True

    def drop(self):
        self.table.leave(self)
        self.is_open = False


@pytest.fixture
def table():
    return ConnectionTable(seconds=1.0, most=4, most_of_address=2)


def entered(table, *lines):
    return [table.enter(line) for line in lines]


def test_the_longest_wait_of_the_same_address_gives_way(table):
    old, new = Line(table, "a", 1.0), Line(table, "a", 2.0)
    other, late = Line(table, "b", 0.0), Line(table, "a", 3.0)
    assert entered(table, new, old, other, late) == [True] * 4
    assert (old.is_open, new.is_open, other.is_open) == (False, True, True)


def test_where_all_are_at_work_the_new_one_is_turned_away(table):
    assert entered(table, *(Line(table, "a", idle=False) for _ in range(3))) == [True, True, False]


def test_a_full_table_takes_from_the_address_that_has_most(table):
    many, few = [Line(table, "a", 8.0), Line(table, "a", 9.0)], [Line(table, "b"), Line(table, "c")]
    assert entered(table, *many, *few, Line(table, "d")) == [True] * 5
    assert [line.is_open for line in (*many, *few)] == [False, True, True, True]


def test_places_are_given_back_once(table):
    lines = [Line(table, "a") for _ in range(2)]
    entered(table, *lines)
    for line in (*lines, *lines):
        table.leave(line)
    assert entered(table, *(Line(table, "a", idle=False) for _ in range(3))) == [True, True, False]


def test_a_sweep_closes_who_is_late_and_nobody_else(table):
    late, early = Line(table, "a", deadline=time.monotonic() - 1), Line(table, "a")
    entered(table, late, early)
    table.sweep()
    assert (late.is_open, early.is_open) == (False, True)
