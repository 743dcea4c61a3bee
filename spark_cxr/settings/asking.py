"""What is asked of data, of speed, and of decisions."""

from __future__ import annotations

from dataclasses import dataclass

from spark_cxr.settings.fields import EXPLAIN_METHODS, PEERS, Names, setting


@dataclass(frozen=True)
class Bench:
    """Section [bench]: who is measured side by side."""

    peers: Names = setting(choices=("", *PEERS))
    rounds: int = setting(least=1)
    limit: int = setting(least=2)
    scaling: bool = setting()


@dataclass(frozen=True)
class Audit:
    """Section [audit]: what is asked of the data, and from where on an answer is bad."""

    manifest: str
    split_column: str
    same_labels: Names
    lung_masks: str
    films_per_label: int = setting(least=0)
    examples: int = setting(least=0, most=100)
    warn_way: float = setting(least=0, most=1)
    fail_way: float = setting(least=0, most=1)
    warn_association: float = setting(least=0, most=1)
    fail_association: float = setting(least=0, most=1)
    warn_changed: float = setting(least=0, most=1)
    fail_changed: float = setting(least=0, most=1)
    heat: bool = setting()
    warn_heat: float = setting(least=1.0)
    fail_heat: float = setting(least=1.0)
    warn_alike: float = setting(least=0, most=1)
    fail_alike: float = setting(least=0, most=1)
    warn_ece: float = setting(least=0, most=1)
    fail_ece: float = setting(least=0, most=1)


@dataclass(frozen=True)
class Explain:
    """Section [explain]: which films, how, and what is drawn of them."""

    model: str
    table: str
    where: str
    limit: int = setting(least=0)
    method: str = setting(choices=EXPLAIN_METHODS)
    label: str = setting()
    scale: float = setting(least=0.0)
    exact: bool = setting()
    pictures: bool = setting()
    longest: int = setting(least=0)
    shown: int = setting(least=0, most=50)
    batch_size: int = setting(least=1)
    device: str = setting()
