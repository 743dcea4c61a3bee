"""A server in a thread of this process, and the few words that tests speak with it."""

import http.client
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

from spark_cxr.config import defaults
from spark_cxr.serve.app import make_app
from spark_cxr.serve.connection import make_server
from spark_cxr.serve.hosts import Hosts
from spark_cxr.serve.service import open_service


class Running:
    """What a test knows of a server."""

    def __init__(self, service, port, log, connections):
        self.service, self.port, self.log, self.connections = service, port, log, connections
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, method, path, body=None, **headers):
        """Ask once; give status, headers and body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def told(self, method, path, body=None, **headers):
        """Ask for JSON; give status and what it says."""
        status, _, text = self.ask(method, path, body, **headers)
        return status, json.loads(text)

    def predict(self, body, query="", **headers):
        return self.told("POST", f"/predict{query}", body, **headers)


@contextmanager
def running(model, token="", **changes):
    """Serve a model directory for as long as the block lasts."""
    settings = replace(defaults().serve, model=str(model), threads=2, **changes)
    service, log = open_service(settings), []
    hosts = Hosts.of(settings.host, settings.allow_host, settings.allow_origin)
    server = make_server(
        make_app(service, token, log.append, hosts),
        settings.seconds,
        most=settings.max_connections,
        most_of_address=settings.max_client_connections,
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        ends = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive() and time.monotonic() < ends, "the server does not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(service, port, log, server.server_state.connections)
    finally:
        server.should_exit = True
        thread.join(30)


def until(holds, seconds=20):
    """Wait until something holds."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "never so"
        time.sleep(0.01)
