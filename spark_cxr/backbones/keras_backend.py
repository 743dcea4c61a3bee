"""Keras on whichever backend is there: chosen before its first import, quiet, never guessed."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

from spark_cxr.errors import SetupError

BACKENDS = ("tensorflow", "jax", "torch")
"""In the order of preference."""
_STDERR = 2
_BANNER = (b"before absl::InitializeLog()", b"oneDNN custom operations are on")


def import_keras() -> ModuleType:
    """Import Keras on the backend of KERAS_BACKEND, else on the first that is installed."""
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", _first_installed())
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        # JAX takes three quarters of a GPU at once, which a second worker would miss.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        with without_banner("keras"):
            import keras
    except ImportError as error:
        raise SetupError("Keras 3", str(error), "pip install 'spark-cxr[cpu]' or [gpu]") from None
    return keras  # type: ignore[no-any-return,unused-ignore]


@contextmanager
def without_banner(package: str) -> Iterator[None]:
    """Keep back what TensorFlow says of CPU instructions while a package brings it along.

    No news for the users of a Spark job. It comes from C++ and heeds no level of logging. All else
    goes to stderr, a moment later.
    """
    if package in sys.modules:
        yield
        return
    before = os.dup(_STDERR)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
            held.seek(0)
            for line in held:
                if not any(words in line for words in _BANNER):
                    os.write(_STDERR, line)


def _first_installed() -> str:
    for name in BACKENDS:
        if find_spec(name) is not None:
            return name
    expected = f"one of {', '.join(BACKENDS)} for Keras to run on"
    raise SetupError(expected, "none of them", "pip install 'spark-cxr[cpu]' or [gpu]")
