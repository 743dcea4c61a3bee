"""A user's ONNX file through the jobs: trained on, compared, explained, scored with, refused."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import spark_cxr
from jobs import audit, compare, featurize, score, train_lr
from spark_cxr import job
from spark_cxr.errors import ConfigError, WeightsError
from tests import tiny_onnx
from tests.quick import defaults

CARD = '[input]\nscale = 0.003921568627450980\n[output]\nvector = "vector"\nmaps = "maps"\n'


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "tiny.onnx"
    path.write_bytes(tiny_onnx.pooled(size=64))
    path.with_suffix(".toml").write_text(CARD)
    return path


def settings(films, out, **changes):
    words = {
        "run": {"out": str(out)},
        "ingest": {"images": [str(films)], "labels": str(films / "manifest.csv")},
        "train": {"resamples": 100, "learning_curve": False, "explained": 1},
    }
    return defaults(**{**words, **changes})


@pytest.fixture(scope="module")
def run_dir(spark, films, tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("onnx") / "R"
    job.run(train_lr.JOB, spark, settings(films, out, features={"backbone": str(tiny)}))
    return out


def test_the_model_is_whole_without_the_file_it_came_from(run_dir, tiny, tmp_path):
    moved = tmp_path / "elsewhere"
    (run_dir / "model").rename(moved)
    tiny.rename(tiny.with_name("gone.onnx"))
    try:
        model = spark_cxr.load_model(moved)
        rows = pq.read_table(run_dir / "predictions").to_pylist()
        for row in rows[:5]:
            content = Path(row["path"].removeprefix("file:")).read_bytes()
            (told,) = model.predict(content)
            assert dict(told.probabilities) == pytest.approx(dict(row["probabilities"]), abs=1e-6)
        assert model.plan.network.card.scale == pytest.approx(1 / 255)
        exact = model.explain(content, exact=True)
        assert exact.method == "cam"
        assert exact.heat.shape == exact.film.shape[:2]
    finally:
        tiny.with_name("gone.onnx").rename(tiny)
        moved.rename(run_dir / "model")


def test_new_films_are_scored_by_it(spark, run_dir, films, tmp_path):
    words = {"model": str(run_dir / "model"), "images": [str(films)], "table": str(tmp_path / "T")}
    said = job.run(score.JOB, spark, defaults(score=words))
    assert said["scored"] == 60


@pytest.mark.slow
def test_networks_of_users_are_compared_on_films_that_are_decoded_once(
    spark, films, tiny, tmp_path
):
    cfg = settings(
        films,
        tmp_path / "C",
        compare={
            "backbones": ("fake", str(tiny)),
            "heads": ("lr",),
            "folds": 2,
            "splits": ["image"],
        },
    )
    said = job.run(compare.JOB, spark, cfg)
    ranking = json.loads((tmp_path / "C" / "comparison.json").read_text())["ranking"]
    assert {row["backbone"] for row in ranking} == {"fake", "tiny"}
    assert said["times"]["films"] < 2 * 60


def test_a_broken_file_leaves_nothing_half_made(spark, films, tiny, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(tiny.read_bytes()[:150])
    broken.with_suffix(".toml").write_text(CARD)
    cfg = settings(films, tmp_path / "F", features={"backbone": str(broken)})
    with pytest.raises(WeightsError, match="a graph that OpenVINO reads"):
        job.run(featurize.JOB, spark, cfg)
    assert not (tmp_path / "F").exists()


def test_an_audit_alters_whole_films_and_takes_no_cut_ones(spark, films, tiny, tmp_path):
    network = {"backbone": str(tiny), "card": 'fit = "crop", scale = 1'}
    with pytest.raises(ConfigError, match="a network that sees whole films"):
        job.run(audit.JOB, spark, settings(films, tmp_path / "A", features=network))


@pytest.mark.slow
def test_levels_in_a_wrong_range_are_noticed_on_the_first_films(
    spark, films, tiny, tmp_path, caplog
):
    faint = "scale = 1e-7, offset = 1.0"
    cfg = settings(films, tmp_path / "F", features={"backbone": str(tiny), "card": faint})
    with caplog.at_level("WARNING", "spark_cxr"):
        job.run(featurize.JOB, spark, cfg)
    assert "nearly alike" in caplog.text
    rows = pq.read_table(tmp_path / "F" / "features").to_pylist()
    assert np.ptp([row["features"] for row in rows], axis=0).max() < 1e-4
