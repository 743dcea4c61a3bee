"""Other people's clients, from an environment of their own: `make test-clients`."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / ".venv-clients/bin"
UNKNOWABLE = "positive_data_acceptance,negative_data_rejection"
PROGRAM = Path(__file__).with_name("clients_program.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CLIENTS.is_dir(), reason="make test-clients makes .venv-clients"),
]


def test_triton_and_open_inference_clients_are_told_what_the_model_says(
    server, model, drawn, tmp_path
):
    path = tmp_path / "film.png"
    path.write_bytes(drawn["png"])
    command = [CLIENTS / "python", PROGRAM, server.url, model.manifest.name, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (expected,) = model.predict(drawn["png"])
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told) == 3
    for client, said in told.items():
        assert said["label"] == expected.label, client
        shares = [expected.probabilities[label] for label in model.labels]
        assert said["probabilities"] == pytest.approx(shares, abs=1e-12), client


def test_schemathesis_finds_nothing_that_the_document_does_not_say(server, tmp_path):
    """Which bytes are a film no schema can say; so whether data are taken is asked elsewhere."""
    command = [CLIENTS / "st", "run", f"{server.url}/openapi.json", "--generation-deterministic"]
    command += ["--max-examples", "40", "--exclude-checks", UNKNOWABLE]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Failures" not in done.stdout
