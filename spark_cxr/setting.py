"""How one setting is declared: the kind of its value, and the limits that this must keep to."""

from __future__ import annotations

from dataclasses import field
from typing import Any

Paths = tuple[str, ...]
"""Several words on the command line: --images A B."""
Names = tuple[str, ...]
"""One word with commas on the command line: --formats png,jpeg."""


def setting(**limits: Any) -> Any:
    """Declare a field: `choices`, patterns of `others`, `least`, `most`, what `bare` flags mean.

    `words` stand for values that no number says.
    """
    return field(metadata=limits)
