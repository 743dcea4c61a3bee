"""Under which names the server answers, and for which sites."""

import socket

import pytest
from running import running

from spark_cxr.errors import ConfigError
from spark_cxr.serve.command import is_loopback
from spark_cxr.serve.hosts import Hosts, host_of

HERE = "192.0.2.7"
"""The address of the machine in these tests."""


def refused(hosts, host, origin=None, method="POST"):
    headers = [(b"host", host.encode("latin-1"))]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    refusal = hosts.refusal(method, headers, HERE)
    return refusal and refusal.status


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:80", "127.0.0.1:8080", "[::1]:8080", "localhost.:1", HERE]
)
def test_this_machine_is_known_by_its_names_and_by_the_address_that_was_reached(host):
    assert refused(Hosts(), host) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("", ":80", "a@localhost", "localhost/", "localhost:x", "localhost:99999", "[::1", "\xe4"),
        *("192.0.2.8", "localhost?", "localhost#a", "evil.example\\@localhost", "127.1"),
    ],
)
def test_no_other_name_is_answered(host):
    assert refused(Hosts(), host, method="GET") == 421


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        (["cxr.hospital.example"], "cxr.hospital.example", None),
        (["CXR.hospital.example"], "cxr.Hospital.example:443", None),
        (["cxr.hospital.example"], "a.cxr.hospital.example", 421),
        ([".hospital.example"], "cxr.hospital.example", None),
        ([".hospital.example"], "hospital.example", None),
        ([".hospital.example"], "evilhospital.example", 421),
        (["*"], "anything.example", None),
        (["[2001:db8::1]"], "[2001:db8::1]:80", None),
    ],
)
def test_names_are_allowed_as_they_are_given(allowed, host, status):
    assert refused(Hosts.of("0.0.0.0", allowed), host) == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:8080", "http://localhost:8080", None),
        ("localhost", "http://localhost:80", None),
        ("localhost:8080", "http://localhost:3000", 403),
        ("localhost:8080", "http://127.0.0.1:8080", 403),
        ("localhost:8080", "https://evil.example", 403),
        ("localhost:8080", "null", 403),
        ("localhost:8080", "", 403),
        ("localhost:8080", "file://", 403),
        ("cxr.example", "https://cxr.example", None),
        ("localhost:8080", "https://cxr.example", None),  # a proxy that says another Host
        ("localhost:8080", "https://cxr.example.evil.example", 403),
    ],
)
def test_posts_come_from_our_own_page_or_from_an_allowed_site(host, origin, status):
    hosts = Hosts.of("127.0.0.1", ["cxr.example"])
    assert refused(hosts, host, origin) == status
    assert refused(hosts, host, origin, "GET") is None


def test_a_program_says_no_origin():
    assert refused(Hosts(), "localhost") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "cxr.example"])
def test_what_others_reach_is_no_loopback(host):
    assert not is_loopback(host)


def test_ports_are_those_of_the_scheme_where_none_is_said():
    assert host_of("https://a") == ("a", 443) and host_of("http://a:8") == ("a", 8)


# The server


def test_a_name_that_was_bound_anew_reaches_nothing(server, drawn):
    for method, path in (("GET", "/"), ("GET", "/model"), ("POST", "/predict"), ("GET", "/health")):
        status, headers, body = server.ask(method, path, drawn["png"], Host="evil.example")
        assert (status, b"unknown_host" in body) == (421, True)
        assert headers["X-Frame-Options"] == "DENY"


def test_another_page_on_this_machine_may_not_post(server, drawn):
    own, other = f"http://127.0.0.1:{server.port}", "http://127.0.0.1:1"
    assert server.predict(drawn["png"], Origin=own)[0] == 200
    assert server.predict(drawn["png"], Origin=other)[0] == 403


def raw(server, text):
    with socket.create_connection(("127.0.0.1", server.port), 10) as line:
        line.sendall(text)
        return line.recv(65536)


def test_a_program_of_old_needs_no_host_and_a_new_one_needs_one(server):
    assert b" 200 " in raw(server, b"GET /ping HTTP/1.0\r\n\r\n")
    assert b" 400 " in raw(server, b"GET /ping HTTP/1.1\r\n\r\n")
    two = b"Host: localhost\r\nHost: evil.example\r\n\r\n"
    assert b" 421 " in raw(server, b"GET /ping HTTP/1.1\r\n" + two)


@pytest.mark.parametrize("path", ["/health/", "/static/page.js/", "//evil.example/", "/docs/"])
def test_nothing_leads_elsewhere(server, path):
    status, headers, _ = server.ask("GET", path)
    assert (status, headers["Location"]) == (404, None)


def test_a_proxy_is_named_by_allow_host(model_dir, drawn):
    with running(model_dir, allow_host=("cxr.example",)) as server:
        for named in ({"Host": "cxr.example"}, {"Origin": "https://cxr.example"}):
            assert server.predict(drawn["png"], **named)[0] == 200


DEMO = "https://demo.example"


def test_pages_of_other_sites_may_ask_where_they_are_named(model_dir, drawn):
    with running(model_dir, allow_origin=(DEMO,)) as server:
        asked = {"Origin": DEMO, "Sec-Fetch-Site": "cross-site"}
        status, headers, _ = server.ask("POST", "/predict", drawn["png"], **asked)
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, DEMO)
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        question = {**asked, "Access-Control-Request-Method": "POST"}
        status, headers, _ = server.ask("OPTIONS", "/predict", None, **question)
        assert (status, headers["Access-Control-Allow-Methods"]) == (204, "GET, POST")
        for origin in ("https://evil.example", f"{DEMO}:8443", "http://demo.example", "null"):
            asked = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
            status, headers, _ = server.ask("POST", "/predict", drawn["png"], **asked)
            assert (status, headers["Access-Control-Allow-Origin"]) == (403, None)


def test_no_other_site_may_ask_unless_it_is_named(server, drawn):
    status, headers, _ = server.ask("POST", "/predict", drawn["png"], Origin=DEMO)
    assert (status, headers["Access-Control-Allow-Origin"]) == (403, None)
    question = {"Origin": DEMO, "Access-Control-Request-Method": "POST"}
    status, headers, _ = server.ask("OPTIONS", "/predict", None, **question)
    assert status != 204
    assert headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("origin", ["demo.example", "https://demo.example/page", "*", "null"])
def test_what_is_no_origin_is_refused_at_the_start(origin):
    with pytest.raises(ConfigError, match="scheme and a host"):
        Hosts.of("127.0.0.1", (), (origin,))
