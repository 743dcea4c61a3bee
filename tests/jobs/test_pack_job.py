"""`pack`: what is read out of the shards is what lay in the folder, labels and vectors too."""

import pyarrow.parquet as pq
import pytest

from jobs.featurize import JOB as FEATURIZE
from jobs.pack import JOB
from jobs.score import JOB as SCORE
from jobs.train_lr import JOB as TRAIN_LR
from spark_cxr import job
from spark_cxr.archives import catalog
from spark_cxr.errors import InputError
from tests.quick import defaults


def packed(spark, films, out, labels="", **more):
    ingest = {"images": [str(films)], "labels": labels or str(films / "manifest.csv")}
    cfg = defaults(run={"out": str(out)}, ingest=ingest, pack=more)
    return job.run(JOB, spark, cfg)


def vectors(spark, images, out, **ingest):
    cfg = defaults(run={"out": str(out)}, ingest={"images": [str(images)], **ingest})
    job.run(FEATURIZE, spark, cfg)
    films = pq.read_table(out / "images", columns=["path", "label", "sha256"]).to_pylist()
    found = {row["path"]: row["features"] for row in pq.read_table(out / "features").to_pylist()}
    bad = pq.read_table(out / "quarantine").to_pylist()
    return (
        {row["sha256"]: (row["label"], found[row["path"]]) for row in films},
        sorted((row["sha256"] or "", row["reason"], row["detail"]) for row in bad),
    )


@pytest.mark.parametrize("kind", ["webdataset", pytest.param("parquet", marks=pytest.mark.slow)])
def test_shards_hold_what_lay_in_the_folder(spark, films, tmp_path, kind):
    said = packed(spark, films, tmp_path / "P", format=kind, shard_bytes=200_000)
    shards = sorted((tmp_path / "P").glob("films-*"))
    assert (said["packed"], said["left_out"], said["shards"]) == (68, 1, len(shards))
    assert len(shards) > 3
    assert all(shard.stat().st_size < 500_000 for shard in shards)
    manifest = str(films / "manifest.csv")
    plain, plain_bad = vectors(spark, films, tmp_path / "a", labels=manifest)
    again, again_bad = vectors(spark, tmp_path / "P", tmp_path / "b")
    assert again == plain
    assert again_bad == [row for row in plain_bad if row[1] != "empty"]


def test_the_same_films_give_the_same_bytes(spark, films, tmp_path):
    for name in "ab":
        packed(spark, films, tmp_path / name)
    one, other = (next((tmp_path / name).glob("films-*")).read_bytes() for name in "ab")
    assert one == other


def test_archives_are_packed_too_and_names_stay_apart(spark, films, tmp_path):
    packed(spark, films / "Pneumonia", tmp_path / "P", shard_bytes=10**9, labels="none")
    cfg = defaults(
        run={"out": str(tmp_path / "Q")},
        ingest={"images": [str(tmp_path / "P"), str(films / "COVID-19")], "labels": "none"},
    )
    job.run(JOB, spark, cfg)
    names = [
        member.name
        for shard in (tmp_path / "Q").glob("films-*")
        for member in catalog.members_of(f"file:{shard}")
    ]
    assert len(names) == len(set(names)) > 20


def test_nothing_to_pack_is_refused(spark, tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").touch()
    with pytest.raises(InputError, match="files that can be packed"):
        packed_of = {"images": [str(tmp_path / "films")]}
        job.run(JOB, spark, defaults(run={"out": str(tmp_path / "P")}, ingest=packed_of))


@pytest.mark.slow
def test_a_model_scores_shards_once(spark, films, tmp_path):
    quick = {"resamples": 100, "learning_curve": False, "explained": 0}
    trained = {"images": [str(films)], "labels": str(films / "manifest.csv")}
    cfg = defaults(run={"out": str(tmp_path / "R")}, ingest=trained, train=quick)
    job.run(TRAIN_LR, spark, cfg)
    packed(spark, films, tmp_path / "P")
    model, table = str(tmp_path / "R" / "model"), str(tmp_path / "S")
    asked = {"model": model, "images": [str(tmp_path / "P")], "table": table}
    first = job.run(SCORE, spark, defaults(run={"out": ""}, score=asked))
    again = job.run(SCORE, spark, defaults(run={"out": ""}, score=asked))
    assert (first["scored"], again["scored"]) == (60, 0)
