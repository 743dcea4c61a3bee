"""Measures of tables of counts.

Those of a confusion matrix also take a whole stack of them: (..., truth, predicted).
"""

from collections.abc import Sequence

import numpy as np

from spark_cxr.metrics.sample import Floats


def accuracy(confusions: Floats) -> Floats:
    """Give the share on the diagonal."""
    return ratio(_diagonal(confusions).sum(axis=-1), confusions.sum(axis=(-2, -1)))


def recall(confusions: Floats) -> Floats:
    """Give the share of each true label that was found."""
    return ratio(_diagonal(confusions), confusions.sum(axis=-1))


def precision(confusions: Floats) -> Floats:
    """Give the share of each predicted label that was right."""
    return ratio(_diagonal(confusions), confusions.sum(axis=-2))


def f1(confusions: Floats) -> Floats:
    """Give the harmonic mean of precision and recall; 0 for a label that is never hit."""
    either = confusions.sum(axis=-1) + confusions.sum(axis=-2)
    return ratio(2 * _diagonal(confusions), either)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with NaN for 0 / 0."""
    nothing = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    quotient: Floats = np.divide(part, whole, out=nothing, where=whole != 0)
    return quotient


def optional(values: Floats) -> tuple[float | None, ...]:
    """Turn NaN, which JSON does not know, into None."""
    return tuple(None if np.isnan(value) else float(value) for value in values)


def mean_defined(values: Floats) -> Floats:
    """Average over the last axis, leaving NaN out; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1).astype(float))


def _diagonal(confusions: Floats) -> Floats:
    return np.diagonal(confusions, axis1=-2, axis2=-1)


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


def corrected_v(counts: Sequence[Sequence[int]]) -> float | None:
    """Give Cramér's V less what chance makes of so few counts (Bergsma 2013); None as `cramers_v`.

    The plain V of two unrelated properties is far from 0 where counts are few and values many.
    """
    table = np.asarray(counts, dtype=np.float64).reshape(len(counts), -1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    v, total = cramers_v(table.astype(int).tolist()), table.sum()
    if v is None or total < 2:
        return None
    rows, columns = table.shape
    square = v**2 * (min(rows, columns) - 1) - (rows - 1) * (columns - 1) / (total - 1)
    least = min(side - (side - 1) ** 2 / (total - 1) for side in (rows, columns)) - 1
    return float(np.sqrt(min(1.0, max(0.0, square) / least))) if least > 0 else None


def chance_z(counts: Sequence[Sequence[int]]) -> float:
    """Say how many standard deviations of chance a table's chi-squared lies above its mean.

    By Wilson and Hilferty's cube root, after which chi-squared is nearly normal; 0 where a property
    has one value only.
    """
    table = np.asarray(counts, dtype=np.float64).reshape(len(counts), -1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    v = cramers_v(table.astype(int).tolist())
    if v is None:
        return 0.0
    rows, columns = table.shape
    free = (rows - 1) * (columns - 1)
    chi_squared = v**2 * table.sum() * (min(rows, columns) - 1)
    spread = 2 / (9 * free)
    return float(((chi_squared / free) ** (1 / 3) - (1 - spread)) / np.sqrt(spread))
