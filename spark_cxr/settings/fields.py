"""How a field of a section is declared: its type, its choices, its limits."""

from __future__ import annotations

from dataclasses import field
from typing import Any

Paths = tuple[str, ...]
"""Several words on the command line: --images A B."""
Names = tuple[str, ...]
"""One word with commas on the command line: --formats png,jpeg."""
UNMATCHED = ("error", "keep")
"""What becomes of files without a row in the label file, and of rows without a file."""
EXPLAIN_METHODS = ("auto", "cam", "gradcam", "gradcam++", "occlusion", "rise")
"""How a decision may be explained; `auto` takes what fits network and head."""
PEERS = (
    *("product", "recipe", "predict_batch", "ray_data", "daft"),
    *("keras_process", "engine_process", "spark_alone", "engine_alone"),
)
"""Whom `bench` lets run side by side."""


def setting(**limits: Any) -> Any:
    """Declare a field: `choices`, patterns of `others`, `least`, `most`, what `bare` flags mean."""
    return field(metadata=limits)
