"""`spark-cxr serve` as its users start and stop it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from hostile import many_scans

from spark_cxr.console import Verb
from spark_cxr.serve.command import SERVER, TOKEN, claim

READY = re.compile(r"serve: (http://\S+/) is ready after")


def start(*words, **env):
    command = [sys.executable, "-c", "from spark_cxr.cli import main; main()", "serve", *words]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )


def url_of(process):
    process.said = []
    for line in process.stderr:
        process.said.append(line)
        if found := READY.match(line):
            return found[1]
    raise AssertionError("".join(process.said))


def test_answers_do_not_wait_for_acknowledgements():
    """asyncio sets TCP_NODELAY only where the listener names its protocol."""
    listener = claim("127.0.0.1", 0)
    listener.listen()

    async def is_prompt():
        told = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(
            lambda _, writer: told.set_result(writer), sock=listener
        )
        _, mine = await asyncio.open_connection(*listener.getsockname())
        theirs = await told
        found = theirs.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        mine.close()
        theirs.close()
        server.close()
        return bool(found)

    assert asyncio.run(is_prompt())


@pytest.fixture
def process(model_dir):
    made = start("--model", model_dir, "--port", "0")
    yield made
    made.kill()
    made.communicate()


def test_sigterm_answers_what_is_under_way_and_ends_with_0(process, drawn):
    url, answered = url_of(process), []
    with socket.create_connection(("127.0.0.1", int(url.split(":")[2].strip("/")))) as line:
        film = drawn["png"]
        head = "POST /predict HTTP/1.1", "Host: localhost", f"Content-Length: {len(film)}"
        line.sendall("\r\n".join([*head, "Expect: 100-continue", "", ""]).encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 100")  # now it waits for the body
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        line.sendall(film)
        answered.append(line.recv(65536))
    out, _ = process.communicate(timeout=30)
    assert answered[0].startswith(b"HTTP/1.1 200")
    told = json.loads(out.splitlines()[-1])
    assert (process.returncode, told["status"], told["requests"]) == (0, "ok", 1)


def test_sigterm_waits_for_no_file_and_no_client_beyond_its_time(model_dir, drawn):
    server = start("--model", model_dir, "--port", "0", "--seconds", "1")
    try:
        port = int(url_of(server).split(":")[2].strip("/"))
        clients = [
            Client(port, "GET /health HTTP/1.1\r\nHost: localhost\r\n"),
            Client(port, HEAD.format("predict", 1000), b"a"),
            Client(port, HEAD.format("predict?film=1", len(drawn["png"])), drawn["png"], many=2000),
            *(Client(port, HEAD.format("predict", len(BOMB)), BOMB) for _ in range(6)),
        ]
        time.sleep(0.5)
        server.send_signal(signal.SIGTERM)
        out, _ = server.communicate(timeout=20)
    finally:
        server.kill()
    assert (server.returncode, json.loads(out.splitlines()[-1])["status"]) == (0, "ok")
    statuses = {client.status() for client in clients}
    assert statuses <= {b"", b"200", b"408", b"422", b"503"}


HEAD = "POST /{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
BOMB = many_scans(scans=800)


class Client:
    """Sends in a thread for as long as that is possible, and does not read until it is asked."""

    def __init__(self, port, head, body=b"", many=1):
        self._line = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._sent = (head.encode() + body) * many
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self):
        with contextlib.suppress(OSError):
            self._line.sendall(self._sent)

    def status(self):
        with self._line, contextlib.suppress(OSError):
            return self._line.recv(65536)[9:12]
        return b""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.4, 0.8, 1.0, 1.2, 1.4, 1.6, 2.0])
def test_sigterm_ends_a_server_at_any_moment(model_dir, delay):
    server = start("--model", model_dir, "--port", "0")
    time.sleep(delay)
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=30)
    assert server.returncode in (0, -signal.SIGTERM)


def test_ctrl_c_ends_with_0(process):
    url_of(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_neither_spark_nor_tensorflow_nor_pandas_is_in_the_process(process, drawn):
    url = url_of(process)
    with urlopen(Request(f"{url}predict?explain=1", drawn["dicom"]), timeout=30) as answer:
        assert answer.status == 200
    maps = Path(f"/proc/{process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs Linux's /proc")
    loaded = maps.read_text()
    assert "numpy" in loaded
    assert not [name for name in ("pyspark", "tensorflow", "libjvm", "pandas") if name in loaded]


def refusal(capsys, *words):
    code = SERVER.exit_code(words)
    told = capsys.readouterr().err
    assert (code, told.count("\n")) == (2, 1)
    return told


def test_without_a_model_the_way_out_is_named(capsys):
    assert refusal(capsys) == (
        "serve: Expected --model, the model/ of a training. Received: none. Say --model R/model.\n"
    )


def test_a_model_that_is_not_there_is_refused(capsys, tmp_path):
    told = refusal(capsys, "--model", str(tmp_path / "none"), "--port", "0")
    assert told.endswith("Name the model/ of a training.\n")


def test_a_tampered_model_is_refused(capsys, model_dir, tmp_path):
    import shutil

    shutil.copytree(model_dir, tmp_path / "model")
    path = tmp_path / "model" / "head.npz"
    path.write_bytes(path.read_bytes() + b" ")
    assert "head.npz, changed since" in refusal(
        capsys, "--model", str(tmp_path / "model"), "--port", "0"
    )


def test_a_port_that_is_taken_is_refused_before_the_model_is_loaded(capsys, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = refusal(capsys, "--model", str(tmp_path / "none"), "--port", port)
    assert "Expected an address to listen on." in told
    assert told.endswith("Choose another --port or --host.\n")


def test_two_servers_on_one_port_are_one_server(process, model_dir):
    port = url_of(process).split(":")[2].strip("/")
    other = start("--model", model_dir, "--port", port)
    _, told = other.communicate(timeout=30)
    assert (other.returncode, "an address to listen on" in told) == (2, True)


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7"])
def test_an_address_of_another_machine_is_refused(capsys, host):
    told = refusal(capsys, "--model", "x", "--host", host, "--port", "0")
    assert f"--host {host}" in told


@pytest.mark.parametrize("text", ["", "\n", "short"])
def test_a_token_that_is_too_short_is_refused(capsys, tmp_path, text):
    path = tmp_path / "token"
    path.write_text(text)
    told = refusal(capsys, "--model", "x", "--token-file", str(path))
    assert "Expected a token of at least 16 signs" in told


def test_a_token_file_that_is_not_there_is_refused(capsys, tmp_path):
    told = refusal(capsys, "--model", "x", "--token-file", str(tmp_path / "none"))
    assert "Expected a file with a token." in told


def test_open_to_a_network_without_token_is_said_and_with_one_is_not(model_dir):
    for token in ("", "0123456789abcdef"):
        made = start("--model", model_dir, "--port", "0", "--host", "0.0.0.0", **{TOKEN: token})
        timer = threading.Timer(20, made.kill)
        timer.start()
        url_of(made)
        made.send_signal(signal.SIGTERM)
        made.communicate(timeout=30)
        timer.cancel()
        assert any("everybody who reaches" in line for line in made.said) == (not token)
        (plain,) = [line for line in made.said if "plain http" in line]
        assert ("and the token" in plain) == bool(token)


def test_wrong_flag_is_answered_with_the_nearest(capsys):
    assert "Did you mean --model?" in refusal(capsys, "--modle", "x")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (OSError("disk is gone"), 2, "serve: Expected files that can be read. Received: disk is"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_else_may_go_wrong_at_the_start_is_one_line_or_none(error, code, told, capsys):
    def run(cfg):
        raise error

    verb = Verb("serve", "Fail", ("serve",), run)
    assert verb.exit_code([]) == code
    assert capsys.readouterr().err.startswith(told)


@pytest.mark.parametrize("package", ["fastapi", "httptools", "prometheus_client", "uvicorn"])
def test_a_package_that_is_missing_is_named_with_its_extra(package, capsys, model_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    told = refusal(capsys, "--model", model_dir, "--port", "0")
    assert package in told
    assert told.endswith("pip install 'spark-cxr[serve]'.\n")
