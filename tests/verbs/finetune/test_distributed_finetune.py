"""Several processes that train one network: two of them, on the processor."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from spark_cxr.backbones import keras_model
from spark_cxr.errors import SparkCxrError
from spark_cxr.training.recipe import Augment
from spark_cxr.verbs.finetune import distributed as together
from tests.training.training_tasks import make_finding_task, make_task, save_body

SAME = {"augment": Augment(), "dropout": 0.0}
"""What dropout leaves out each process draws for itself."""

pytestmark = [
    # TorchDistributor leaves the pipes of its processes open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]
needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="no PyTorch here: make test-workers"
)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    file = tmp_path_factory.mktemp("network") / "small.keras"
    save_body(file)
    return file


def trained(spark, task, workers):
    said = []
    return together.train_together(spark, task, workers, said.append), said


@needs_torch
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_come_to_the_weights_of_one(spark, network, tmp_path):
    one, _ = trained(spark, make_task(tmp_path / "one", network, **SAME), 1)
    two, said = trained(spark, make_task(tmp_path / "two", network, **SAME), 2)
    assert said == ["2 processes train together, here"]
    weights = [keras_model.load(str(each.weights)).get_weights() for each in (one, two)]
    for alone, shared in zip(*weights, strict=True):
        np.testing.assert_allclose(shared, alone, atol=1e-4)
    np.testing.assert_allclose(two.head.weights, one.head.weights, atol=1e-4)
    losses = [[epoch.val_loss for epoch in each.history.epochs] for each in (one, two)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    assert [epoch.number for epoch in two.history.epochs] == [1, 2, 3]


@needs_torch
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_learn_findings_as_one_does(spark, network, tmp_path):
    """Unknown cells have no part in either share of a batch, and one process solves the end."""
    how = {**SAME, "head": (8,), "balance": "weights", "refit": True}
    one, two = (
        trained(spark, make_finding_task(tmp_path / str(n), network, **how), n)[0] for n in (1, 2)
    )
    weights = [keras_model.load(str(each.weights)).get_weights() for each in (one, two)]
    for alone, shared in zip(*weights, strict=True):
        np.testing.assert_allclose(shared, alone, atol=1e-4)
    losses, hits = (
        [[getattr(epoch, name) for epoch in each.history.epochs] for each in (one, two)]
        for name in ("val_loss", "val_accuracy")
    )
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    assert hits[1] == pytest.approx(hits[0], abs=1e-4)
    assert two.is_refitted == one.is_refitted
    vectors = np.random.default_rng(0).random((20, 10))
    found, wanted = (each.head.probabilities(vectors) for each in (two, one))
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@needs_torch
@pytest.mark.slow
def test_process_that_gives_up_ends_it_with_one_line(spark, network, tmp_path):
    task = make_task(tmp_path, network)
    nothing = replace(task, recipe=replace(task.recipe, layers="no_such_layer"))
    with pytest.raises(SparkCxrError) as caught:
        trained(spark, nothing, 2)
    told = str(caught.value)
    assert told.startswith("Expected all processes to train to the end. Received: ")
    assert "no_such_layer" in told and "\n" not in told
