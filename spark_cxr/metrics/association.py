"""How closely two properties of films go together, between 0 and 1."""

from collections.abc import Sequence

import numpy as np


def cramers_v(counts: Sequence[Sequence[int]]) -> float | None:
    """Give Cramér's V of a table of counts; None where a property has one value only.

    0: knowing the row says nothing of the column. 1: it says all. Rows and columns without any
    count are left aside.
    """
    table = np.asarray(counts, dtype=np.float64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    least = min(table.shape) - 1
    if least < 1:
        return None
    total = table.sum()
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / total
    chi_squared = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi_squared / (total * least)))
