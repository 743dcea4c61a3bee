"""What the network trains on: the precision that is fast here.

One process has one device; several GPUs are shared by as many processes (`team`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from spark_cxr.backbones.engines.devices import count_gpus
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError, SetupError, nearest
from spark_cxr.training.recipe import PRECISIONS

POLICIES = {"f32": "float32", "bf16": "mixed_bfloat16", "f16": "mixed_float16"}
CPU_INFO = Path("/proc/cpuinfo")
_BF16 = ("amx_bf16", "avx512_bf16")
"""With these, SqueezeNet learned 155 instead of 73 films a second on two cores; without, bf16 is
slower than f32."""
_SLOW_IN_BF16 = ("DepthwiseConv2D", "SeparableConv2D")
"""TensorFlow has no quick way for these on a CPU: MobileNetV2 learned 6 films a second in bf16 and
12 in f32."""


def policy_for(precision: str, layers: Iterable[Any]) -> str:
    """Give Keras' name for the given precision, or the one that suits layers and process best."""
    backend = import_keras().backend.backend()
    gpus = count_gpus(backend)
    resolved = _resolve(precision, backend, gpus)
    if (
        precision == "auto"
        and not gpus
        and any(type(layer).__name__ in _SLOW_IN_BF16 for layer in layers)
    ):
        resolved = "f32"
    return POLICIES[resolved]


def _resolve(wanted: str, backend: str, gpus: int) -> str:
    if wanted not in PRECISIONS:
        raise ConfigError("finetune.train_precision by name", wanted, nearest(wanted, PRECISIONS))
    if wanted == "f16" and not gpus:
        raise SetupError("a GPU for training in f16", "none", "Say --train-precision auto")
    if wanted != "auto":
        return wanted
    if gpus:
        return _of_gpu[backend]() if backend in _of_gpu else "bf16"
    return "bf16" if has_bf16() else "f32"


def has_bf16() -> bool:
    """Say whether this processor multiplies bf16 itself."""
    try:
        return any(flag in CPU_INFO.read_text(encoding="utf-8").split() for flag in _BF16)
    except OSError:
        return False


def _of_tensorflow() -> str:
    """Take bf16 from compute capability 8.0 on, f16 before."""
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")[0]
    details = tf.config.experimental.get_device_details(gpu)
    return "bf16" if details.get("compute_capability", (0, 0)) >= (8, 0) else "f16"


_of_gpu: dict[str, Callable[[], str]] = {"tensorflow": _of_tensorflow}
