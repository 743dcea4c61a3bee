"""Fine-tuning from films to a model that scores and explains; cut off once, and gone on with."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import spark_cxr
from jobs import explain, finetune, score
from spark_cxr import job
from spark_cxr.backbones import user_network as own
from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.images.fit import Fit
from spark_cxr.output import Output
from spark_cxr.pipeline.reading import small_copies
from spark_cxr.verbs.finetune import films as finetune_films
from spark_cxr.verbs.finetune import run
from tests.jobs.test_train_lr_job import CONTRACT
from tests.training.training_tasks import save_body

QUICK = {"resamples": 100, "explained": 1}
HOW = {
    "head": "16,8",
    "batch_norm": True,
    "warm_epochs": 1,
    "epochs": 2,
    "calm_epochs": 1,
    "train_batch_size": 8,
    "val_fraction": 0.2,
}


def settings(out, films, network, **changes):
    return defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        features={"backbone": str(network), "normalising": "tf"},
        train=QUICK,
        finetune={**HOW, **changes},
    )


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    file = tmp_path_factory.mktemp("network") / "small.keras"
    save_body(file)
    return file


@pytest.fixture(scope="module")
def never(films, tmp_path_factory):
    """Copy two films of different patients under other names."""
    folder = tmp_path_factory.mktemp("never")
    pictures = sorted(p for p in films.rglob("*.png") if "_masks" not in str(p))
    for number, picture in enumerate(pictures[3:6:2]):
        shutil.copy(picture, folder / f"copy{number}.png")
    return folder


@pytest.fixture(scope="module")
def run_dir(spark, films, network, never, tmp_path_factory):
    """Train, after a start that ended when the films were read."""
    out = tmp_path_factory.mktemp("finetune") / "R"
    cfg = settings(out, films, network, never=[f"{never}/../{never.name}"])
    cfg = replace(cfg, ingest=replace(cfg.ingest, unmatched="keep"))

    def cut_off(task, say):
        raise InputError("power", "none", "Wait")

    def never_again(*args):
        raise AssertionError("ingested twice")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "train", cut_off)
        with pytest.raises(InputError):
            job.run(finetune.JOB, spark, cfg)
    assert (out / "films" / "_SUCCESS").exists()
    (out / "_step_of_a_run_that_was_killed").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune_films, "ingesting", never_again)
        job.run(finetune.JOB, spark, cfg)
    return out


@pytest.fixture(scope="module")
def metrics(run_dir):
    return json.loads((run_dir / "metrics.json").read_text())


def table(run_dir, name):
    return pq.read_table(run_dir / name).to_pylist()


def test_the_run_directory_holds_what_the_contract_says(run_dir):
    assert {path.name for path in run_dir.iterdir()} >= {
        *("weights.keras", "history.json", "curves", "films.png", "metrics.json", "report.html"),
        *("model", "predictions", "features", "images", "never", "quarantine", "run.json"),
    }
    assert {path.name for path in (run_dir / "curves").iterdir()} == {"loss.svg", "accuracy.svg"}


def test_what_only_a_restart_needs_is_gone(run_dir):
    left = {path.name for path in run_dir.iterdir()}
    assert left & {"films", "checkpoint"} == set()
    assert [name for name in left if name.startswith("_step")] == []


def test_metrics_have_the_names_of_the_contract(metrics):
    wanted = (*CONTRACT, "best_epoch", "epochs", "images_per_second_training", "history", "n_val")
    assert [name for name in wanted if name not in metrics] == []


def test_history_has_every_epoch_and_the_best_is_one_of_them(run_dir, metrics):
    history = json.loads((run_dir / "history.json").read_text())
    assert [epoch["phase"] for epoch in history] == ["head", "all", "all", "calm"]
    assert metrics["history"] == history
    best = max(history, key=lambda epoch: (epoch["val_accuracy"], -epoch["val_loss"]))
    assert (metrics["best_epoch"], metrics["epochs"]) == (best["number"], 4)


def test_every_film_is_accounted_for(run_dir, metrics):
    learned = metrics["n_train"] + metrics["n_val"] + metrics["kept_out"]
    assert learned + metrics["n_test"] == metrics["images"] == 60
    assert len(table(run_dir, "images")) == 60
    assert len(table(run_dir, "never")) == 2


def test_films_of_never_and_their_patients_did_not_learn(run_dir, metrics):
    groups = {row["group_id"] for row in table(run_dir, "never")}
    tested = {row["path"] for row in table(run_dir, "predictions")}
    images = table(run_dir, "images")
    kept_out = [r for r in images if r["group_id"] in groups and r["path"] not in tested]
    assert metrics["kept_out"] == len(kept_out) > 0
    assert any("did not train" in caveat for caveat in metrics["caveats"])


def test_accuracy_is_that_of_the_predictions(run_dir, metrics):
    rows = table(run_dir, "predictions")
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert metrics["accuracy"] == pytest.approx(right / len(rows))


def test_model_without_java_says_what_spark_said(run_dir):
    model = spark_cxr.load_model(run_dir / "model")
    rows = table(run_dir, "predictions")
    contents = [Path(row["path"].removeprefix("file:")).read_bytes() for row in rows]
    for told, row in zip(model.predict(contents), rows, strict=True):
        assert dict(told.probabilities) == pytest.approx(dict(row["probabilities"]), abs=1e-6)


def test_report_shows_the_curves_the_sheet_and_the_heat(run_dir):
    page = (run_dir / "report.html").read_text()
    for heading in ("How it learned", "What the network saw", "Where decisions come from"):
        assert f"<h2>{heading}</h2>" in page
    assert "small, fine-tuned, with a dense head of 16, 8 units" in page
    assert "gradcam" in page
    assert "spark-submit jobs/finetune.py --out" not in page


def test_weights_are_a_backbone_that_needs_no_more_said_of_it(run_dir):
    row = own.find(str(run_dir / "weights.keras"))
    assert (row.size_hw, row.normalising) == ((32, 32), "tf")


def test_model_scores_and_explains_like_any_other(spark, run_dir, films, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for number, picture in enumerate(sorted(films.glob("No_findings/*.png"))[:3]):
        shutil.copy(picture, few / f"{number}.png")
    model = str(run_dir / "model")
    asked = {"model": model, "images": [str(few)], "table": str(tmp_path / "T")}
    told = job.run(score.JOB, spark, defaults(score=asked))
    assert told["scored"] == 3
    cfg = defaults(
        run={"out": str(tmp_path / "E")},
        ingest={"images": [str(few)], "labels": "none"},
        explain={"model": model, "method": "auto"},
    )
    assert job.run(explain.JOB, spark, cfg)["status"] == "ok"
    assert len(list((tmp_path / "E").rglob("*.png"))) == 3


def test_a_refused_try_does_not_stand_in_the_way_of_the_mended_command(
    spark, films, network, tmp_path, capsys
):
    out = tmp_path / "R"
    words = ["--out", str(out), "--images", str(films), "--backbone", str(network)]
    words += ["--normalising", "tf"]
    assert job.exit_code(finetune.JOB, [*words, "--layers", "nothing"]) == 2
    first = capsys.readouterr().err
    assert "Expected finetune.layers as all, none, a share like 0.3" in first
    assert not (out / "images").exists()

    def cut_off(task, say):
        raise InputError("power", "none", "Wait")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "train", cut_off)
        assert job.exit_code(finetune.JOB, [*words, "--layers", "block1"]) == 2
    assert "Expected power" in capsys.readouterr().err
    assert (out / "films" / "_SUCCESS").exists()


def test_other_settings_do_not_go_on_with_what_has_been_learned(
    spark, films, network, tmp_path, capsys
):
    out = tmp_path / "R"
    words = ["--out", str(out), "--images", str(films), "--backbone", str(network)]
    words += ["--normalising", "tf"]

    def cut_off(task, say):
        (out / "checkpoint").mkdir()
        (out / "checkpoint" / "state").write_text("an epoch")
        raise InputError("power", "none", "Wait")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "train", cut_off)
        assert job.exit_code(finetune.JOB, [*words, "--layers", "all"]) == 2
    capsys.readouterr()
    assert job.exit_code(finetune.JOB, [*words, "--layers", "block1"]) == 2
    assert "Received: finetune.layers=block1, then all." in capsys.readouterr().err


def test_a_folder_of_never_that_holds_nothing_back_is_an_error(spark, films, network, tmp_path):
    empty = tmp_path / "never"
    empty.mkdir()
    (empty / "cut.png").write_bytes(b"\x89PNG\r\n")
    cfg = settings(tmp_path / "R", films, network, never=[str(empty)])
    cfg = replace(cfg, ingest=replace(cfg.ingest, unmatched="keep"))
    output, copies = Output(str(tmp_path / "R")), small_copies(Fit((224, 224)), ())
    with (
        pytest.raises(InputError, match=f"films in --never. Received: none in {empty}"),
        finetune_films.films_to_learn(spark, cfg, output, copies),
    ):
        pass


def test_films_of_an_earlier_run_are_taken(spark, run_dir, films, tmp_path):
    asked = defaults(features={"table": str(run_dir)})
    output, copies = Output(str(tmp_path / "R")), small_copies(Fit((224, 224)), ())
    with finetune_films.films_to_learn(spark, asked, output, copies) as found:
        assert (found.ingested.n_images, found.cfg.ingest.images) == (60, (str(films),))
        assert (found.ingested.twins, found.never) == (f"{run_dir}/twins", None)
