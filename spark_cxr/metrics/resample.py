"""Every measure under many weightings of the groups at once: the bootstrap without a loop.

A resample draws as many groups as there are, with replacement, and all images of a group come
along (a patient's films resemble each other, so single images would make intervals too narrow).
That is a weight per group. What adds up over images is summed per group beforehand, so a
resample is a row of a matrix product; AUC needs a running sum over images sorted beforehand.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spark_cxr.metrics import calibration, counts, ranks
from spark_cxr.metrics.sample import Floats, Ints, Sample

CHUNK_CELLS = 1_000_000
"""Weights held at a time: 8 MB, so that the running sums stay near the processor's cache."""


@dataclass(frozen=True)
class Prepared:
    """What is the same for all resamples."""

    sums: Floats
    """(groups, labels² + 2): confusion cells, then log loss and Brier score."""
    rankings: tuple[ranks.Ranking, ...]


@dataclass(frozen=True)
class Statistics:
    """The measures under each weighting: (resamples,) or (resamples, labels), NaN if undefined."""

    accuracy: Floats
    f1_macro: Floats
    auc_macro: Floats
    log_loss: Floats
    brier: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    auc: Floats
    average_precision: Floats


def prepare(sample: Sample) -> Prepared:
    """Sum per group and sort per label."""
    k = len(sample.labels)
    sums = np.zeros((sample.n_groups, k * k + 2))
    sums[:, : k * k] = sum_cells(sample).reshape(-1, k * k)
    for column, losses in (
        (k * k, calibration.log_losses(sample)),
        (k * k + 1, calibration.brier_scores(sample)),
    ):
        sums[:, column] = np.bincount(sample.groups, weights=losses, minlength=sample.n_groups)
    return Prepared(
        sums=sums,
        rankings=tuple(
            ranks.rank(sample.truth == label, sample.probabilities[:, label], sample.groups)
            for label in range(k)
        ),
    )


def sum_cells(sample: Sample) -> Floats:
    """Give the confusion matrix of each group: (groups, truth, predicted)."""
    k = len(sample.labels)
    sums = np.zeros((sample.n_groups, k, k))
    np.add.at(sums, (sample.groups, sample.truth, sample.predicted), 1.0)
    return sums


def statistics(prepared: Prepared, weights: Floats) -> Statistics:
    """Measure under each column of `weights` (groups, resamples)."""
    totals = weights.T @ prepared.sums
    k = len(prepared.rankings)
    confusions = totals[:, : k * k].reshape(-1, k, k)
    n = confusions.sum(axis=(1, 2))
    f1 = counts.f1(confusions)
    areas = [ranks.weighted_areas(each, weights) for each in prepared.rankings]
    auc, average_precision = (np.stack(each, axis=1) for each in zip(*areas, strict=True))
    return Statistics(
        accuracy=counts.accuracy(confusions),
        f1_macro=counts.mean_defined(f1),
        auc_macro=counts.mean_defined(auc),
        log_loss=totals[:, -2] / n,
        brier=totals[:, -1] / n,
        precision=counts.precision(confusions),
        recall=counts.recall(confusions),
        f1=f1,
        auc=auc,
        average_precision=average_precision,
    )


def bootstrap(prepared: Prepared, n_images: int, resamples: int, seed: int) -> Statistics:
    """Measure under `resamples` random draws of groups."""
    n_groups = len(prepared.sums)
    width = max(1, CHUNK_CELLS // max(n_images, n_groups))
    parts = [statistics(prepared, each) for each in draws(n_groups, resamples, width, seed)]
    return Statistics(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Statistics.__dataclass_fields__
        }
    )


def draws(n_groups: int, resamples: int, width: int, seed: int) -> Iterator[Floats]:
    """Count how often each draw picks each group: (groups, up to `width` resamples) a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, width):
        many = min(width, resamples - start)
        # Drawn one resample after the other, so that `width` does not change the result.
        picks = rng.integers(0, n_groups, (many, n_groups)) * many + np.arange(many)[:, None]
        drawn = np.bincount(picks.ravel(), minlength=n_groups * many)
        yield drawn.reshape(n_groups, many).astype(np.float64)


def draw_sums(sums: Floats | Ints, resamples: int, seed: int) -> Floats:
    """Sum up what each draw of groups brings: (groups, …) → (resamples, …)."""
    width = max(1, CHUNK_CELLS // len(sums))
    return np.concatenate([each.T @ sums for each in draws(len(sums), resamples, width, seed)])
