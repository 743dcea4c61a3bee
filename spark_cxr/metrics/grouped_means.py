"""Means over films, a column each, with intervals from resampling their patients."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.metrics.counts import ratio
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.intervals import share_interval
from spark_cxr.metrics.resample import CHUNK_CELLS, draws
from spark_cxr.metrics.sample import Floats, encode_groups


def grouped_means(
    shares: ArrayLike, groups: Sequence[str], *, seed: int = 0, resamples: int = 1000
) -> tuple[Estimate, ...]:
    """Average each column of shares, all columns under the same draws of whole groups.

    Args:
        shares: (films, columns), each between 0 and 1; NaN where a film does not count.
        groups: Patient of each film.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        InputError: A group is empty.
    """
    cells = np.asarray(shares, dtype=np.float64)
    known, columns = ~np.isnan(cells), cells.shape[1]
    codes, n_groups = encode_groups(groups)
    sums = np.zeros((n_groups, 2 * columns))
    np.add.at(sums, codes, np.hstack([np.where(known, cells, 0), known]))

    def means(weights: Floats) -> Floats:
        totals = weights.T @ sums
        return ratio(totals[:, :columns], totals[:, columns:])

    whole = means(np.ones((n_groups, 1)))[0]
    width = max(1, CHUNK_CELLS // n_groups)
    drawn = np.concatenate([means(each) for each in draws(n_groups, resamples, width, seed)])
    counted = (sums[:, columns:] > 0).sum(axis=0)
    return tuple(
        Estimate(
            None if np.isnan(whole[place]) else float(whole[place]),
            share_interval(drawn[:, place], int(counted[place])),
        )
        for place in range(columns)
    )
