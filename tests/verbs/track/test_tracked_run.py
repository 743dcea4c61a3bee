"""What MLflow is told, from files made by hand."""

import pytest
from run_by_hand import COMPARED, TRAINED, manifest

from spark_cxr.config import defaults
from spark_cxr.verbs.track.results import comparison_run, evaluation_run, training_run
from tests.report.fields import Films, field_of, rows_of


@pytest.fixture
def told():
    return training_run("train_lr", TRAINED, manifest({}), defaults(run={"seed": 7}))


@pytest.fixture
def compared():
    return comparison_run("compare", COMPARED, defaults(compare={"folds": 3}))


def test_params_say_what_the_model_was_made_from(told):
    expected = {
        "job": "train_lr",
        "seed": "7",
        "backbone": "fake",
        "weights.origin": "made up",
        "weights.sha256": "b5d5",
        "head": "lr",
        "setting.shrinkage": "2.5",
        "split": "patient",
        "engine": "fake",
        "precision": "f32",
        "data.fingerprint": "4fcb",
        "model": "lr-0123",
        "version.spark_cxr": "0.1.0",
    }
    assert {name: told.params.get(name) for name in expected} == expected


def test_params_are_words(told):
    assert {type(value) for value in told.params.values()} == {str}


def test_a_long_param_is_cut_and_shows_it():
    long = {**TRAINED, "data": ["x" * 600]}
    value = training_run("train_lr", long, None, defaults()).params["data"]
    assert (len(value), value[-1]) == (500, "…")


def test_metrics_are_the_figures_of_metrics_json(told):
    expected = {"accuracy": 0.75, "n_train": 30, "n_test": 12, "mllib.accuracy": 0.75}
    assert {name: told.metrics[name] for name in expected} == expected


def test_intervals_are_two_metrics(told):
    assert (told.metrics["accuracy.low"], told.metrics["accuracy.high"]) == (0.5, 0.875)
    assert (told.metrics["f1.COVID-19.low"], told.metrics["f1.COVID-19.high"]) == (0.25, 0.75)


def test_a_figure_that_does_not_exist_is_no_metric(told):
    assert {"auc_macro", "f1.No_findings", "f1.No_findings.low"} & set(told.metrics) == set()


def test_a_label_with_characters_that_mlflow_refuses_is_written_without_them(told):
    assert told.metrics["f1.TB _active_"] == 0.25


def test_each_setting_that_was_tried_is_a_step(told):
    assert told.curves == {"tune.log_loss": [1.5, 1.25], "tune.spread": [0.25, 0.5]}
    assert told.params["tune.setting.1"] == '{"shrinkage": 2.5}'


def test_without_tuning_nothing_has_steps():
    plain = {name: value for name, value in TRAINED.items() if name != "tuned"}
    assert training_run("train_lr", plain, None, defaults()).curves == {}


def test_caveats_stand_above_the_run(told):
    assert told.note == "- The films are drawn."


def test_each_row_of_a_comparison_is_a_part_for_each_way_of_splitting(compared):
    assert [part.name for part in compared.parts] == [
        "Random forest on fake by patient",
        "Random forest on fake by image",
        "Decision tree on fake by patient",
    ]


def test_each_fold_of_a_comparison_is_a_step(compared):
    folds = [part.curves["fold.accuracy"] for part in compared.parts]
    assert folds == [[0.5, 0.75, 1.0], [0.875, 0.75, 1.0], [0.5, 0.5, 0.5]]


def test_parts_have_their_own_figures_and_settings(compared):
    assert [part.metrics["accuracy"] for part in compared.parts] == [0.75, 0.875, 0.75]
    assert compared.parts[2].params == {
        "backbone": "fake",
        "head": "Decision tree",
        "setting.depth": "5",
        "split": "patient",
    }


def test_a_comparison_names_its_best_and_what_a_leak_is_worth(compared):
    assert compared.params["best"] == "Random forest on fake"
    assert (compared.params["folds"], compared.params["split"]) == ("3", "patient,image")
    assert compared.metrics == {"mean_gap_by_image": 0.125}


@pytest.fixture(scope="module")
def report():
    """Make a comparison as the job does, so that its file and what is read of it stay together."""
    films = Films()
    return field_of(films, b"", rows_of(films))


def test_facts_are_read_from_the_file_that_a_comparison_writes(report):
    told = comparison_run("compare", report.to_json(), defaults())
    by_patient = [part for part in told.parts if part.params["split"] == "patient"]
    expected = [(row.name, row.outcome.metrics.accuracy, row.outcome.folds) for row in report.rows]
    assert [
        (
            part.name.removesuffix(" by patient"),
            part.metrics["accuracy"],
            part.curves["fold.accuracy"],
        )
        for part in by_patient
    ] == [(name, accuracy, list(folds)) for name, accuracy, folds in expected]
    assert len(told.parts) == 2 * len(report.rows)
    assert told.metrics["mean_gap_by_image"] == report.mean_gap


def test_facts_are_read_from_the_figures_that_a_training_writes(report):
    found = report.rows[0].outcome.metrics
    told = training_run("train_lr", found.to_json(), None, defaults()).metrics
    low, high = found.intervals.accuracy.low, found.intervals.accuracy.high
    names = ("accuracy", "log_loss", "accuracy.low", "accuracy.high")
    assert [told[name] for name in names] == [found.accuracy, found.log_loss, low, high]
    recalls = {label: told[f"recall.{label}"] for label in found.labels}
    assert recalls == dict(zip(found.labels, found.recall, strict=True))


EPOCHS = [
    {"number": 1, "loss": 1.5, "accuracy": 0.25, "val_loss": 1.25, "val_accuracy": 0.5},
    {"number": 2, "loss": 0.5, "accuracy": 0.75, "val_loss": 0.75, "val_accuracy": 0.625},
]


@pytest.fixture
def learned():
    history = [{**epoch, "learning_rate": 0.001} for epoch in EPOCHS]
    more = {"history": history, "best_epoch": 2, "recipe": {"head": [8], "loss": "focal"}}
    return training_run("finetune", {**TRAINED, **more, "n_val": 6}, None, defaults())


def test_each_epoch_of_a_network_that_learned_is_a_step(learned):
    assert learned.curves["epoch.val_loss"] == [1.25, 0.75]
    assert learned.curves["epoch.accuracy"] == [0.25, 0.75]


def test_recipe_and_best_epoch_of_a_network_are_told(learned):
    assert learned.params["recipe.head"] == "[8]"
    assert learned.params["recipe.loss"] == "focal"
    assert (learned.metrics["best_epoch"], learned.metrics["n_val"]) == (2, 6)


def test_an_evaluation_is_a_run_of_its_own():
    body = {
        **TRAINED,
        "model": {"Name": "lr-0123", "Identity": "lr-0123-abc"},
        "films": {"measured": 12, "answered": 11, "refused": 1, "unreadable": 0},
        "as_answered": {**TRAINED, "accuracy": 0.8},
        "does_it_hold": [{"figure": "accuracy", "verdict": "worse"}],
    }
    run = evaluation_run("evaluate", body, defaults(ingest={"images": ("elsewhere",)}))
    assert run.name == "evaluate: lr-0123"
    assert run.params["model"] == "lr-0123-abc"
    assert run.params["held.accuracy"] == "worse"
    expected = {"accuracy": 0.75, "answered.accuracy": 0.8, "films.refused": 1.0}
    assert {name: run.metrics[name] for name in expected} == expected
