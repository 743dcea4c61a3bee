"""A test set as arrays of codes, checked once so that nothing downstream has to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

TOLERANCE = 1e-3
"""By how much a row of probabilities may miss 1: float32 and printed CSVs lose some."""


@dataclass(frozen=True)
class Sample:
    """Truth, prediction and group of each image, as positions; arrays of one length."""

    labels: tuple[str, ...]
    truth: Ints
    predicted: Ints
    probabilities: Floats
    groups: Ints
    n_groups: int

    @property
    def n(self) -> int:
        """Count the images."""
        return len(self.truth)

    @property
    def confidence(self) -> Floats:
        """Give the probability of each predicted label."""
        return self.probabilities[np.arange(self.n), self.predicted]


def make_sample(
    truth: Sequence[str], probabilities: ArrayLike, labels: Sequence[str], groups: Sequence[str]
) -> Sample:
    """Check and encode a test set.

    Args:
        truth: The true label of each image.
        probabilities: (images, labels), rows that add up to 1.
        labels: The names of the columns of `probabilities`.
        groups: Patient or cluster of each image; what must be resampled together.

    Raises:
        InputError: The parts do not fit together.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    _check_labels(labels)
    _check_shape(shares, len(truth), len(labels), len(groups))
    _check_probabilities(shares)
    codes, n_groups = encode_groups(groups)
    return Sample(
        labels=tuple(labels),
        truth=_encode_truth(truth, labels),
        predicted=np.argmax(shares, axis=1).astype(np.int64),
        probabilities=shares,
        groups=codes,
        n_groups=n_groups,
    )


def _check_labels(labels: Sequence[str]) -> None:
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise InputError(
            "Two or more distinct labels", f"labels={tuple(labels)!r}", "Name each class once"
        )


def _check_shape(shares: Floats, n: int, k: int, n_groups: int) -> None:
    if n == 0:
        raise InputError("A test set with images", "none", "Enlarge the data or the test share")
    if shares.shape != (n, k) or n_groups != n:
        raise InputError(
            f"Probabilities ({n}, {k}) and {n} groups for {n} images and {k} labels",
            f"probabilities {shares.shape}, {n_groups} groups",
            "Hand over one row and one group for each image",
        )


def _check_probabilities(shares: Floats) -> None:
    wrong = ~((shares >= 0).all(axis=1) & (np.abs(shares.sum(axis=1) - 1) <= TOLERANCE))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            "Rows of probabilities that are not negative and add up to 1",
            f"{int(wrong.sum())} others, the first in row {row}: {shares[row].tolist()}",
            "Turn the margins of the head into probabilities first",
        )


def _encode_truth(truth: Sequence[str], labels: Sequence[str]) -> Ints:
    codes = {label: code for code, label in enumerate(labels)}
    strange = sorted({str(label) for label in truth if label not in codes})
    if strange:
        raise InputError(
            f"True labels among {tuple(labels)!r}",
            f"{strange[:5]!r}",
            "Test only on classes that the model was trained on",
        )
    return np.array([codes[label] for label in truth], dtype=np.int64)


def encode_groups(groups: Sequence[str]) -> tuple[Ints, int]:
    """Number the groups of the images, and count them.

    Raises:
        InputError: One of them is empty.
    """
    if not all(isinstance(group, str) and group for group in groups):
        raise InputError(
            "A patient or group id for each image",
            "an empty one",
            "Use the path or the digest of an image whose patient is not known",
        )
    names, codes = np.unique(np.asarray(list(groups), dtype=np.str_), return_inverse=True)
    return codes.astype(np.int64), len(names)


def encode_scores(
    is_positive: ArrayLike, scores: ArrayLike, groups: Sequence[str]
) -> tuple[Flags, Floats, Ints, int]:
    """Check one question of yes or no: truth and score of each film, its group, and their number.

    Raises:
        InputError: The parts do not fit together.
    """
    positive, stated = np.asarray(is_positive, dtype=bool), np.asarray(scores, dtype=np.float64)
    if not positive.shape == stated.shape == (len(groups),):
        raise InputError(
            f"A truth, a score and a patient for each of {len(groups)} films",
            f"truths {positive.shape}, scores {stated.shape}",
            "Hand over one of each",
        )
    return positive, stated, *encode_groups(groups)
