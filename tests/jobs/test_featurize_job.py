import pyarrow.parquet as pq
import pytest

from jobs.featurize import JOB
from spark_cxr import job
from spark_cxr.config import defaults
from spark_cxr.schemas import FEATURE_ROWS, columns


def featurized(spark, out, films, **features):
    cfg = defaults(run={"out": str(out)}, ingest={"images": [str(films)]}, features=features)
    return job.run(JOB, spark, cfg)


def vectors(out):
    return {r["path"]: r["features"] for r in pq.read_table(out / "features").to_pylist()}


def test_each_image_has_a_vector_and_each_bad_file_a_reason(spark, films, tmp_path):
    said = featurized(spark, tmp_path / "F", films)
    assert (said["files"], said["images"], said["quarantined"]) == (69, 60, 9)
    table = pq.read_table(tmp_path / "F" / "features")
    assert table.column_names == columns(FEATURE_ROWS)
    assert {len(row) for row in table["features"].to_pylist()} == {128}


def test_a_second_run_takes_the_vectors_from_the_cache(spark, films, tmp_path):
    cache = str(tmp_path / "cache")
    first = featurized(spark, tmp_path / "a", films, cache=cache)
    second = featurized(spark, tmp_path / "b", films, cache=cache)
    assert (first["reused"], second["reused"]) == (0, 60)
    assert vectors(tmp_path / "a") == vectors(tmp_path / "b")


def test_only_new_contents_are_computed(spark, films, tmp_path):
    cache = str(tmp_path / "cache")
    some = films / "Pneumonia"
    known = featurized(spark, tmp_path / "a", some, cache=cache)["images"]
    said = featurized(spark, tmp_path / "b", films, cache=cache)
    assert 0 < known == said["reused"] < said["images"] == 60


def test_equal_files_share_a_vector_through_the_cache(spark, films, tmp_path):
    film = next((films / "Pneumonia").glob("*.png")).read_bytes()
    for name in ("one", "twin"):
        (tmp_path / "P" / "x").mkdir(parents=True, exist_ok=True)
        (tmp_path / "P" / "x" / f"{name}.png").write_bytes(film)
    said = featurized(spark, tmp_path / "F", tmp_path / "P", cache=str(tmp_path / "cache"))
    made = list(vectors(tmp_path / "F").values())
    assert said["images"] == 2
    assert made[0] == pytest.approx(made[1])
