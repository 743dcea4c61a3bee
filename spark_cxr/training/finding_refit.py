"""The last layer of a head of findings solved once more, finding by finding.

Each is logistic regression on the films of which it is known, weighed as in training. It is kept
where the loss of validation is no higher: by that the best epoch of findings was chosen too.
"""

from __future__ import annotations

import numpy as np

from spark_cxr.training.refit import Array, FoldedHead, LabelledVectors, solve, with_last


def refit_findings_if_better(
    head: FoldedHead,
    train: LabelledVectors,
    val: LabelledVectors,
    first: FoldedHead | None = None,
) -> tuple[FoldedHead, bool]:
    """Solve the last layer anew where validation says that this is no worse, then for all films.

    Args:
        head: As it has learned: a margin for each finding.
        train: Those that train, with cells that are not smoothed.
        val: Those that validate; they choose, and then count as well.
        first: As `refit_findings_on` solves it on `train`, where the caller has it.

    Returns:
        The head, and whether it was solved.
    """
    if loss_of_findings(first or refit_findings_on(head, train), val) > loss_of_findings(head, val):
        return head, False
    return refit_findings_on(head, train + val), True


def loss_of_findings(head: FoldedHead, known: LabelledVectors) -> float:
    """Give the cross-entropy of what is known, a film."""
    margins = head.margins(known.vectors)
    positive, negative = np.split(known.targets.astype(np.float64), 2, axis=1)
    cells = positive * np.logaddexp(0, -margins) + negative * np.logaddexp(0, margins)
    return float(cells.sum() / len(margins))


def refit_findings_on(head: FoldedHead, known: LabelledVectors) -> FoldedHead:
    """Solve the last layer of a head of findings on some films."""
    return with_last(head, known.vectors, lambda given: solve_findings(given, known.targets))


def solve_findings(vectors: Array, cells: Array) -> tuple[Array, Array]:
    """Fit a margin for each finding: kernel (features, findings), and bias."""
    solved = (_solve(vectors, *pair) for pair in zip(*np.split(cells.T, 2), strict=True))
    kernels, biases = zip(*solved, strict=True)
    return np.column_stack(kernels), np.array(biases)


def _solve(vectors: Array, positive: Array, negative: Array) -> tuple[Array, float]:
    """Fit one: of two classes it is the difference of the margins that counts."""
    known = positive + negative > 0
    # Cells that are not smoothed have one weight for yes, and one for no.
    weights = np.array([negative.max(), positive.max()], np.float64)
    targets = (positive[known] > 0).astype(np.int64)
    kernel, bias = solve(vectors[known], targets, weights)
    return kernel[:, 1] - kernel[:, 0], float(bias[1] - bias[0])
