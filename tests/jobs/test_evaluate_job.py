"""A model on labelled films: its own test films, other names, and labels that come later."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluate import JOB as EVALUATE
from jobs.score import JOB as SCORE
from jobs.train_lr import JOB as TRAIN
from spark_cxr import job
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics import measure
from spark_cxr.output import KEY_VARIABLE, Output
from spark_cxr.pipeline.phantom_films import phantoms_step
from spark_cxr.schemas import EVALUATED, columns
from tests.quick import defaults

QUICK = {"resamples": 100, "learning_curve": False, "explained": 0}
FIGURES = ("accuracy", "f1_macro", "auc", "brier", "log_loss", "ece", "confusion", "intervals")


@pytest.fixture(autouse=True)
def same_pseudonyms(monkeypatch):
    """Give patients the same names in each --out."""
    monkeypatch.setenv(KEY_VARIABLE, "k" * 32)


def ingest_of(films, **more):
    labels = str(films / "manifest.csv")
    return {"images": [str(films)], "labels": labels, "likeness": 1.0, **more}


@pytest.fixture(scope="module")
def run_dir(spark, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "R"
    cfg = defaults(run={"out": str(out)}, ingest=ingest_of(films), train=QUICK)
    job.run(TRAIN, spark, cfg)
    return out


def evaluated(spark, run_dir, out, ingest, **evaluate):
    wanted = {"model": str(run_dir / "model"), "resamples": 100, **evaluate}
    job.run(EVALUATE, spark, defaults(run={"out": str(out)}, ingest=ingest, evaluate=wanted))
    return json.loads((out / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def at_home(spark, run_dir, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("home") / "E"
    return evaluated(spark, run_dir, out, ingest_of(films)), out


def measured_paths(out):
    rows = pq.read_table(out / "predictions").to_pylist()
    return {row["path"] for row in rows if row["learned"] is None}


def figures_of_training(run_dir, paths):
    """Measure what the training predicted of its test films, or of those of them in `paths`."""
    rows = pq.read_table(run_dir / "predictions").to_pylist()
    rows = sorted((row for row in rows if row["path"] in paths), key=lambda row: row["path"])
    labels = json.loads((run_dir / "metrics.json").read_text())["labels"]
    shares = [[dict(row["probabilities"])[label] for label in labels] for row in rows]
    firsts = {row["group_id"]: row["path"] for row in reversed(rows)}
    groups = [firsts[row["group_id"]] for row in rows]
    truth = [row["label"] for row in rows]
    return measure(truth, shares, labels, groups, resamples=100).to_json()


def test_its_own_test_films_give_the_figures_of_the_training(at_home, run_dir):
    found, out = at_home
    trained = json.loads((run_dir / "metrics.json").read_text())
    assert found["films"]["exact"] == trained["n_train"]
    # Drawn films look alike: some of the test are near-duplicates of films in training.
    assert found["films"]["measured"] == trained["n_test"] - found["films"]["near"] > 5
    tested = {row["path"] for row in pq.read_table(run_dir / "predictions").to_pylist()}
    assert figures_of_training(run_dir, tested)["intervals"] == trained["intervals"]
    check_figures(found, out, run_dir)
    assert found["training"]["accuracy"] == trained["accuracy"]


def check_figures(found, out, run_dir):
    """Hold an evaluation against the same films in the test of the training."""
    wanted = figures_of_training(run_dir, measured_paths(out))
    for name in FIGURES:
        assert flat(found[name]) == pytest.approx(flat(wanted[name]), abs=1e-9), name


def flat(value):
    """Give the numbers of a nested value, in order."""
    if isinstance(value, dict):
        value = [value[name] for name in sorted(value)]
    if isinstance(value, list | tuple):
        return [number for each in value for number in flat(each)]
    return [0 if value is None else value]


def test_predictions_and_page_are_left(at_home):
    _, out = at_home
    assert pq.read_table(out / "predictions").column_names == columns(EVALUATED)
    page = (out / "report.html").read_text()
    assert "that the model was not trained on" in page
    assert "Which films were measured" in page
    assert "Does it hold here?" in page
    assert "Tested elsewhere" in (out / "card.md").read_text()
    assert (out / "sheets.html").exists()


@pytest.mark.slow
def test_labels_that_come_later_give_the_same(spark, run_dir, films, tmp_path, at_home):
    found, _ = at_home
    score = {"model": str(run_dir / "model"), "images": [str(films)], "table": str(tmp_path / "S")}
    job.run(SCORE, spark, defaults(score=score))
    names = {path.rsplit("/", 1)[-1] for path in measured_paths(at_home[1])}
    with (films / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    late = tmp_path / "late.csv"
    with late.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["path"].rsplit("/", 1)[-1] in names)
    ingest = {"labels": str(late)}
    later = evaluated(spark, run_dir, tmp_path / "E", ingest, table=str(tmp_path / "S"))
    assert later["films"]["exact"] is None, "a table does not say what the model was trained on"
    at_once = found["as_answered"] or found
    for name in FIGURES:
        assert flat(later[name]) == pytest.approx(flat(at_once[name]), abs=1e-9), name
    refuse_all(tmp_path / "S")
    with pytest.raises(InputError, match="takes them all for no X-rays"):
        evaluated(spark, run_dir, tmp_path / "N", ingest, table=str(tmp_path / "S"))


def refuse_all(table):
    """Make of each score one of a film that the model takes for no X-ray."""
    unsaid = {"prediction": None, "confidence": None, "probabilities": None}
    for path in table.glob("scored_on=*/*.parquet"):
        whole = pq.ParquetFile(path).read()
        rows = [{**row, **unsaid, "flags": ["not_an_xray"]} for row in whole.to_pylist()]
        pq.write_table(pa.Table.from_pylist(rows, whole.schema), path)


@pytest.mark.slow
def test_classes_may_go_by_other_names(spark, run_dir, films, tmp_path, at_home):
    found, _ = at_home
    with (films / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    other = {"COVID-19": "covid 19", "Pneumonia": "viral", "No_findings": "healthy"}
    renamed = tmp_path / "other.csv"
    with renamed.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "patient_id", "label"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "label": other[row["label"]]} for row in rows)
    ingest = ingest_of(films, labels=str(renamed))
    classes = ["Pneumonia=viral", "No_findings=healthy"]
    same = evaluated(spark, run_dir, tmp_path / "E", ingest, classes=classes)
    assert same["confusion"] == found["confusion"]
    assert same["renamed"] == {v: k for k, v in other.items()}
    parts = ["ill=Pneumonia+COVID-19+viral"]
    ill = evaluated(spark, run_dir, tmp_path / "F", ingest, classes=parts)
    assert ill["labels"] == ["ill", "No_findings"]
    support = dict(zip(found["labels"], map(sum, found["confusion"]), strict=True))
    assert ill["films"]["strangers"] == {"healthy": support["No_findings"]}
    assert ill["films"]["measured"] == support["COVID-19"] + support["Pneumonia"]
    assert ill["overlap"]["test_films"] == ill["films"]["measured"], "no film without a class"


def test_what_cannot_be_measured_is_said(spark, run_dir, films, tmp_path):
    with pytest.raises(ConfigError, match="a class or label in --classes"):
        evaluated(spark, run_dir, tmp_path / "A", ingest_of(films), classes=["Pneumonia=grippe"])
    with pytest.raises(ConfigError, match="--images or --table"):
        evaluated(spark, run_dir, tmp_path / "B", ingest_of(films), table="somewhere")
    labels = {"labels": str(films / "manifest.csv")}
    for table, expected in (
        (tmp_path / "nothing", "a directory as --table"),
        (films, "scores in --table"),
        (run_dir / "images", "a table with the columns"),
    ):
        with pytest.raises(InputError, match=expected):
            evaluated(spark, run_dir, tmp_path / "C", labels, table=str(table))


@pytest.mark.slow
def test_a_model_of_findings_is_measured_finding_by_finding(spark, tmp_path):
    findings = ["Consolidation=0.4", "Effusion=0.4"]
    drawn = {"count": 80, "size": 96, "formats": ["png"], "bad": 0, "several_findings": findings}
    phantoms_step(defaults(phantoms=drawn).phantoms, 0, Output(str(tmp_path / "P")))
    ingest = ingest_of(tmp_path / "P", findings=["all"])
    train = {**QUICK, "least_positives": 5}
    out = tmp_path / "R"
    job.run(TRAIN, spark, defaults(run={"out": str(out)}, ingest=ingest, train=train))
    trained = json.loads((out / "metrics.json").read_text())
    found = evaluated(spark, out, tmp_path / "E", ingest_of(tmp_path / "P"))
    assert found["films"]["measured"] == trained["n_test"]
    assert found["auc"] == pytest.approx(trained["auc"])
    assert found["sensitivity"] == pytest.approx(trained["sensitivity"])
    assert "Finding by finding" in (tmp_path / "E" / "report.html").read_text()
