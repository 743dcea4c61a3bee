"""How a trained model scores, serves and is put under load."""

from __future__ import annotations

from dataclasses import dataclass

from spark_cxr.settings.fields import Names, Paths, setting


@dataclass(frozen=True)
class Score:
    """Section [score]: which model scores which films into which table."""

    model: str
    images: Paths
    table: str
    rescore: bool
    watch: bool
    interval: float = setting(least=0.1)
    wait: bool = setting()
    max_files_per_trigger: int = setting(least=1, most=1_000_000)
    max_bytes_per_trigger: int = setting(least=1)
    max_bytes: int = setting(least=1, most=2_000_000_000)
    format: str = setting(choices=("parquet", "delta"))
    also: str = setting(choices=("", "csv", "jsonl"))
    explain: int = setting(least=0, most=100_000)
    batch_size: int = setting(least=1)
    device: str = setting()


@dataclass(frozen=True)
class Drift:
    """Section [drift]: how far films may move from those of the training without a warning."""

    warn_share: float = setting(least=0, most=1)
    warn_confidence: float = setting(least=0, most=1)
    warn_distance: float = setting(least=0.0)
    warn_unlike: float = setting(least=0, most=1)


@dataclass(frozen=True)
class Serve:
    """Section [serve]: which model answers, where, and what a request may cost."""

    model: str
    host: str
    port: int = setting(least=0, most=65535)
    token_file: str = setting()
    open: bool = setting()
    threads: int = setting(least=0, most=1024)
    device: str = setting()
    max_body_bytes: int = setting(least=1, most=2_000_000_000)
    max_image_pixels: int = setting(least=1)
    max_images: int = setting(least=1, most=10_000)
    max_waiting: int = setting(least=1, most=100_000)
    max_held_bytes: int = setting(least=1)
    seconds: float = setting(least=0.1, most=3600)
    uncertain: float = setting(least=0, most=1)


@dataclass(frozen=True)
class Load:
    """Section [load]: which server is asked, by how many."""

    url: str
    images: Paths
    clients: Names
    seconds: float = setting(least=0.1, most=3600)
    model: str = setting()
    token_file: str = setting()
