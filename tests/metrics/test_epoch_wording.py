"""What is said of a training's curves follows from its numbers."""

import pytest

from spark_cxr.metrics.epoch_wording import headline_in_words
from spark_cxr.metrics.results import EpochPoint, LearningSummary


def said(*epochs, best, by="accuracy", n_val=400, refitted=False):
    """Put (accuracy, loss in validation, accuracy in validation) into words."""
    points = tuple(
        EpochPoint(number, "all", 0.001, 0.5, train, loss, val, 10.0)
        for number, (train, loss, val) in enumerate(epochs, 1)
    )
    found = LearningSummary(points, best, n_val, b"", by, refitted)
    return " ".join(headline_in_words(found, "right on 80.0 %")).replace("\u202f", " ")


def test_the_headline_the_epoch_and_the_films_that_chose_it_are_named():
    words = said((0.8, 0.5, 0.8), (0.85, 0.4, 0.85), best=2)
    assert "this page, right on 80.0 %, is the one after epoch 2 of 2" in words
    assert "its accuracy in validation was the best" in words
    assert "85.0 % was right in validation, on 400 films set apart from training" in words
    assert "chose the epoch" in words


@pytest.mark.parametrize(
    ("by", "why"), [("loss", "loss in validation was the lowest"), ("last", "it was the last")]
)
def test_why_an_epoch_was_kept_is_said(by, why):
    words = said((0.8, 0.5, 0.8), best=1, by=by)
    assert why in words
    assert ("chose the epoch" in words) is (by != "last")


@pytest.mark.parametrize(
    ("train", "n_val", "expected"),
    [
        (0.99, 400, "knows its own films better than new ones"),
        (0.99, 10, "within the"),
        (0.81, 400, "no sign that it learned its films by heart"),
        (0.5, 400, "below validation"),
    ],
)
def test_a_gap_counts_only_beyond_chance(train, n_val, expected):
    assert expected in said((train, 0.5, 0.8), best=1, n_val=n_val)


def test_a_validation_without_a_mistake_is_no_proof():
    assert "within the" in said((0.9, 0.5, 1.0), best=1, n_val=10)


@pytest.mark.parametrize(
    ("epochs", "best", "expected"),
    [
        (((0.8, 0.5, 0.8), (0.9, 0.4, 0.9)), 2, "still got better in the last epoch"),
        (((0.8, 0.5, 0.8), (0.9, 0.6, 0.7)), 1, "the validation loss rose from 0.500 to 0.600"),
        (((0.8, 0.5, 0.8), (0.9, 0.4, 0.7)), 1, "the validation loss fell from 0.500 to 0.400"),
        (((0.8, 0.5, 0.8),), 1, "One epoch says nothing"),
    ],
)
def test_the_course_at_the_end_is_said(epochs, best, expected):
    assert expected in said(*epochs, best=best)


def test_a_last_epoch_that_was_asked_for_may_be_no_better():
    words = said((0.8, 0.5, 0.8), (0.9, 0.6, 0.7), best=2, by="last")
    assert "no longer got better" in words


def test_a_last_layer_that_was_solved_again_is_named():
    assert "solved once more" in said((0.8, 0.5, 0.8), best=1, refitted=True)
