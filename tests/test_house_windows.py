"""What Windows lacks is asked for by nobody who loads a model or serves it."""

import subprocess
import sys
from pathlib import Path

from tests.serve.made_model import made_model

ROOT = Path(__file__).resolve().parents[1]
LACKING = ("fcntl", "resource", "pwd", "grp", "termios")
PROGRAM = f"""
import asyncio, os, selectors, socket, subprocess, sys  # of Python itself: Windows has its own ways
for name in {LACKING}:
    sys.modules[name] = None
for name in ("fork", "register_at_fork", "sysconf"):
    delattr(os, name)

import spark_cxr
from spark_cxr.backbones.cache import locked
from spark_cxr.config import defaults
from spark_cxr.phantoms import phantoms
from spark_cxr.output import only_writer
from dataclasses import replace
from pathlib import Path

folder = sys.argv[1]
films = [film.data for film in phantoms(2, seed=0, size=96, formats=("png", "dicom"))]
said = [each.label for each in spark_cxr.load_model(folder).predict(films)]
with locked(Path(folder, "a file")), only_writer(folder):
    pass

from spark_cxr.serve.app import make_app
from spark_cxr.serve.connection import make_server
from spark_cxr.serve.service import open_service

service = open_service(replace(defaults().serve, model=folder, threads=1))
make_server(make_app(service), 1.0)
service.gauges.text()
service.close()
print(len(said), all(said), *(name for name in {LACKING} if sys.modules[name]))
"""


def test_a_model_is_loaded_asked_and_served_without_what_windows_lacks(tmp_path):
    model = made_model(tmp_path / "model")
    command = [sys.executable, "-c", PROGRAM, model]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (told.returncode, told.stdout) == (0, "2 True\n"), told.stderr
