"""A network that is shown the lungs alone: trained, asked with Spark and without, explained."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.explain import JOB as EXPLAIN
from jobs.train_lr import JOB
from spark_cxr import job
from spark_cxr.backbones.engines import load
from spark_cxr.backbones.network import key
from spark_cxr.images.decode import decode
from spark_cxr.images.lungs import find_lungs
from spark_cxr.images.sight import sight_of
from spark_cxr.model.model import load_model
from spark_cxr.model.predictor import NO_LUNGS
from tests.quick import defaults

QUICK = {"resamples": 100, "learning_curve": False, "explained": 1}


def trained(spark, out, films, see):
    return job.run(
        JOB,
        spark,
        defaults(
            run={"out": str(out)},
            ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
            features={"see": see},
            train=QUICK,
        ),
    )


@pytest.fixture(
    scope="module", params=["lungs", pytest.param("lungs-only", marks=pytest.mark.slow)]
)
def run_dir(request, spark, films, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param) / "R"
    trained(spark, out, films, request.param)
    return out


@pytest.fixture(scope="module")
def see(run_dir):
    return run_dir.parent.name.rstrip("0123456789")


def test_the_model_keeps_what_it_is_to_be_shown(run_dir, see):
    assert json.loads((run_dir / "model" / "model.json").read_text())["see"] == see
    network = load_model(run_dir / "model").plan.network
    assert network.see == network.fit.see == see
    assert f"fake, shown {see} (--see)" in (run_dir / "report.html").read_text()
    assert f"fake, shown {see} (--see)" in (run_dir / "card.md").read_text()


def test_spark_and_plain_python_show_it_the_same(run_dir):
    model = load_model(run_dir / "model")
    rows = pq.read_table(run_dir / "predictions").to_pylist()
    for row in rows:
        content = Path(row["path"].removeprefix("file:")).read_bytes()
        (found,) = model.predict(content)
        shares = model.predictor.answer(vector_of(model, content)).probabilities
        assert dict(row["probabilities"]) == pytest.approx(shares, abs=1e-9)
        has_lungs = find_lungs(decode(content).pixels) is not None
        assert NO_LUNGS not in found.flags or not has_lungs


def vector_of(model, content):
    pixels = decode(content).pixels
    sight = sight_of(pixels, model.plan.network.see, find_lungs(pixels))
    whole = replace(model.plan.network, see="film").film(sight.pixels)
    return load(model.plan).features(whole[None])[0].astype(np.float64)


def test_maps_lie_on_the_part_that_was_seen(spark, films, run_dir, tmp_path):
    out = tmp_path / "E"
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        explain={"model": str(run_dir / "model")},
    )
    job.run(EXPLAIN, spark, cfg)
    rows = pq.read_table(out / "explanations").to_pylist()
    boxed = [row for row in rows if row["map_box"]]
    assert boxed, "the lungs of drawn films are found"
    model = load_model(run_dir / "model")
    row = boxed[0]
    pixels = decode(Path(row["path"].removeprefix("file:")).read_bytes()).pixels
    box = sight_of(pixels, "lungs", find_lungs(pixels)).box
    assert row["map_box"] == pytest.approx([box.top, box.bottom, box.left, box.right])
    found = model.explain(pixels, label=row["target"])
    np.testing.assert_allclose(found.map.ravel(), row["map"], atol=1e-5)
    top, bottom = round(box.top * pixels.shape[0]), round(box.bottom * pixels.shape[0])
    assert not found.heat[:top].any()
    assert not found.heat[bottom:].any()
    assert found.heat[top:bottom].any()
    assert {NO_LUNGS in row["flags"] for row in rows if not row["map_box"]} <= {True}


def test_vectors_of_another_sight_have_another_key(run_dir):
    network = load_model(run_dir / "model").plan.network
    assert key(network) != key(replace(network, see="film"))
