"""Figures that are kept: `benchmarks/results/DATE-MACHINE.json`, a row for each run of bench."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from spark_cxr.config import command_line
from spark_cxr.settings import Config

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = ("pyspark", "openvino", "keras", "tensorflow-cpu", "pillow", "imagecodecs", "nncf")
TELLING = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""Instructions that decide how fast a network is."""


def keep(cfg: Config, sections: Sequence[str], figures: Mapping[str, Any]) -> Path:
    """Add a run of bench, with its command, to the results."""
    command = f"spark-submit jobs/bench.py {command_line(cfg, sections)}"
    return add({"name": cfg.bench.keep_as, "command": command, **figures})


def add(row: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Add a row to the file of this day and machine; one of the same name is replaced."""
    machine = describe_machine()
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    name = re.sub(r"[^a-z0-9.]+", "-", machine["processor"].lower()).strip("-")
    path = folder / f"{day}-{name}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"rows": []}
    rows = [each for each in kept["rows"] if each["name"] != row["name"]]
    done = {
        "date": day,
        "machine": machine,
        "versions": _versions(),
        "rows": sorted([*rows, dict(row)], key=lambda each: str(each["name"])),
    }
    folder.mkdir(exist_ok=True)
    path.write_text(f"{json.dumps(done, indent=1)}\n")
    return path


def describe_machine() -> dict[str, Any]:
    """Say what figures from this machine stand for."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    model = re.search(r"model name\s*:\s*(.*)", text)
    flags = re.search(r"flags\s*:\s*(.*)", text)
    known = set(flags[1].split()) if flags else set()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model[1].strip() if model else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 2**30),
        "instructions": [name for name in TELLING if name in known],
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
