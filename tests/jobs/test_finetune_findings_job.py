"""Fine-tuning on films with several findings: from drawn films to a model directory."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import spark_cxr
from jobs import finetune
from spark_cxr import job
from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError
from spark_cxr.heads.portable import FindingHeads
from spark_cxr.metrics.wording import decimal
from spark_cxr.schemas import TEST_FINDINGS, columns
from spark_cxr.verbs.finetune.request import recipe_of
from tests.report.card_fields import missing_places
from tests.training.training_tasks import save_body

pytestmark = pytest.mark.slow

QUICK = {"warm_epochs": 1, "epochs": 1, "calm_epochs": 0, "train_batch_size": 8}
DRAWN = {"count": 90, "size": 64, "formats": ("png",), "unknown": 0.1}


def settings(out, network="", **changes):
    return defaults(
        run={"out": str(out)},
        phantoms=DRAWN,
        ingest={"findings": ("all",)},
        features={"backbone": str(network), "normalising": "tf"},
        train={"resamples": 100, "least_positives": 3},
        finetune={**QUICK, "head": "8", "val_fraction": 0.3, **changes},
    )


@pytest.fixture(scope="module")
def run(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune_findings")
    save_body(folder / "small.keras")
    return folder / "R", job.run(
        finetune.JOB, spark, settings(folder / "R", folder / "small.keras")
    )


def test_a_model_of_findings_comes_of_it(run):
    out, said = run
    model = spark_cxr.load_model(str(out / "model"))
    assert isinstance(model.predictor.head, FindingHeads)
    assert list(model.manifest.labels) == said["findings"]
    assert {"Effusion", "Consolidation"} <= set(said["findings"])
    # Films were weighed so that both answers count the same.
    assert set(model.manifest.thresholds.values()) == {0.5}
    assert model.manifest.head == "dense"


def test_films_that_tested_have_the_answers_of_the_model(run):
    out, _ = run
    table = pq.read_table(out / "predictions")
    assert table.column_names == columns(TEST_FINDINGS)
    model = spark_cxr.load_model(str(out / "model"))
    for row in table.slice(0, 3).to_pylist():
        answer = model.predict(Path(row["path"].removeprefix("file:")).read_bytes())[0]
        assert dict(row["probabilities"]) == pytest.approx(dict(answer.probabilities), abs=1e-5)


def test_metrics_have_the_figures_of_each_finding_and_how_the_network_learned(run):
    out, said = run
    figures = json.loads((out / "metrics.json").read_text())
    assert set(figures["auc"]) == set(said["findings"])
    assert (figures["n_train"], figures["n_val"]) == (said["n_train"], said["n_val"])
    assert figures["recipe"]["best_by"] == "loss"
    assert figures["recipe"]["refit"] is True
    epochs = figures["history"]
    best = min(epochs, key=lambda epoch: epoch["val_loss"])
    assert figures["best_epoch"] == best["number"]


def test_card_and_sheets_say_how_the_network_learned(run):
    figures = json.loads((run[0] / "metrics.json").read_text())
    sheets = (run[0] / "sheets.md").read_text()
    assert f"Epoch {figures['best_epoch']} did best on {figures['n_val']:,} validation" in sheets
    assert decimal(figures["auc_macro"]) in (run[0] / "card.md").read_text()
    assert missing_places(run[0]) == []


def test_the_page_says_how_the_network_was_trained(run):
    page = (run[0] / "report.html").read_text()
    for words in ("fine-tuned, with a dense head of 8 units", "What learned", "Effusion"):
        assert words in page
    assert (run[0] / "curves" / "loss.svg").exists()


def test_the_best_epoch_of_findings_has_the_lowest_loss(tmp_path):
    assert recipe_of(settings(tmp_path)).best_by == "loss"
    assert recipe_of(settings(tmp_path, best_by="last")).best_by == "last"


def test_films_of_findings_cannot_be_drawn_by_class(tmp_path):
    with pytest.raises(ConfigError, match="say --balance-by weights, or none"):
        recipe_of(settings(tmp_path, balance_by="sampling"))
