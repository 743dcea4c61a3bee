import pyarrow.parquet as pq
import pytest

from jobs.featurize import JOB
from jobs.ingest import JOB as INGEST
from jobs.train_lr import JOB as TRAIN_LR
from spark_cxr import job
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.pipeline.features import featurized_earlier
from spark_cxr.schemas import FEATURE_ROWS, columns
from tests.quick import defaults


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


@pytest.fixture(scope="module")
def ingested(spark, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("ingested") / "T"
    job.run(INGEST, spark, of(films, run={"out": str(out)}))
    return out


def labelled(films):
    return {"images": [str(films)], "labels": str(films / "manifest.csv")}


def of(films, **changed):
    return defaults(**{"ingest": labelled(films), **changed})


def with_table(spark, out, table, **changed):
    cfg = defaults(run={"out": str(out)}, features={"table": str(table)}, **changed)
    return job.run(JOB, spark, cfg)


def test_films_of_an_earlier_ingest_get_the_vectors_of_their_files(
    spark, films, ingested, tmp_path
):
    said = with_table(spark, tmp_path / "F", ingested)
    featurized(spark, tmp_path / "direct", films)
    assert (said["files"], said["images"], said["quarantined"]) == (69, 60, 9)
    assert vectors(tmp_path / "F") == vectors(tmp_path / "direct")
    labels = pq.read_table(tmp_path / "F" / "features")["label"].unique().to_pylist()
    assert sorted(labels) == ["COVID-19", "No_findings", "Pneumonia"]


def test_a_film_that_changed_since_its_ingest_is_set_aside(spark, films, tmp_path):
    few = tmp_path / "P" / "x"
    few.mkdir(parents=True)
    for film in sorted((films / "Pneumonia").glob("*.png"))[:3]:
        (few / film.name).write_bytes(film.read_bytes())
    job.run(
        INGEST, spark, defaults(run={"out": str(tmp_path / "T")}, ingest={"images": [str(few)]})
    )
    first, second, third = sorted(few.iterdir())
    first.write_bytes(third.read_bytes())
    second.unlink()
    said = with_table(spark, tmp_path / "F", tmp_path / "T")
    assert said["images"] == 1
    lost = pq.read_table(tmp_path / "F" / "quarantine").to_pylist()
    assert {row["path"].rsplit("/", 1)[-1] for row in lost} == {first.name, second.name}
    assert {row["reason"] for row in lost} == {"unreadable"}


def test_table_and_images_at_once_are_refused(spark, films, ingested, tmp_path):
    with pytest.raises(ConfigError, match="Expected --images or --table"):
        with_table(spark, tmp_path / "F", ingested, ingest={"images": [str(films)]})


def test_a_folder_without_a_finished_ingest_is_no_table(spark, films, tmp_path):
    with pytest.raises(InputError, match="a run that ended well and left images/"):
        with_table(spark, tmp_path / "F", films)


def test_vectors_made_of_a_table_come_with_the_films_of_that_table(
    spark, films, ingested, tmp_path
):
    with_table(spark, tmp_path / "F", ingested)
    cfg, account, made = featurized_earlier(
        spark, defaults(train={"features": str(tmp_path / "F")})
    )
    assert cfg.ingest.images == (str(films),)
    assert (account.files, account.n_images, account.quarantined) == (69, 60, 9)
    assert made.n == 60


def trained(spark, out, **changed):
    train = {"learning_curve": False, "explained": 0, "resamples": 200, **changed.pop("train", {})}
    return job.run(TRAIN_LR, spark, defaults(run={"out": str(out)}, train=train, **changed))


@pytest.mark.slow
def test_training_on_vectors_of_an_earlier_run_equals_training_on_the_films(spark, films, tmp_path):
    job.run(JOB, spark, of(films, run={"out": str(tmp_path / "F")}))
    on_vectors = trained(spark, tmp_path / "a", train={"features": str(tmp_path / "F")})
    on_films = trained(spark, tmp_path / "b", ingest=labelled(films))
    names = ("accuracy", "f1_macro", "n_train", "n_test", "images", "quarantined")
    assert [on_vectors[n] for n in names] == [on_films[n] for n in names]
    assert not (tmp_path / "a" / "features").exists()


@pytest.mark.slow
def test_vectors_of_another_network_than_the_one_asked_for_are_refused(spark, films, tmp_path):
    job.run(JOB, spark, of(films, run={"out": str(tmp_path / "F")}))
    with pytest.raises(ConfigError, match="the features' own backbone, fake"):
        trained(
            spark,
            tmp_path / "R",
            features={"backbone": "ResNet50"},
            train={"features": str(tmp_path / "F")},
        )
