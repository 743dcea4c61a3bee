"""OpenVINO, imported where it is needed and quietly."""

from __future__ import annotations

import sys
from types import ModuleType

from spark_cxr.errors import SetupError


def import_openvino() -> ModuleType:
    """Import OpenVINO so that neither driver nor executor calls the internet.

    `import openvino` sends an event to its makers wherever the package openvino-telemetry, which
    comes with it, can be imported. None in its place makes OpenVINO take its own silent stub.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise SetupError("OpenVINO", str(error), "pip install 'spark-cxr[cpu]'") from None
    return openvino  # type: ignore[no-any-return,unused-ignore]
