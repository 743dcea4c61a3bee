"""What starts the server elsewhere: SageMaker's container and a Databricks App."""

import os
import re
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
    with subprocess.Popen(
        [CONTAINER / "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        url, film = f"http://127.0.0.1:{port}", next(phantoms(1, seed=1, size=64)).data
        assert told(f"{url}/ping")[0] == 200
        assert told(Request(f"{url}/invocations", film))[0] == 200
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


def test_app_starts_the_server_with_flags_that_it_has():
    command = yaml.safe_load((APP / "app.yaml").read_text(encoding="utf-8"))["command"]
    words = [word.replace("$DATABRICKS_APP_PORT", "8000") for word in command]
    assert words[:2] == ["spark-cxr", "serve"]
    settings = resolve("serve", "", SERVER.sections, words[2:]).serve
    assert (settings.host, settings.port, settings.model) == ("0.0.0.0", 8000, "model")


def test_app_asks_for_the_wheel_of_this_version():
    text = (APP / "requirements.txt").read_text(encoding="utf-8")
    assert f"./spark_cxr-{__version__}-py3-none-any.whl[serve,dicom]" in text
