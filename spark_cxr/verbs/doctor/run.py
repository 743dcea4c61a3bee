"""`doctor`: what is here of all that spark_cxr uses, what is missing, and how to get it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from spark_cxr import __version__
from spark_cxr.backbones import cache, catalog
from spark_cxr.backbones.engines.devices import CPUS, gpu_present
from spark_cxr.errors import SetupError
from spark_cxr.pipeline.java import need_java
from spark_cxr.settings import Config

OK, MISSING, OPTIONAL = "ok", "missing", "not here"
MARKS = {OK: "+", MISSING: "!", OPTIONAL: "-"}
GIB = 2**30
LEAST_GIB, LEAST_FREE_GIB = 4, 5
PACKAGES = (
    # Name as pip has it, what for, extra of ours, whether verbs on films cannot do without it.
    ("pyspark", "all verbs but serve, load, runs, watch", "local", True),
    ("openvino", "networks on CPUs, the fastest", "cpu", True),
    ("keras", "finetune; networks without OpenVINO", "cpu", False),
    ("tensorflow-cpu", "Keras on CPUs", "cpu", False),
    ("torch", "Keras on PyTorch; finetune --workers", "torch", False),
    ("onnxruntime", "a FILE.onnx by its own engine", "onnx", False),
    ("nncf", "--precision int8", "int8", False),
    ("pydicom", "DICOM films", "dicom", True),
    ("imagecodecs", "compressed DICOM, fast", "dicom", False),
    ("python-gdcm", "compressed DICOM, all encodings", "dicom", False),
    ("matplotlib", "the pictures of reports", "report", True),
    ("fastapi", "serve", "serve", False),
    ("cryptography", "signed models", "sign", False),
    ("mlflow-skinny", "--mlflow, --register", "tracking", False),
)
FAST = {
    "amx_bf16": "bf16 by AMX",
    "avx512_bf16": "bf16",
    "amx_int8": "int8 by AMX",
    "avx512_vnni": "int8",
    "avx_vnni": "int8",
}


@dataclass(frozen=True)
class Item:
    """One thing that was looked for."""

    name: str
    state: str
    words: str


def examine(_: Config) -> dict[str, Any]:
    """Look at the machine, say what is there line by line, and sum it up."""
    found = [*_machine(), *_packages(), *_weights()]
    width = max(len(item.name) for item in found)
    for item in found:
        print(f"{MARKS[item.state]} {item.name:<{width}}  {item.words}", flush=True)
    missing = [item.name for item in found if item.state == MISSING]
    print(f"Missing: {', '.join(missing)}" if missing else "Nothing is missing.", flush=True)
    return {"spark_cxr": __version__, "missing": missing}


def _machine() -> Iterator[Item]:
    yield Item("Python", OK, platform.python_version())
    try:
        yield Item("Java", OK, str(need_java()))
    except SetupError as error:
        _, received, way_out = error.args
        yield Item("Java", MISSING, f"{received}: {way_out}")
    yield Item("Processor", OK, _processor())
    yield _memory()
    free = shutil.disk_usage(tempfile.gettempdir()).free / GIB
    words = f"{free:.0f} GiB free in {tempfile.gettempdir()}"
    if free < LEAST_FREE_GIB:
        yield Item("Disk", MISSING, f"{words}: Spark shuffles there; set SPARK_LOCAL_DIRS")
    else:
        yield Item("Disk", OK, words)
    if gpu_present():
        yield Item("GPU", OK, "NVIDIA; --device gpu")
    else:
        yield Item("GPU", OPTIONAL, "none that this process may see; networks run on the CPU")


def _processor() -> str:
    """Name cores and what makes networks fast on them."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    listed = re.search(r"^flags\s*:(.*)$", CPUS.read_text(), re.M) if CPUS.exists() else None
    has = set(listed[1].split()) if listed else set[str]()
    fast = list(dict.fromkeys(words for flag, words in FAST.items() if flag in has))
    words = ", ".join(fast) or ("f32 alone" if listed else "what it is good at is not known here")
    return f"{cores} core{'s' if cores != 1 else ''}, {platform.machine()}; {words}"


def _memory() -> Item:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (AttributeError, ValueError, OSError):
        return Item("Memory", OK, "not known here")
    words = f"{size:.0f} GiB"
    if size < LEAST_GIB:
        return Item("Memory", MISSING, f"{words}: Spark and a network want {LEAST_GIB} GiB")
    return Item("Memory", OK, words)


def _packages() -> Iterator[Item]:
    for name, use, extra, is_needed in PACKAGES:
        try:
            yield Item(name, OK, f"{version(name)}: {use}")
        except PackageNotFoundError:
            state = MISSING if is_needed else OPTIONAL
            yield Item(name, state, f"{use}: pip install 'spark-cxr[{extra}]'")


def _weights() -> Iterator[Item]:
    """Say which learned weights are on this disk."""
    ours, kerass = cache.places()
    known = {row.name: row.weights for row in map(catalog.get, catalog.names()) if row.weights}
    here = [
        n for n, file in known.items() if any((p / file.name).is_file() for p in (ours, kerass))
    ]
    embedded = [name for name in catalog.names() if catalog.get(name).embedded]
    yield Item("Weights", OK, f"in the package: {', '.join(embedded)}")
    if here:
        yield Item("", OK, f"of ImageNet, on this disk: {', '.join(here)}")
    if rest := [name for name in known if name not in here]:
        way_out = f"fetched when first used, or laid into {ours}, or --mirror DIR"
        yield Item("", OPTIONAL, f"of ImageNet: {', '.join(rest)}; {way_out}")
