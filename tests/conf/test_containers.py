"""What starts the server elsewhere: SageMaker's container and a Databricks App."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

from spark_cxr import __version__
from spark_cxr.config import resolve
from spark_cxr.phantoms import phantoms
from spark_cxr.serve.command import SERVER
from tests.serve.browser import free_port
from tests.serve.made_model import made_model

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "conf/sagemaker"
APP = ROOT / "conf/databricks/app"


def told(request):
    ends = time.monotonic() + 30
    while True:
        try:
            with urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except (URLError, ConnectionError):
            assert time.monotonic() < ends, "nobody answers"
            time.sleep(0.05)


def test_command_of_the_container_serves_the_model_on_the_port_that_it_is_given(tmp_path):
    if not (Path(sys.executable).parent / "spark-cxr").exists():
        pytest.skip("spark-cxr is not installed")
    port, model = str(free_port()), made_model(tmp_path / "model")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "SPARK_CXR_MODEL": model, "SAGEMAKER_BIND_TO_PORT": port}
    env["SPARK_CXR_ALLOW_HOST"] = "cxr.example,b.example"
    with subprocess.Popen(
        [CONTAINER / "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        url, film = f"http://127.0.0.1:{port}", next(phantoms(1, seed=1, size=64)).data
        assert told(f"{url}/ping")[0] == 200
        assert told(Request(f"{url}/invocations", film))[0] == 200
        proxied = Request(f"{url}/ping", headers={"Host": "cxr.example"})
        assert told(proxied)[0] == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def test_container_is_made_of_files_and_extras_that_are_there():
    text = (CONTAINER / "Dockerfile").read_text(encoding="utf-8")
    for path in re.findall(r"/src/(\S+)", text):
        assert (ROOT / path).is_file(), path
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    for extra in re.findall(r"/src\[([\w,]+)\]", text)[0].split(","):
        assert f'"{extra}": [' in setup
    assert os.access(CONTAINER / "serve", os.X_OK)


def named(start):
    """Give the words of the lines of the Dockerfile that begin so."""
    lines = (CONTAINER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return [line.split()[1:] for line in lines if line.startswith(f"{start} ")]


def test_container_takes_nothing_of_a_checkout_but_what_the_package_is_made_of(tmp_path):
    """The package is built of what is copied, and of nothing that is not said by name."""
    sources = {word for words in named("COPY") for word in words[:-1] if not word.startswith("-")}
    sources.remove("/opt/spark_cxr")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[1] == "*" and taken == {path.split("/")[0] for path in sources}
    for path in sources - {"conf/sagemaker/serve"}:
        copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
        copy(ROOT / path, tmp_path / path)
    command = [sys.executable, "setup.py", "-q", "egg_info"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    listed = (tmp_path / "spark_cxr.egg-info/SOURCES.txt").read_text(encoding="utf-8")
    assert "spark_cxr/serve/static/index.html" in listed and "conf/base.toml" in listed


def test_container_does_not_run_as_root_and_its_base_can_be_pinned():
    assert named("USER")[-1] == ["10001"]
    assert named("ARG") == [["BASE=python:3.11-slim"]]
    assert {words[0] for words in named("FROM")} == {"${BASE}"}


def test_app_starts_the_server_with_flags_that_it_has():
    command = yaml.safe_load((APP / "app.yaml").read_text(encoding="utf-8"))["command"]
    words = [word.replace("$DATABRICKS_APP_PORT", "8000") for word in command]
    assert words[:2] == ["spark-cxr", "serve"]
    settings = resolve("serve", "", SERVER.sections, words[2:]).serve
    assert (settings.host, settings.port, settings.model) == ("0.0.0.0", 8000, "model")
    assert settings.allow_host == ("*",)


def test_app_asks_for_the_wheel_of_this_version():
    text = (APP / "requirements.txt").read_text(encoding="utf-8")
    assert f"./spark_cxr-{__version__}-py3-none-any.whl[serve,dicom]" in text
