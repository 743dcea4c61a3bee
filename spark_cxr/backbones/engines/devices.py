"""Which devices there are, told without importing a framework."""

from __future__ import annotations

import os
import re
from pathlib import Path

from spark_cxr.errors import ConfigError

DEVICES = ("auto", "cpu", "gpu")


def gpu_present() -> bool:
    """Say whether this host has an NVIDIA GPU that this process may see."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    return any(Path("/dev").glob("nvidia[0-9]*"))


def check_device(device: str) -> str:
    """Refuse what is no device."""
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", device):
        raise ConfigError("features.device as auto, cpu, gpu or gpu:N", device, "Say auto")
    return device
