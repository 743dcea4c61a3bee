"""The job score in a process of its own, to be disturbed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("score_program.py")


def start(cache, **flags):
    """Start the job; it is the leader of a process group, so that all of it can be killed."""
    words = []
    for name, value in flags.items():
        flag = f"--{name.replace('_', '-')}"
        words += [flag] if value is True else [flag, str(value)]
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    mine = {"PYTHONPATH": str(ROOT), "SPARK_CXR_CACHE": str(cache), "SPARK_LOCAL_IP": "127.0.0.1"}
    return subprocess.Popen(
        [sys.executable, PROGRAM, *words],
        env=known | mine,
        cwd=cache,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(cache, **flags):
    """Run the job to its end: exit code, stdout, stderr."""
    process = start(cache, **flags)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err
