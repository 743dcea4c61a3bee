"""Keras on whichever backend is there: chosen before its first import, quiet, never guessed."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from types import ModuleType

from spark_cxr.errors import SetupError

BACKENDS = ("tensorflow", "jax", "torch")
"""In the order in which they are looked for."""


def import_keras() -> ModuleType:
    """Import Keras on the backend of KERAS_BACKEND, else on the first that is installed."""
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", _first_installed())
        # TensorFlow's banner about CPU instructions is no news for the users of a Spark job.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        # JAX takes three quarters of a GPU at once, which a second worker would miss.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        import keras
    except ImportError as error:
        raise SetupError("Keras 3", str(error), "pip install 'spark-cxr[cpu]' or [gpu]") from None
    return keras  # type: ignore[no-any-return,unused-ignore]


def _first_installed() -> str:
    for name in BACKENDS:
        if find_spec(name) is not None:
            return name
    expected = f"one of {', '.join(BACKENDS)} for Keras to run on"
    raise SetupError(expected, "none of them", "pip install 'spark-cxr[cpu]' or [gpu]")
