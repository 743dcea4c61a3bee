"""`train --head own`: what a network answers by itself is measured, and nothing is trained."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.train import JOB
from spark_cxr import job, load_model
from spark_cxr.errors import ConfigError
from spark_cxr.output import Output
from spark_cxr.pipeline.phantom_films import phantoms_step
from tests.quick import defaults
from tests.tiny_onnx import pooled

CARD = """
[input]
size = [16, 16]
scale = 0.003921568627450980
[output]
vector = "mean"
answers = "logits"
activation = "{activation}"
labels = {labels}
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "P"
    drawing = {
        "count": 60,
        "size": 64,
        "formats": ["png"],
        "bad": 0,
        "several_findings": ["Consolidation=0.4", "Effusion=0.5"],
    }
    phantoms_step(defaults(phantoms=drawing).phantoms, 0, Output(str(folder)))
    return folder


def network(folder, activation="sigmoid", labels='["Oedema", "Pleural_Effusion"]'):
    path = folder / "own.onnx"
    path.write_bytes(pooled(inside=True))
    path.with_suffix(".toml").write_text(CARD.format(activation=activation, labels=labels))
    return path


def settings(films, path, out, **ingest):
    found = {
        "images": [str(films)],
        "labels": str(films / "manifest.csv"),
        "findings": ["all"],
        "likeness": 1.0,
        **ingest,
    }
    return defaults(
        run={"out": str(out)},
        ingest=found,
        features={"backbone": str(path)},
        train={"resamples": 100, "least_positives": 3},
        any_head={"head": "own"},
    )


@pytest.mark.parametrize("activation", ["sigmoid", pytest.param("none", marks=pytest.mark.slow)])
def test_answers_of_the_network_are_the_probabilities(spark, films, tmp_path, activation):
    path = network(tmp_path, activation)
    done = job.run(JOB, spark, settings(films, path, tmp_path / "R"))
    assert done["findings"] == ["Effusion"]  # by its synonym; nobody looked for oedema
    manifest = json.loads((tmp_path / "R" / "model" / "model.json").read_text())
    assert (manifest["head"], manifest["thresholds"]) == ("own", {"Effusion": 0.5})
    figures = json.loads((tmp_path / "R" / "metrics.json").read_text())
    assert figures["learning_curve"] == []  # it would learn nothing from more films
    rows = pq.read_table(tmp_path / "R" / "predictions").to_pylist()[:5]
    films_of = [(films / "films" / r["path"].rsplit("/", 1)[-1]).read_bytes() for r in rows]
    model = load_model(tmp_path / "R" / "model")
    assert model.manifest.features == 2
    for row, found in zip(rows, model.predict(films_of), strict=True):
        expected = dict(row["probabilities"])["Effusion"]
        assert found.probabilities["Effusion"] == pytest.approx(expected, abs=1e-6)
        assert (0.5 <= expected < 1) if activation == "sigmoid" else (expected >= 0)
    assert np.ptp([dict(row["probabilities"])["Effusion"] for row in rows]) > 0
    page = (tmp_path / "R" / "report.html").read_text()
    assert "the network does not answer it" in page  # consolidation


def test_a_network_without_answers_is_refused(spark, films, tmp_path):
    path = network(tmp_path)
    path.with_suffix(".toml").write_text("[input]\nsize = [16, 16]\nscale = 1.0\n")
    with pytest.raises(ConfigError, match="answers of its own for --head own"):
        job.run(JOB, spark, settings(films, path, tmp_path / "R"))


def test_answers_of_which_one_only_can_hold_are_refused(spark, films, tmp_path):
    path = network(tmp_path, "softmax")
    with pytest.raises(ConfigError, match="several can hold"):
        job.run(JOB, spark, settings(films, path, tmp_path / "R"))


@pytest.mark.slow
def test_findings_that_the_films_do_not_have_are_refused(spark, films, tmp_path):
    path = network(tmp_path, labels='["Hernia", "Mass"]')
    with pytest.raises(ConfigError, match="a finding that films and network share"):
        job.run(JOB, spark, settings(films, path, tmp_path / "R"))


def test_own_answers_want_findings(spark, films, tmp_path):
    path = network(tmp_path)
    with pytest.raises(ConfigError, match="--findings with --head own"):
        job.run(JOB, spark, settings(films, path, tmp_path / "R", findings=[]))
