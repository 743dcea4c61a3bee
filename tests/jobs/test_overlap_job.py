"""A network that was trained on films of the test: every job says so above its figure."""

import json
import zipfile

import numpy as np
import pytest

from jobs import audit, compare, ingest, train_lr
from spark_cxr import job
from spark_cxr.backbones import film_list
from spark_cxr.config import defaults
from spark_cxr.model.manifest import read_manifest
from spark_cxr.output import Output
from spark_cxr.pipeline.evaluate import list_films
from spark_cxr.schemas import IMAGES
from spark_cxr.verbs.train.results import LEARNED
from tests.jobs.audit_films import drawn, write_manifest
from tests.training.training_tasks import save_body

QUICK = {"resamples": 200, "learning_curve": False, "explained": 0}


def trained(spark, out, films, network):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        features={"backbone": str(network), "normalising": "tf"},
        train=QUICK,
    )
    return job.run(train_lr.JOB, spark, cfg)


@pytest.fixture(scope="module")
def unknown(films, spark, tmp_path_factory):
    """Train on a network that says nothing of its films."""
    folder = tmp_path_factory.mktemp("overlap")
    save_body(folder / "small.keras")
    trained(spark, folder / "R", films, folder / "small.keras")
    return folder


@pytest.fixture(scope="module")
def network(spark, unknown):
    """Let the same network say that it was trained on all films of two labels of the test."""
    images = spark.read.schema(IMAGES).parquet(str(unknown / "R" / "images"))
    tested = spark.read.parquet(str(unknown / "R" / "predictions"))
    learned = tested.where("label <> 'No_findings'")
    file = knowing(unknown / "small.keras", unknown / "knows.keras", images, learned)
    return file, learned.count(), tested.count()


def knowing(network, file, images, learned):
    """Copy a network and have it say that it was trained on these films."""
    file.write_bytes(network.read_bytes())
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(film_list.MEMBER, film_list.pack([list_films(images, learned)]))
    return file


def test_a_network_without_a_list_is_not_known_to_know(unknown):
    metrics = json.loads((unknown / "R" / "metrics.json").read_text())
    assert metrics[LEARNED] is None
    assert metrics["overlap"]["learned"] is None
    page = (unknown / "R" / "report.html").read_text()
    assert "It is not known which films small was trained on" in page
    assert "this figure says nothing" not in page


@pytest.mark.slow
def test_training_says_it_above_the_figure(spark, unknown, films, network, capsys):
    file, learned, tested = network
    capsys.readouterr()
    told = trained(spark, unknown / "K", films, file)
    said = f"knows was trained on {learned} of these {tested} test films"
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.index(said) < shown.index("accuracy")
    page = (unknown / "K" / "report.html").read_text()
    assert page.index(said) < page.index('class="verdict"')
    metrics = json.loads((unknown / "K" / "metrics.json").read_text())
    assert told[LEARNED] == metrics[LEARNED] == learned
    assert metrics["overlap"]["others"]["n"] == tested - learned
    manifest = read_manifest(Output(str(unknown / "K" / "model")))
    assert manifest.overlap["learned"] == learned
    assert manifest.overlap["said"].startswith(said)


@pytest.mark.slow
def test_comparison_says_it_above_the_ranking(spark, unknown, films, network, capsys):
    file, learned, _ = network
    cfg = defaults(
        run={"out": str(unknown / "C")},
        features={"table": str(unknown / "R"), "backbone": str(file), "normalising": "tf"},
        train=QUICK,
        compare={"heads": ["dt"], "splits": ["patient"], "folds": 2},
    )
    capsys.readouterr()
    told = job.run(compare.JOB, spark, cfg)
    # Other films of a drawn patient may be taken for near-duplicates of those in the list.
    assert told[LEARNED] >= learned
    said = f"knows was trained on {told[LEARNED]} of these {told['images']} test films"
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.index(said) < shown.index("accuracy (95")
    page = (unknown / "C" / "report.html").read_text()
    assert page.index(said) < page.index('class="verdict"')
    (row,) = json.loads((unknown / "C" / "comparison.json").read_text())["ranking"]
    assert row["overlap"]["exact"] == learned
    assert row["overlap"]["learned"] == told[LEARNED]


@pytest.mark.slow
def test_audit_fails_the_check(spark, unknown, tmp_path):
    films = tmp_path / "films"
    write_manifest(films, drawn(films, "none", count=90))
    settings = {"images": [str(films)], "labels": str(films / "manifest.csv")}
    job.run(ingest.JOB, spark, defaults(run={"out": str(tmp_path / "I")}, ingest=settings))
    images = spark.read.schema(IMAGES).parquet(str(tmp_path / "I" / "images"))
    learned = images.where("label <> 'No_findings'")
    network = knowing(unknown / "small.keras", tmp_path / "knows.keras", images, learned)
    cfg = defaults(
        run={"out": str(tmp_path / "A")},
        features={
            "table": str(tmp_path / "I"),
            "backbone": str(network),
            "normalising": "tf",
        },
        train=QUICK,
    )
    job.run(audit.JOB, spark, cfg)
    checks = json.loads((tmp_path / "A" / "audit.json").read_text())["checks"]
    (check,) = [each for each in checks if each["name"] == "network_films"]
    assert check["status"] == "fail"
    assert 0 < check["numbers"]["exact"] <= learned.count()


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "least", "most"), [("radiography", 100, 200), ("ozturk", 0, 2)])
def test_frozen_cxrnet_on_real_films(spark, shared_data, tmp_path, folder, least, most):
    chosen = tmp_path / "films"
    rng = np.random.default_rng(3)
    names = [each for each in sorted((shared_data / folder).iterdir()) if each.is_dir()][:2]
    for place in names:
        (chosen / place.name).mkdir(parents=True)
        for file in rng.permutation(sorted(place.iterdir()))[:100]:
            (chosen / place.name / file.name).symlink_to(file)
    cfg = defaults(
        run={"out": str(tmp_path / "R")},
        ingest={"images": [str(chosen)]},
        train={**QUICK, "test_fraction": 0.5},
    )
    told = job.run(train_lr.JOB, spark, cfg)
    share = told[LEARNED] / told["n_test"]
    assert least / 200 <= share <= most / 200
