"""Who may ask, what browsers are told, and what is written down."""

import asyncio
import re

import pytest
from running import running, until

from spark_cxr.serve.app import ROUTES
from spark_cxr.serve.guard import HEADERS, POLICY, Gauges, Guard

TOKEN = "0123456789abcdef0123"
CLOSED = [route.path for route in ROUTES if not route.is_open and "{" not in route.path]
OPEN = [route.path for route in ROUTES if route.is_open and "{" not in route.path]


@pytest.fixture(scope="module")
def closed(model_dir):
    with running(model_dir, TOKEN) as found:
        yield found


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize(
    "given", ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xe4"]
)
def test_without_the_token_nothing_of_the_model_is_told(closed, path, given):
    named = {"Authorization": given} if given else {}
    status, headers, body = closed.ask("POST" if "inv" in path else "GET", path, **named)
    reason = b"wrong_token" if given in (f"Bearer {TOKEN}x", "Bearer \xe4") else b"no_token"
    assert (status, reason in body) == (401, True)
    assert headers["WWW-Authenticate"].startswith("Bearer")


def test_the_token_opens(closed, drawn):
    for scheme in ("Bearer", "bearer"):
        status, told = closed.predict(drawn["png"], Authorization=f"{scheme} {TOKEN}")
        assert (status, len(told["predictions"])) == (200, 1)


@pytest.mark.parametrize("path", [*OPEN, "/static/page.js", "/openapi.json"])
def test_page_documents_and_health_are_for_everybody(closed, path):
    assert closed.ask("GET", path)[0] == 200


@pytest.mark.parametrize("path", ["/", "/health", "/predict", "/nowhere", "/static/page.js"])
def test_every_answer_has_the_headers_that_browsers_heed(server, path):
    headers = server.ask("GET", path)[1]
    for name, value in HEADERS:
        assert headers[name.decode()] == value.decode()
    assert "Access-Control-Allow-Origin" not in headers
    assert "Server" not in headers or "uvicorn" in headers["Server"]


def test_policy_allows_no_script_that_stands_in_a_page():
    assert "unsafe" not in POLICY
    assert "default-src 'none'" in POLICY


def test_other_sites_may_not_ask_through_a_browser(server, drawn):
    status, told = server.predict(drawn["png"], Sec_Fetch_Site="cross-site")
    assert (status, told["reason"]) == (403, "cross_site")
    assert server.predict(drawn["png"], Sec_Fetch_Site="same-origin")[0] == 200
    assert server.ask("OPTIONS", "/predict", Origin="https://a.example")[0] == 405


def test_request_ids_are_taken_over_unless_they_could_say_something(server):
    given = "0123abcd-0123-4abc-8def-0123456789ab"
    assert server.ask("GET", "/health", X_Request_ID=given)[1]["X-Request-ID"] == given
    made = server.ask("GET", "/health", X_Request_ID="Jane Doe")[1]["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{16}", made)


def test_log_has_a_line_a_request_and_nothing_of_film_name_or_address(server, drawn):
    # A line is written once its answer is out, so one of a test before this may still come.
    def lines():
        return [line for line in server.log[before:] if "/health" not in line]

    before = len(server.log)
    server.predict(drawn["dicom"], "?film=1&name=DOE^JANE")
    server.ask("GET", "/patients/DOE^JANE")
    server.predict(b"DOE^JANE")
    until(lambda: len(lines()) == 3)
    assert [line.split()[1:4] for line in lines()] == [
        ["200", "POST", "/predict"],
        ["404", "GET", "unknown"],
        ["415", "POST", "/predict"],
    ]
    assert not any("DOE" in line for line in server.log[before:])


def test_an_error_of_the_server_is_logged_by_its_place_and_not_by_its_words(
    server, drawn, monkeypatch
):
    def fail(vector, picture):
        raise RuntimeError("DOE^JANE")

    monkeypatch.setattr(server.service.batcher, "_predictor", type("J", (), {"predict": fail})())
    monkeypatch.setattr(
        type(server.service.batcher._predictor), "predict", lambda s, v, p: fail(v, p)
    )
    before = len(server.log)
    status, told = server.predict(drawn["png"])
    assert (status, told["reason"]) == (500, "failed")
    text = " ".join(server.log[before:])
    assert "RuntimeError at fail" in text
    assert "DOE" not in text + str(told)
    monkeypatch.undo()
    assert server.predict(drawn["png"])[0] == 200


def test_a_request_that_the_end_of_the_server_cuts_off_is_told_so():
    """uvicorn cancels what is not done when the time to drain is over."""
    sent, begun = [], asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    async def cut_off():
        guard = Guard(app, Gauges({"name": "a", "version": "1"}), "", lambda path: True)
        headers = [(b"host", b"localhost")]
        scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
        asking = asyncio.create_task(guard(scope | {"http_version": "1.1"}, None, send))
        await begun.wait()
        asking.cancel()
        await asking

    asyncio.run(cut_off())
    start, body = sent
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"1")
    assert b"stopping" in body["body"]


def test_a_queue_of_one_is_enough_to_start_and_to_answer(model_dir, drawn):
    with running(model_dir, max_waiting=1) as server:
        assert server.predict(drawn["png"])[0] == 200
