"""How many films of a test the network was trained on: what a figure says nothing about."""

from dataclasses import dataclass
from typing import Any

from spark_cxr.metrics.parts import Part


@dataclass(frozen=True)
class Overlap:
    """Test films that the network was trained on, or near-duplicates of such."""

    network: str
    n: int
    """Test films."""
    exact: int | None
    """Test films with the pixels of one that the network was trained on; None: not known."""
    near: int | None
    """Further ones that are near-duplicates of one."""
    others: Part | None = None
    """The test on the films that it was not trained on; None where there are none, or only such."""

    @property
    def learned(self) -> int | None:
        """Count the test films that it was trained on; None where its films are not known."""
        return None if self.exact is None or self.near is None else self.exact + self.near

    @property
    def share(self) -> float:
        """Give their share of the test; 0 where they are not known."""
        return (self.learned or 0) / self.n if self.n else 0.0

    def to_json(self) -> dict[str, Any]:
        """Give the counts, and the figure on the other films."""
        return {
            "network": self.network,
            "test_films": self.n,
            "learned": self.learned,
            "exact": self.exact,
            "near_duplicates": self.near,
            "others": self.others and self.others.to_json(),
        }
