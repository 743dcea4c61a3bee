"""Passwords in addresses: used to log in, and written nowhere."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from spark_cxr import job
from spark_cxr.backbones import cache
from spark_cxr.backbones.catalog import PublishedWeights
from spark_cxr.config import command_line, defaults
from spark_cxr.errors import WeightsError, without_password
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("https://me:s3cr3t@host/a", "https://host/a"),
        ("https://me:s3@cr3t@host:80/a@b", "https://host:80/a@b"),
        (
            "one http://s3cr3t@h, two s3a://k:s3cr3t@bucket/x?y",
            "one http://h, two s3a://bucket/x?y",
        ),
        ("a@b https://host/a@b", "a@b https://host/a@b"),
    ],
)
def test_who_logs_in_is_left_out_of_a_text(text: str, plain: str) -> None:
    assert without_password(text) == plain


def test_who_logs_in_is_left_out_of_what_a_text_lies_in() -> None:
    value = {"a": ("x://u:p@h", [1, None, {"b": "x://p@h"}])}
    assert without_password(value) == {"a": ("x://h", [1, None, {"b": "x://h"}])}


def fails(_: object, cfg: Config, output: Output) -> Outcome:
    output.write_text("begun", "")  # else the run would leave no directory
    raise WeightsError("weights", cfg.features.mirror, "Look")


def test_password_stands_neither_in_the_record_nor_on_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    work = job.Job("phantoms", "", ("features",), fails, needs_spark=False)
    argv = ["--mirror", f"https://me:{SECRET}@host/w", "--out", str(tmp_path / "o")]
    assert job.exit_code(work, argv) == 2
    record = (tmp_path / "o/run.json").read_text()
    said = capfd.readouterr()
    assert SECRET not in record + said.out + said.err
    assert "https://host/w" in said.err
    assert json.loads(record)["config"]["features"]["mirror"] == "https://host/w"


def test_password_stands_in_no_command_of_a_report() -> None:
    cfg = defaults(features={"mirror": f"https://me:{SECRET}@host/w"})
    assert command_line(cfg, ("features",)) == "--mirror https://host/w"


class Guarded(BaseHTTPRequestHandler):
    """Gives a file to whoever logs in."""

    def do_GET(self) -> None:
        given = self.headers.get("Authorization")
        right = f"Basic {base64.b64encode(b'me:s3cr3t/').decode()}"
        self.send_response(200 if given == right else 401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_mirror_with_a_password_is_logged_in_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    monkeypatch.setattr(cache, "TRIES", 1)
    server = HTTPServer(("127.0.0.1", 0), Guarded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"127.0.0.1:{server.server_port}"
    file, lines = PublishedWeights("http://127.0.0.1:9/w.h5", ""), list[str]()
    try:
        path, origin = cache.obtain(file, f"http://me:{SECRET}%2F@{place}", lines.append)
        with pytest.raises(WeightsError) as error:
            path.unlink()
            cache.obtain(file, f"http://me:wrong-{SECRET}@{place}", lines.append)
    finally:
        server.shutdown()
        server.server_close()
    assert origin == f"http://{place}/w.h5"
    assert f"http://{place}/w.h5: HTTP 401" in str(error.value)
    assert SECRET not in "".join([str(error.value), *lines])
