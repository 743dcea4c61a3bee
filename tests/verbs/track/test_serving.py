"""A logged model behind MLflow's own scoring server, asked over HTTP."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from run_by_hand import LABELS, trained

import spark_cxr
from spark_cxr.phantoms import phantoms
from spark_cxr.verbs.track import track
from tests.quick import defaults

pytestmark = pytest.mark.slow
PATIENCE_S = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        with urlopen(f"{url}/ping", timeout=5) as answer:
            return answer.status == 200
    except (URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def url(store, output, tmp_path_factory):
    """Serve the model by its alias, as MLflow's documents say, in this environment."""
    cfg = defaults(track={"mlflow": store}, registry={"register": "served", "alias": "best"})
    track("train_lr", cfg, output)
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/served@best"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    env = {**os.environ, "MLFLOW_TRACKING_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    with log.open("wb") as told:
        server = subprocess.Popen(
            command, env=env, stdout=told, stderr=told, cwd=log.parent, start_new_session=True
        )
    try:
        ends = time.monotonic() + PATIENCE_S
        while not answers(f"http://127.0.0.1:{port}"):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def asked(url, body):
    request = Request(
        f"{url}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def as_text(film):
    return base64.b64encode(film).decode("ascii")


def test_scoring_server_says_what_load_model_says(url, output, tmp_path):
    drawn = [phantom.data for phantom in phantoms(3, seed=5, size=64)]
    (tmp_path / "film").write_bytes(drawn[2])
    images = [as_text(drawn[0]), as_text(drawn[1]), str(tmp_path / "film")]
    told = asked(url, {"dataframe_split": {"columns": ["image"], "data": [[i] for i in images]}})
    expected = spark_cxr.load_model(output.table("model")).predict(drawn)
    assert [row["label"] for row in told] == [each.label for each in expected]
    for row, each in zip(told, expected, strict=True):
        shares = {label: row[f"probability_{label}"] for label in LABELS}
        assert shares == pytest.approx(dict(each.probabilities), abs=1e-6)


def test_scoring_server_gives_null_and_the_reason_for_a_bad_image(url):
    (row,) = asked(url, {"dataframe_records": [{"image": as_text(b"no film at all")}]})
    reason = row.pop("reason")
    assert reason.startswith("not_an_image: ")
    assert row == dict.fromkeys(
        ["label", "confidence", *(f"probability_{label}" for label in LABELS)]
    )


def test_scoring_server_refuses_a_table_without_images(url):
    with pytest.raises(HTTPError) as caught:
        asked(url, {"dataframe_split": {"columns": ["picture"], "data": [["a"]]}})
    with caught.value as answer:
        assert answer.code == 400
