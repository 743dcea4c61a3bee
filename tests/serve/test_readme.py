"""What the page of `serve` tells a reader to type at a server is answered as the page says."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs/verbs/serve.md").read_text(encoding="utf-8")
LINES = re.findall(r"^(?:curl|printf) .*http://127\.0\.0\.1:8080/.*$", PAGE, re.MULTILINE)

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl"
)


def typed(line, server, model, drawn, folder):
    for name, kind in (("film.png", "png"), ("film.dcm", "dicom")):
        (folder / name).write_bytes(drawn[kind])
    line = line.replace("http://127.0.0.1:8080", server.url)
    command = f"set -euo pipefail; MODEL={model.manifest.name}; {line}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=folder, timeout=60, check=True
    )
    return done.stdout


def test_page_has_lines_for_every_kind_of_client():
    for path in ("/predict", "/grey-values", "/invocations", "/v2/models", "/model", "/metrics"):
        assert any(path in line for line in LINES), path


@pytest.mark.parametrize("line", LINES)
def test_line_is_answered(line, server, model, drawn, tmp_path):
    told = typed(line, server, model, drawn, tmp_path)
    (expected,) = model.predict(drawn["png" if "film.png" in line else "dicom"])
    if "/metrics" in line:
        assert "spark_cxr_requests_total" in told
    elif "/v2/" in line:
        assert json.loads(told)["outputs"][0]["data"] == [expected.label]
    elif "/grey-values" in line:
        assert json.loads(told)["scale"]["top"] == 4095
    elif line.endswith("/model"):
        assert json.loads(told)["labels"] == list(model.labels)
    else:
        assert json.loads(told)["predictions"][0]["label"] == expected.label


def test_the_example_of_each_route_is_answered(server, drawn, tmp_path):
    (tmp_path / "film.png").write_bytes(drawn["png"])
    routes = json.loads(server.ask("GET", "/openapi.json")[2])["paths"]
    lines = {
        f"{method} {path}": route["x-example"]
        for path, methods in routes.items()
        for method, route in methods.items()
    }
    assert len(lines) > 15
    for route, line in lines.items():
        command = line.replace("SERVER", server.url).replace("curl -s", "curl -sf")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, cwd=tmp_path, timeout=60
        )
        assert (done.returncode, bool(done.stdout)) == (0, True), f"{route}: {line}"
