"""Chest X-rays on Spark: ingest, featurize, train, compare, score, explain. Research use only."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from spark_cxr.model import Model

__all__ = ["__version__", "load_model"]
__version__ = "0.2.0"

# Who wants to read what the library says configures logging; else it says nothing.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def load_model(directory: str | Path, **options: Any) -> Model:
    """Open a model directory for predictions without Spark: see `spark_cxr.model.load_model`."""
    from spark_cxr.model import load_model as load  # here, so that `import spark_cxr` stays light

    return load(directory, **options)
