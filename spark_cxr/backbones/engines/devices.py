"""The devices of a host, found without a framework, and claimed by one of Keras' backends.

A device that was named is never replaced in silence.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from spark_cxr.errors import ConfigError, SetupError

DEV = Path("/dev")
CPUS = Path("/proc/cpuinfo")
NODES = ("nvidia[0-9]*", "dxg", "kfd", "nvhost-gpu")
"""How Linux shows a GPU: NVIDIA's, one under Windows, AMD's, NVIDIA's on small boards."""


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


def adds_int8() -> bool:
    """Say whether products of int8 are added up without overflow.

    Processors of Intel and AMD without VNNI add pairs of them in 16 bits, and saturate in silence.
    Where the kernel lists no such flags, as on ARM, nothing is known to be wrong.
    """
    listed = re.search(r"^flags\s*:(.*)$", CPUS.read_text(), re.M) if CPUS.exists() else None
    return listed is None or any(word in listed[1] for word in ("vnni", "amx_int8"))


def check_device(device: str) -> str:
    """Refuse what is no device."""
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", device):
        raise ConfigError("features.device as auto, cpu, gpu or gpu:N", device, "Say auto")
    return device


def claim(backend: str, device: str, threads: int) -> str:
    """Resolve auto, cpu, gpu or gpu:N to a device that is there, and set the backend up for it."""
    check_device(device)
    _set_threads(backend, threads)
    if device == "cpu":
        return "cpu:0"
    count = count_gpus(backend)
    if device == "auto":
        return "gpu:0" if count else "cpu:0"
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        received = f"{count} that {backend} sees (CUDA_VISIBLE_DEVICES: {visible})"
        way_out = (
            "Check nvidia-smi and pip install 'spark-cxr[gpu]', or run on the CPU: --device cpu"
        )
        raise SetupError(f"GPU {index}", received, way_out)
    return f"gpu:{index}"


def count_gpus(backend: str) -> int:
    """Count the GPUs that a backend sees."""
    if backend == "tensorflow":
        return _tensorflow_gpus()
    if backend == "jax":
        with suppress(RuntimeError):
            return len(import_module("jax").devices("gpu"))
    if backend == "torch":
        torch = import_module("torch")
        return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
    return 0


def _set_threads(backend: str, threads: int) -> None:
    if backend == "torch":
        import_module("torch").set_num_threads(threads)
    if backend == "tensorflow":
        import tensorflow as tf

        # Only before TensorFlow's first operation; a second network in a worker keeps the number.
        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)


def _tensorflow_gpus() -> int:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Otherwise the first worker takes all memory of every GPU. TensorFlow refuses this once a
        # GPU is in use, and where the user has divided it into logical devices.
        with suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return len(gpus)
