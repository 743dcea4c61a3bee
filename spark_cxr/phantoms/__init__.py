"""Drawn, clearly artificial chest films: what the whole project is tried on without one patient.

anatomy (who, how they stand) → thorax, findings (tissue along each ray) → drawing (grey levels,
lettering) → encoding, broken (bytes) → series (a whole set)
"""

from spark_cxr.phantoms.broken import KINDS
from spark_cxr.phantoms.drawing import MARKERS, Drawing, draw
from spark_cxr.phantoms.findings import CLASSES
from spark_cxr.phantoms.series import (
    FORMATS,
    MANIFEST_COLUMNS,
    MASK_FOLDER,
    Phantom,
    Series,
    Slot,
    make,
    manifest_csv,
    manifest_row,
    phantoms,
    plan,
)

__all__ = [
    "CLASSES",
    "FORMATS",
    "KINDS",
    "MANIFEST_COLUMNS",
    "MARKERS",
    "MASK_FOLDER",
    "Drawing",
    "Phantom",
    "Series",
    "Slot",
    "draw",
    "make",
    "manifest_csv",
    "manifest_row",
    "phantoms",
    "plan",
]
