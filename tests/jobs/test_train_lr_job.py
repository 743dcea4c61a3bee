import csv
import json
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest

from jobs.train_lr import JOB
from spark_cxr import job
from spark_cxr.errors import InputError
from spark_cxr.metrics.wording import percent
from spark_cxr.model.examples import read_examples
from spark_cxr.model.manifest import read_manifest
from spark_cxr.output import Output
from spark_cxr.schemas import FEATURE_ROWS, TEST_PREDICTIONS, columns
from tests.quick import defaults
from tests.report.card_fields import missing_places

CONTRACT = (
    *("labels", "accuracy", "f1_macro", "precision", "recall", "f1", "auc", "confusion"),
    *("intervals", "n_train", "n_test", "images", "quarantined", "images_per_second", "split"),
)

QUICK = {"resamples": 200, "learning_curve": False, "explained": 0}


def trained(spark, out, films, **train):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        train={**QUICK, **train},
    )
    return job.run(JOB, spark, cfg)


@pytest.fixture(scope="module")
def run_dir(spark, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "R"
    trained(spark, out, films, learning_curve=True, explained=1)
    return out


@pytest.fixture(scope="module")
def metrics(run_dir):
    return json.loads((run_dir / "metrics.json").read_text())


def predictions(out):
    rows = pq.read_table(out / "predictions").to_pylist()
    return {row["path"].rsplit("/", 1)[-1]: row for row in rows}


def test_the_run_directory_holds_what_the_contract_says(run_dir):
    assert {path.name for path in run_dir.iterdir()} >= {
        *("model", "metrics.json", "predictions", "quarantine", "report.html", "run.json"),
    }


def test_metrics_have_the_names_of_the_contract(metrics):
    assert [name for name in CONTRACT if name not in metrics] == []


def test_report_shows_where_decisions_come_from(run_dir):
    page = (run_dir / "report.html").read_text()
    part = page[page.index("Where decisions come from") :]
    assert "cam, exact class activation map" in part
    predicted = {row["prediction"] for row in predictions(run_dir).values()}
    assert {label for label in predicted if f"<h3>{label}</h3>" in part} == predicted
    assert part.count('class="film panel"') >= len(predicted)


def test_drawn_films_travel_with_the_model_and_its_card_says_so(run_dir, metrics):
    place = Output(str(run_dir / "model"))
    found, pictures = read_examples(place, read_manifest(place))
    tested = {row["label"] for row in predictions(run_dir).values()}
    assert found.drawn
    assert [next(name for name, has in each.known.items() if has) for each in found.films] == [
        label for label in metrics["labels"] if label in tested
    ]
    assert f"{len(pictures)} films of its test" in (run_dir / "card.md").read_text()


def test_card_and_sheets_have_the_figures_of_metrics_json(run_dir, metrics):
    names = ("card.md", "card.html", "sheets.md")
    card, page, sheets = (plain((run_dir / name).read_text()) for name in names)
    accuracy = plain(percent(metrics["accuracy"]))
    for shown in (card, page):
        assert f"it was right on {accuracy} (" in shown
        for label, recall in metrics["recall"].items():
            assert label in shown
            assert plain(percent(recall)) in shown
    assert accuracy in sheets
    assert missing_places(run_dir) == []
    report = (run_dir / "report.html").read_text()
    assert all(f'href="{name}"' in report for name in ("card.html", "sheets.html"))


def plain(text):
    """Write narrow spaces as plain ones, as Markdown does."""
    return text.replace("\u202f", " ")


def test_every_table_carries_success(run_dir):
    for table in ("images", "quarantine", "features", "predictions"):
        assert (run_dir / table / "_SUCCESS").exists()


def test_every_image_trains_or_tests(metrics):
    assert metrics["n_train"] + metrics["n_test"] == metrics["images"] == 60
    assert metrics["quarantined"] == 9


def test_accuracy_is_that_of_the_predictions(run_dir, metrics):
    rows = predictions(run_dir).values()
    assert metrics["n_test"] == len(rows)
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert metrics["accuracy"] == pytest.approx(right / len(rows))
    assert metrics["mllib"]["accuracy"] == pytest.approx(right / len(rows))


def test_tables_have_the_columns_of_their_schemas(run_dir):
    assert pq.read_table(run_dir / "features").column_names == columns(FEATURE_ROWS)
    assert pq.read_table(run_dir / "predictions").column_names == columns(TEST_PREDICTIONS)


def test_no_patient_is_tested_who_was_trained_on(run_dir, metrics):
    images = pq.read_table(run_dir / "images").to_pylist()
    tested = {row["group_id"] for row in predictions(run_dir).values()}
    in_test = [row for row in images if row["group_id"] in tested]
    assert len(in_test) == metrics["n_test"]
    assert metrics["test_images_with_patient_or_twin_in_training"] == 0


def test_output_says_that_no_network_has_seen_the_films(metrics, run_dir):
    assert any("fake engine" in caveat for caveat in metrics["caveats"])
    assert any("drawn phantoms" in caveat for caveat in metrics["caveats"])
    assert "no network has seen these films" in (run_dir / "report.html").read_text()


def test_the_report_shows_the_confusion_matrix_as_a_picture(run_dir):
    titles = []

    class Titles(HTMLParser):
        def handle_data(self, data):
            if self.get_starttag_text() == "<title>":
                titles.append(data)

    page = (run_dir / "report.html").read_text()
    Titles().feed(page)
    assert page.count("<svg") >= 4
    assert "onfusion" in page


@pytest.mark.slow
def test_the_same_seed_gives_the_same_predictions(spark, films, run_dir, tmp_path):
    trained(spark, tmp_path / "again", films)
    first, again = predictions(run_dir), predictions(tmp_path / "again")
    assert first.keys() == again.keys()
    for name, row in first.items():
        told, retold = dict(row["probabilities"]), dict(again[name]["probabilities"])
        assert told == pytest.approx(retold, abs=1e-9)


@pytest.mark.slow
def test_two_classes_of_three_can_be_chosen(spark, films, tmp_path):
    trained(spark, tmp_path / "R", films, classes="Pneumonia,No_findings")
    labels = json.loads((tmp_path / "R" / "metrics.json").read_text())["labels"]
    assert labels == ["No_findings", "Pneumonia"]


def test_split_by_image_says_how_many_patients_leak(spark, films, tmp_path):
    trained(spark, tmp_path / "R", films, split="image")
    found = json.loads((tmp_path / "R" / "metrics.json").read_text())
    assert found["test_images_with_patient_or_twin_in_training"] > 0
    assert any("figures are too good" in caveat for caveat in found["caveats"])


def test_a_failed_run_is_recorded_as_failed(spark, films, tmp_path):
    # That patients cross the split is found out among the films: before that nothing is left.
    rows = list(csv.DictReader((films / "manifest.csv").read_text().splitlines()))
    sides = tmp_path / "sides.csv"
    sides.write_text(
        "path,split\n"
        + "".join(f"{row['path']},{'test' if n % 2 else 'train'}\n" for n, row in enumerate(rows))
    )
    with pytest.raises(InputError):
        trained(spark, tmp_path / "R", films, split=str(sides))
    record = json.loads((tmp_path / "R" / "run.json").read_text())
    assert record["status"] == "failed"
    assert "patient" in record["error"]
    assert not (tmp_path / "R" / "metrics.json").exists()


def test_without_images_it_draws_phantoms(spark, tmp_path):
    cfg = defaults(
        run={"out": str(tmp_path / "R")},
        phantoms={"count": 60, "size": 64},
        train={"resamples": 100, "learning_curve": False, "explained": 0},
    )
    said = job.run(JOB, spark, cfg)
    assert said["images"] == 60
    assert (tmp_path / "R" / "phantoms" / "manifest.csv").exists()


def test_the_learning_curve_ends_at_the_whole_training(metrics):
    sizes = [point["n_train"] for point in metrics["learning_curve"]]
    assert sizes == sorted(sizes)
    assert (sizes[-1], metrics["learning_curve"][-1]["accuracy"]) == (
        metrics["n_train"],
        pytest.approx(metrics["accuracy"]),
    )


@pytest.mark.slow
def test_films_of_another_folder_can_be_the_test(spark, films, tmp_path):
    for name, patients in (("here", "01234"), ("there", "56789")):
        for film in films.glob("*/s*.*"):
            if film.parent.name[0] != "_" and film.stem.split("_")[0][-1] in patients:
                target = tmp_path / name / film.parent.name / film.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(film.read_bytes())
    cfg = defaults(
        run={"out": str(tmp_path / "R")},
        ingest={"images": [str(tmp_path / "here")]},
        train={
            "test_images": [str(tmp_path / "there")],
            "resamples": 200,
            "learning_curve": False,
            "explained": 0,
        },
    )
    said = job.run(JOB, spark, cfg)
    rows = predictions(tmp_path / "R").values()
    assert {"/there/" in row["path"] for row in rows} == {True}
    assert said["n_test"] == len(rows) > 0
    out, how = tmp_path / "R", said["split"]
    # Only the DICOM films name their patient here.
    assert how.startswith("test films given by --test-images: no known patient is on both sides")
    assert json.loads((out / "model" / "model.json").read_text())["split"] == {"how": how}
    page = (out / "report.html").read_text()
    assert how in page
    assert f"On {len(rows)} test images (there, trained on here)" in page
    assert "split by patient" not in page


def test_a_twin_on_both_sides_of_two_folders_is_refused_and_can_be_dropped(spark, films, tmp_path):
    for label in ("COVID-19", "Pneumonia"):
        some = sorted((films / label).glob("*.png"))[:6]
        for name, chosen in (("here", some[:4]), ("there", some[3:])):
            target = tmp_path / name / label
            target.mkdir(parents=True)
            for film in chosen:
                (target / film.name).write_bytes(film.read_bytes())
    asked = {
        "test_images": [str(tmp_path / "there")],
        "resamples": 200,
        "learning_curve": False,
        "explained": 0,
    }
    images = {"images": [str(tmp_path / "here")]}
    with pytest.raises(InputError, match="patients and twins on one side of the split"):
        job.run(JOB, spark, defaults(run={"out": str(tmp_path / "a")}, ingest=images, train=asked))
    dropped = {**asked, "crossing": "drop"}
    cfg = defaults(run={"out": str(tmp_path / "b")}, ingest=images, train=dropped)
    said = job.run(JOB, spark, cfg)
    assert (said["n_train"], said["n_test"]) == (6, 6)
    assert said["split"] == "test films given by --test-images: no patient is known"


@pytest.mark.slow
def test_a_column_of_the_label_file_says_who_tests(spark, films, tmp_path):
    lines = (films / "manifest.csv").read_text().splitlines()
    sides = [f"{line},{('train', 'test', '')[n % 3]}" for n, line in enumerate(lines[1:])]
    (tmp_path / "labels.csv").write_text("\n".join([f"{lines[0]},side", *sides]))
    cfg = defaults(
        run={"out": str(tmp_path / "R")},
        ingest={"images": [str(films)], "labels": str(tmp_path / "labels.csv")},
        train={"learning_curve": False, "explained": 0, "split": "column:side", "crossing": "keep"},
    )
    job.run(JOB, spark, cfg)
    metrics = json.loads((tmp_path / "R" / "metrics.json").read_text())
    said = {"train": 0, "test": 0, "": 0}
    good = {
        path.rsplit("/", 1)[-1]
        for path in pq.read_table(tmp_path / "R" / "images")["path"].to_pylist()
    }
    for line in sides:
        said[line.rsplit(",", 1)[1]] += line.split(",")[0].rsplit("/", 1)[-1] in good
    assert (metrics["n_train"], metrics["n_test"]) == (said["train"], said["test"])
    left_out = f"{said['']} films neither train nor test: the split leaves them out."
    assert metrics["caveats"][-2] == left_out
    assert metrics["split"].startswith("split by the column side: ")
