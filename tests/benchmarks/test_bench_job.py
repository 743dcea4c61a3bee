import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark import cloudpickle

from benchmarks.bench import peers
from benchmarks.bench.contestants import CONTESTANTS
from benchmarks.bench.frameworks import is_missing
from benchmarks.bench.results import Benched, Pass, Scale, Spent, report, table
from jobs.bench import JOB
from spark_cxr import job
from spark_cxr.backbones.engines.plan import Used
from spark_cxr.choices import PEERS
from spark_cxr.errors import ConfigError, SetupError
from spark_cxr.job import exit_code
from tests.quick import defaults

pytestmark = pytest.mark.slow


def benched(spark, out, films, peers, limit=12, rounds=2, **features):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)]},
        features=features,
        bench={"peers": list(peers), "rounds": rounds, "limit": limit},
    )
    return job.run(JOB, spark, cfg)


def vectors(out, name):
    rows = pq.read_table(out / "vectors" / name).to_pylist()
    return {row["path"].rpartition("/")[2]: row["features"] for row in rows}


@pytest.fixture(scope="module")
def tiny(spark, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "B"
    said = benched(
        spark, out, films / "Pneumonia", ["engine_process", "spark_alone", "engine_alone"]
    )
    return out, said


def figures():
    """One record with figures that are easy to reckon with."""
    passes = {
        "product": (Pass(10.0), Pass(80.0), Pass(30.0)),
        "recipe": (Pass(5.0), Pass(6.0), Pass(100.0)),
        "spark_alone": (Pass(100.0), Pass(200.0), Pass(400.0)),
        "engine_alone": (
            Pass(50.0, 40.0, (Spent(10, 0.1, 0.02, 0.03, 0.2), Spent(10, 0.3, 0.02, 0.03, 0.2))),
            Pass(50.0, 60.0),
            Pass(50.0, 10.0),
        ),
    }
    starts = {"product": 3.0, "recipe": 9.0, "spark_alone": 2.0, "engine_alone": 1.0}
    scales = (Scale(100, 1, 9.5, 800, 300), Scale(400, 1, 9.6, 801, 301))
    used = Used("fake", "cpu", "f32", 1, 32)
    return Benched(7, 2, passes, starts, scales, "key", "", used, 0.0)


def test_every_name_of_the_settings_has_a_contestant():
    assert tuple(CONTESTANTS) == PEERS


def test_every_contestant_makes_a_vector_of_each_image(tiny):
    out, said = tiny
    assert 0 < said["images"] <= 12
    for name in ("product", "engine_process", "spark_alone"):
        assert len(vectors(out, name)) == said["images"]


def test_product_and_engine_process_make_the_same_vectors(tiny):
    out, _ = tiny
    mine, other = vectors(out, "product"), vectors(out, "engine_process")
    assert mine.keys() == other.keys()
    for name, vector in mine.items():
        np.testing.assert_allclose(vector, other[name], rtol=1e-6)


def test_each_counted_round_stands_in_bench_json_and_the_lead_in_does_not(tiny):
    out, said = tiny
    kept = json.loads((out / "bench.json").read_text())["contestants"]
    assert list(kept) == ["product", "engine_process", "spark_alone", "engine_alone"]
    assert {len(each["images_per_second"]) for each in kept.values()} == {2}
    assert said["contestants"] == kept


def test_functions_of_peers_run_where_benchmarks_is_not(tmp_path):
    known = peers.KerasNetwork("MobileNetV2", (64, 64), ())
    (tmp_path / "sent").write_bytes(cloudpickle.dumps((peers.no_network(8), peers.film_of, known)))
    code = "import pickle; _, _, known = pickle.load(open('sent', 'rb')); print(known.size_hw)"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("(64, 64)\n", "")


def test_ratios_are_of_medians():
    said = report(figures())
    assert said["contestants"]["product"]["median"] == 30.0
    assert said["ratios"] == {"recipe": 5.0, "spark_alone": 0.15, "engine_alone": 0.6}


def test_share_is_that_of_the_median_limit():
    said = report(figures())
    assert (said["limit"], said["share_of_limit"]) == (40.0, 0.75)


def test_table_has_a_line_a_contestant():
    lines = table(figures()).splitlines()
    assert [line.split()[0] for line in lines[1:6]] == [*figures().passes, "limit"]


def test_profile_accounts_for_all_the_time_of_a_film():
    steps = report(figures())["core_milliseconds_of_a_film"]
    assert steps["all"] == pytest.approx(2 / 30 * 1000, abs=0.01)
    assert (steps["decoding"], steps["engine"]) == (20.0, 20.0)
    assert steps["spark"] == pytest.approx(2 / 200 * 1000, abs=0.01)
    assert steps["rest"] == pytest.approx(66.67 - 20 - 2 - 3 - 20 - 10, abs=0.01)


def test_scaling_is_a_line_a_run():
    lines = [line.split() for line in table(figures()).splitlines() if "images " in line]
    assert ["400", "images", "1", "9.6", "801", "301"] in lines


def test_scaling_runs_more_and_more_films_and_sees_the_memory_of_both(spark, films, tmp_path):
    cfg = {"peers": ["product"], "rounds": 1, "limit": 4, "scaling": True}
    said = job.run(
        JOB,
        spark,
        defaults(run={"out": str(tmp_path / "B")}, ingest={"images": [str(films)]}, bench=cfg),
    )
    assert [(each["images"], each["slots"]) for each in said["scaling"]] == [
        *((1, 1), (4, 1), (16, 1)),
        *((1, 2), (4, 2), (16, 2)),
    ]
    assert all(each["driver_megabytes"] > each["worker_megabytes"] > 0 for each in said["scaling"])


def test_unknown_contestant_is_refused_with_the_nearest(capsys):
    assert exit_code(JOB, ["--images", "x", "--peers", "recipes"]) == 2
    assert "Did you mean recipe?" in capsys.readouterr().err


def test_peer_that_cannot_run_the_network_is_refused(spark, films, tmp_path):
    with pytest.raises(ConfigError, match=r"bench\.peers that run fake") as error:
        benched(spark, tmp_path / "B", films, ["recipe"])
    assert "Leave recipe out" in str(error.value)


@pytest.mark.skipif(not is_missing("daft"), reason="Daft is installed here")
def test_framework_that_is_not_installed_is_refused_with_its_package(spark, films, tmp_path):
    with pytest.raises(SetupError, match="Expected the package of daft") as error:
        benched(spark, tmp_path / "B", films, ["daft"], backbone="ResNet50", weights="random:0")
    assert "pip install daft" in str(error.value)


@pytest.mark.slow
def test_all_contestants_featurize_all_images_alike(spark, films, tmp_path):
    network = {"backbone": "MobileNetV2", "weights": "random:0", "precision": "f32"}
    said = benched(spark, tmp_path / "B", films / "Pneumonia", [], limit=6, rounds=1, **network)
    here = {name for name in PEERS if not is_missing(name)}
    assert set(said["contestants"]) == here
    mine = vectors(tmp_path / "B", "product")
    for name in here - {"product", "spark_alone", "engine_alone"}:  # no network, no vectors
        other = vectors(tmp_path / "B", name)
        assert other.keys() == mine.keys()
        for film, vector in mine.items():
            a, b = np.asarray(vector), np.asarray(other[film])
            assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.99, name
