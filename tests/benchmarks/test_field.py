"""The table of the field, from the files that runs leave behind."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.field import table as field
from benchmarks.field.folds import joined
from spark_cxr.errors import InputError

LABELS = ("ill", "well")


def told(accuracy, **more):
    return {
        "accuracy": accuracy,
        "n": 200,
        "f1_macro": accuracy - 0.01,
        "auc_macro": 0.99,
        "intervals": {"accuracy": [accuracy - 0.02, accuracy + 0.02]},
        **more,
    }


def leave(file: Path, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def leave_fold(folder: Path, films):
    """Write predictions of films (name, truth, probability of the first label, patient)."""
    leave(folder / "metrics.json", {"seconds_training": 10.0, "images_per_second_training": 50.0})
    rows = [
        {
            "path": name,
            "label": truth,
            "group_id": patient,
            "probabilities": list(zip(LABELS, (share, 1 - share), strict=True)),
        }
        for name, truth, share, patient in films
    ]
    kinds = [(name, pa.string()) for name in ("path", "label", "group_id")]
    shares = ("probabilities", pa.map_(pa.string(), pa.float64()))
    (folder / "predictions").mkdir()
    pq.write_table(
        pa.Table.from_pylist(rows, pa.schema([*kinds, shares])), folder / "predictions/x"
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Leave a training, a comparison, and a network that was trained on five folds."""
    used = {"device": "cpu (Chip 7)", "engine": "openvino", "precision": "bf16"}
    featurized = {"images_per_second": 300.0, "used": used, "versions": {"keras": "3.1"}}
    leave(tmp_path / "radiography/CXRNet/run.json", featurized)
    trained = told(0.965, seconds_training=12.5, images_per_second=9000.0)
    trained["overlap"] = {"learned": 31}
    leave(tmp_path / "radiography/CXRNet-lr/metrics.json", trained)
    row = told(0.85, fit_seconds=33.0) | {"images_per_second": 250.0}
    row |= {"backbone": "CXRNet", "head": "Random forest", "by_image": told(0.87, fit_seconds=34.0)}
    leave(tmp_path / "ozturk-three/frozen/comparison.json", {"ranking": [row]})
    for fold in range(5):
        films = [(f"a{fold}", "ill", 0.9, f"p{fold}"), (f"b{fold}", "well", 0.4, f"q{fold}")]
        films += [(f"c{fold}", "well", 0.8 if fold else 0.2, f"q{fold}")]
        leave_fold(tmp_path / f"ozturk-two/CXRNet-tuned-by-patient/{fold}", films)
    return tmp_path


def line(runs: Path, title: str, network: str, head: str):
    (task,) = (each for each in field.tasks(runs) if each.title == title)
    (found,) = (each for each in task.lines if (each.network, each.head) == (network, head))
    return found.outcome


def test_training_is_a_line_of_its_task(runs):
    title = "Radiography, four classes, the publisher's train to val"
    found = line(runs, title, "CXRNet", "Logistic regression")
    assert (found.accuracy, found.interval.low, found.interval.high) == (0.965, 0.945, 0.985)
    assert (found.n, found.seconds, found.images_per_second) == (200, 12.5, 300.0)


@pytest.mark.parametrize(
    ("by", "accuracy", "seconds"), [("patient", 0.85, 33), ("image", 0.87, 34)]
)
def test_comparison_gives_a_line_for_each_kind_of_folds(runs, by, accuracy, seconds):
    found = line(runs, f"Ozturk, three classes, 5 folds by {by}", "CXRNet", "Random forest")
    assert (found.accuracy, found.seconds, found.images_per_second) == (accuracy, seconds, 250.0)


def test_folds_of_a_trained_network_are_measured_together(runs):
    title = "Ozturk, COVID-19 against no findings, 5 folds by patient"
    found = line(runs, title, "CXRNet, fine-tuned", "its own")
    assert (found.accuracy, found.n) == (pytest.approx(11 / 15), 15)
    assert (found.seconds, found.images_per_second) == (50.0, 50.0)
    assert found.interval.low < 11 / 15 < found.interval.high


def test_network_that_lacks_a_fold_was_not_run(runs):
    (runs / "ozturk-two/CXRNet-tuned-by-patient/3/metrics.json").unlink()
    title = "Ozturk, COVID-19 against no findings, 5 folds by patient"
    assert line(runs, title, "CXRNet, fine-tuned", "its own") is None


def test_film_in_two_folds_is_refused(tmp_path):
    for fold in (0, 1):
        leave_fold(tmp_path / str(fold), [("a", "ill", 0.9, "p"), (f"b{fold}", "well", 0.1, "q")])
    with pytest.raises(InputError, match=r"Expected each film in one fold\. Received: a in two"):
        joined([tmp_path / "0", tmp_path / "1"])


def test_groups_are_what_is_resampled(runs):
    folds = [runs / f"ozturk-two/CXRNet-tuned-by-patient/{fold}" for fold in range(5)]
    assert joined(folds).groups == 10


def test_page_holds_every_line_and_says_which_were_not_run(runs):
    found = tuple(field.tasks(runs))
    page = field.to_markdown(found, (), "Ran here.")
    row = "| CXRNet | Logistic regression | 96.5 % | 94.5 to 98.5 % | 200 | 0.955 | 0.990 | 12.5 |"
    assert row in page.replace("\u202f", " ")
    assert page[page.index("| CXRNet | Logistic regression") :].splitlines()[0].endswith("| 31 |")
    lines = sum(len(task.lines) for task in found)
    assert page.count("not run |") == lines - 4
    assert f"{lines - 4} lines were not run." in page


def test_page_has_what_heads_are_worth_on_a_source_that_was_left_out(runs):
    part = {
        "accuracy": 0.61,
        "accuracy_interval": {"low": 0.58, "high": 0.64},
        "n": 1000,
        "name": "NIH",
    }
    row = told(0.55) | {"backbone": "CXRNet", "sources": [part]}
    found = {"ranking": [], "by_source": {"ranking": [row], "left_out": []}}
    leave(runs / "elsewhere/lungs/comparison.json", found)
    others = tuple(field.elsewhere(runs))
    page = field.to_markdown((), others, "").replace("\u202f", " ")
    assert (
        "| CXRNet | the box of the lungs | 55.0 % (53.0 to 57.0 %) of 200 |  |  "
        "| 61.0 % (58.0 to 64.0 %) of 1,000 |  |"
    ) in page
    assert page.index("Elsewhere") < page.index("At home")


def test_published_figures_stand_beside_those_by_image(runs):
    page = field.to_markdown(tuple(field.tasks(runs)), tuple(field.elsewhere(runs)), "").replace(
        "\u202f", " "
    )
    assert "| *Ozturk 2020, DarkCovidNet* | *three classes; 5-fold by image* | *87.0 %* |" in page
    assert page.count("DarkCovidNet") == 2


def test_every_published_figure_names_its_source(runs):
    published = [each for task in field.tasks(runs) for each in task.published]
    assert any(each.who.startswith("Awan") for each in published)
    assert all(":" in each.source or "COVID-19 detection" in each.source for each in published)


def test_command_leaves_page_and_figures(runs, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["field", str(runs)])
    field.main()
    page = (runs / "field.md").read_text()
    assert page + "\n" == capsys.readouterr().out
    assert "Ran on cpu (Chip 7), openvino in bf16 (keras 3.1)." in page
    first = json.loads((runs / "field.json").read_text())["at_home"][0]
    assert first["lines"][0]["outcome"]["accuracy"] == 0.965
