"""Drawn, clearly artificial chest films: what the whole project is tried on without one patient.

anatomy (who, how they stand) → thorax, findings, several (tissue along each ray) → drawing (grey
levels, lettering) → encoding, broken (bytes) → series (a whole set)
"""

from spark_cxr.phantoms.broken import KINDS
from spark_cxr.phantoms.drawing import MARKERS, Drawing, FindingBox, draw
from spark_cxr.phantoms.findings import CLASSES
from spark_cxr.phantoms.series import (
    BOX_COLUMNS,
    FORMATS,
    MANIFEST_COLUMNS,
    MASK_FOLDER,
    Phantom,
    Series,
    Slot,
    box_rows,
    make,
    manifest_columns,
    manifest_csv,
    manifest_row,
    phantoms,
    plan,
)
from spark_cxr.phantoms.several import SHARES

__all__ = [
    "BOX_COLUMNS",
    "CLASSES",
    "FORMATS",
    "KINDS",
    "MANIFEST_COLUMNS",
    "MARKERS",
    "MASK_FOLDER",
    "SHARES",
    "Drawing",
    "FindingBox",
    "Phantom",
    "Series",
    "Slot",
    "box_rows",
    "draw",
    "make",
    "manifest_columns",
    "manifest_csv",
    "manifest_row",
    "phantoms",
    "plan",
]
