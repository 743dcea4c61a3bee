"""Which devices there are, told without importing a framework."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from spark_cxr.errors import ConfigError, SetupError

DEV = Path("/dev")
NODES = ("nvidia[0-9]*", "dxg", "kfd", "nvhost-gpu")
"""How Linux shows a GPU: NVIDIA's, one under Windows, AMD's, NVIDIA's on small boards."""
DEVICES = ("auto", "cpu", "gpu")


def gpu_present() -> bool:
    """Say whether this host has an NVIDIA GPU that this process may see."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    return any(DEV.glob("nvidia[0-9]*"))


def refuse_missing_gpu() -> None:
    """Refuse a GPU on a host that surely has none to offer; a framework says the rest."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
    known = sys.platform != "linux" or any(any(DEV.glob(name)) for name in NODES)
    if visible in ("", "-1") or not known:
        received = f"none (CUDA_VISIBLE_DEVICES: {visible or 'empty'})"
        raise SetupError("a GPU on this machine", received, "Check nvidia-smi, or say --device cpu")


def check_device(device: str) -> str:
    """Refuse what is no device."""
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", device):
        raise ConfigError("features.device as auto, cpu, gpu or gpu:N", device, "Say auto")
    return device
