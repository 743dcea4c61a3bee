"""Recipes and histories as JSON, and back."""

import json

import pytest
from training_tasks import RECIPE

from spark_cxr.errors import InputError
from spark_cxr.training import recipe
from spark_cxr.training.recipe import Augment
from spark_cxr.training.task import Epoch, History


def epoch(number, val_loss, val_accuracy=0.5):
    return Epoch(number, "all", 0.1, 1.0, 0.5, val_loss, val_accuracy, 1.0, 10.0)


def test_a_recipe_comes_back_from_json():
    assert recipe.from_json(json.loads(json.dumps(RECIPE.to_json()))) == RECIPE


def test_a_recipe_of_another_version_is_refused():
    with pytest.raises(InputError, match=r"Expected the recipe of a training.*mixup.*Train again"):
        recipe.from_json(RECIPE.to_json() | {"mixup": 0.1})


def test_strength_multiplies_all_but_the_mirror():
    assert Augment(mirror=True).times(2).zoom == 2 * Augment().zoom
    assert Augment(mirror=True).times(0).mirror
    assert Augment().times(0).is_none
    assert not Augment(mirror=True).times(0).is_none


@pytest.mark.parametrize(("by", "number"), [("accuracy", 4), ("loss", 2), ("last", 5)])
def test_the_best_epoch_is_the_first_of_the_highest_accuracy_or_the_lowest_loss(by, number):
    told = History(
        (epoch(1, 0.5), epoch(2, 0.2), epoch(3, 0.2), epoch(4, 0.3, 0.6), epoch(5, 0.4, 0.6))
    )
    assert told.best(by).number == number
    assert History().best(by) is None


def test_a_history_comes_back_from_json():
    told = History((epoch(1, 0.5), epoch(2, 0.2)))
    assert History.from_json(json.loads(json.dumps(told.to_json()))) == told
