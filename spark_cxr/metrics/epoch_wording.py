"""How a network learned, in words: what its headline stands on, and what its curves say of it."""

from collections.abc import Iterator
from math import sqrt

from spark_cxr.metrics.results import EpochPoint, LearningSummary
from spark_cxr.metrics.wording import counted, decimal, percent, points

KEPT_BY = {
    "accuracy": "its accuracy in validation was the best",
    "loss": "its loss in validation was the lowest",
    "last": "it was the last, as asked for, whatever validation said",
}
STANDARD_ERRORS = 2.0
"""Of a share of the validation films: what chance seldom exceeds."""


def headline_in_words(found: LearningSummary, headline: str) -> Iterator[str]:
    """Explain the figure at the top of the page by the epochs below it.

    Args:
        found: The epochs.
        headline: The figure on the test, as a sentence goes on: "right on 90.0 % of the test".
    """
    kept, many = found.epochs[found.best - 1], len(found.epochs)
    yield (
        f"The network at the top of this page, {headline}, is the one after epoch {kept.number} of "
        f"{many}: it was kept because {KEPT_BY[found.best_by]}."
    )
    if found.is_refitted:
        yield "Its last layer was then solved once more on the training films as they are."
    chosen = "chose the epoch, so their own figure leans upwards" if found.best_by != "last" else ""
    yield (
        f"After it {percent(kept.val_accuracy)} was right in validation, on "
        f"{counted(found.n_val, 'film')} set apart from training"
        f"{f'; these {chosen}' if chosen else ''}. The test films had no part in either."
    )
    yield _gap(kept, found.n_val)
    yield _course(found)


def _gap(kept: EpochPoint, n_val: int) -> str:
    """Say what the distance of training and validation means, as far as chance lets it."""
    gap = kept.accuracy - kept.val_accuracy
    share = min(max(kept.val_accuracy, 0.5 / n_val), 1 - 0.5 / n_val)
    chance = STANDARD_ERRORS * sqrt(share * (1 - share) / n_val)
    apart = f"Training stood at {percent(kept.accuracy)}, {points(abs(gap))} points"
    if gap > chance:
        return (
            f"{apart} above validation, which is more than the {points(chance)} points of chance: "
            "it knows its own films better than new ones. More films or stronger changes of them "
            "help against that, more epochs do not."
        )
    if gap < -chance:
        return (
            f"{apart} below validation: training counts films that are changed, and weights that "
            "still move, so it may look worse than it is."
        )
    return (
        f"{apart} from validation, which is within the {points(chance)} points of chance on so "
        "many films: no sign that it learned its films by heart."
    )


def _course(found: LearningSummary) -> str:
    """Say whether it still got better at the end, or had begun to learn by heart."""
    last, kept = found.epochs[-1], found.epochs[found.best - 1]
    if len(found.epochs) == 1:
        return "One epoch says nothing of where the curves go."
    if kept.number < last.number:
        after = counted(last.number - kept.number, "later epoch")
        loss = f"from {decimal(kept.val_loss)} to {decimal(last.val_loss)}"
        if last.val_loss > kept.val_loss:
            return f"The {after} brought nothing better; the validation loss rose {loss}."
        return f"The {after} brought nothing better, though the validation loss fell {loss}."
    before = found.epochs[-2]
    if last.val_loss < before.val_loss or last.val_accuracy > before.val_accuracy:
        return "It still got better in the last epoch: more of them (--epochs) may bring more."
    return "In the last epoch it no longer got better."
