"""Which films, what is known of them, and how a film becomes a vector."""

from __future__ import annotations

from dataclasses import dataclass

from spark_cxr.settings.fields import UNMATCHED, Names, Paths, setting


@dataclass(frozen=True)
class Phantoms:
    """Section [phantoms]: what to draw."""

    count: int = setting(least=1)
    size: int = setting(least=64, most=4096)
    formats: Names = setting(choices=("png", "jpeg", "dicom"))
    bad: int = setting(least=0)
    masks: bool = setting()
    marker: str = setting(choices=("side", "class", "none"))


@dataclass(frozen=True)
class Ingest:
    """Section [ingest]: which files, and what is known about them."""

    images: Paths
    labels: str
    dataset: str
    key_column: str
    label_column: str
    patient_column: str
    patient_regex: str
    unmatched: str = setting(choices=("", *UNMATCHED))
    max_bad: float = setting(least=0, most=1)
    max_bytes: int = setting(least=1, most=2_000_000_000)
    max_pixels: int = setting(least=1)
    min_side: int = setting(least=1)
    likeness: float = setting(least=0.8, most=1)


@dataclass(frozen=True)
class Features:
    """Section [features]: how a film becomes a vector."""

    table: str
    backbone: str
    weights: str
    mirror: str
    engine: str
    device: str
    cache: str
    normalising: str = setting(choices=("", "caffe", "tf", "torch", "none", "grey"))
    precision: str = setting(choices=("auto", "f32", "bf16", "f16"))
    batch_size: int = setting(least=1)
