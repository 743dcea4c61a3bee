"""Whatever has learned, evaluate gives the figures of its training on the films of its test."""

import json

import pytest

from jobs import finetune, train
from spark_cxr import job
from spark_cxr.output import KEY_VARIABLE
from tests.jobs.test_evaluate_job import QUICK, check_figures, evaluated, ingest_of
from tests.jobs.test_finetune_job import HOW
from tests.quick import defaults
from tests.training.training_tasks import save_body


@pytest.fixture(autouse=True)
def same_pseudonyms(monkeypatch):
    """Give patients the same names in each --out."""
    monkeypatch.setenv(KEY_VARIABLE, "k" * 32)


def check(spark, run_dir, films, out):
    found = evaluated(spark, run_dir, out, ingest_of(films))
    trained = json.loads((run_dir / "metrics.json").read_text())
    assert found["films"]["measured"] == trained["n_test"] - found["films"]["near"] > 5
    assert found["training"]["accuracy"] == trained["accuracy"]
    check_figures(found, out, run_dir)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "decision"),
    [
        *((name, {}) for name in ("rf", "dt", "gbt", "svc", "mlp")),
        ("lr", {"recalibrate": "temperature", "coverage": 0.8, "sensitivity": ["0.9"]}),
        ("rf", {"recalibrate": "isotonic"}),
    ],
)
def test_figures_of_each_head_are_those_of_its_training(spark, films, tmp_path, name, decision):
    run_dir = tmp_path / "R"
    cfg = defaults(
        run={"out": str(run_dir)},
        ingest=ingest_of(films),
        train={**QUICK, **decision},
        any_head={"head": name},
    )
    job.run(train.JOB, spark, cfg)
    check(spark, run_dir, films, tmp_path / "E")


@pytest.mark.slow
def test_figures_of_a_fine_tuned_network_are_those_of_its_training(spark, films, tmp_path):
    network, run_dir = tmp_path / "small.keras", tmp_path / "R"
    save_body(network)
    cfg = defaults(
        run={"out": str(run_dir)},
        ingest=ingest_of(films),
        features={"backbone": str(network), "normalising": "tf"},
        train=QUICK,
        finetune=HOW,
    )
    job.run(finetune.JOB, spark, cfg)
    check(spark, run_dir, films, tmp_path / "E")
