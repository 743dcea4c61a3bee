"""Vectors made elsewhere find their films by any key, or one line says why not."""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F

from jobs.ingest import JOB as INGEST
from spark_cxr import config, job
from spark_cxr.errors import InputError
from spark_cxr.output import Output
from spark_cxr.phantoms import manifest_csv, manifest_row, phantoms
from spark_cxr.pipeline.features import featurized_earlier
from spark_cxr.pipeline.foreign_features import _cache, featurized_elsewhere
from spark_cxr.pipeline.vector_rows import check_rows, in_one_form, open_table
from spark_cxr.pipeline.vector_table import VectorFacts, VectorSource
from spark_cxr.schemas import FEATURE_ROWS, columns

LENGTH = 8


@pytest.fixture(scope="module")
def ingested(spark, tmp_path_factory):
    """Ingest 12 drawn films, one of them bad."""
    folder = tmp_path_factory.mktemp("elsewhere")
    drawn = list(phantoms(12, seed=1, size=64, formats=("png",), bad=1))
    for each in drawn:
        place = folder / "films" / each.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(each.data)
    (folder / "films" / "manifest.csv").write_text(
        manifest_csv([manifest_row(each) for each in drawn])
    )
    labels = str(folder / "films" / "manifest.csv")
    ingest = {"images": [str(folder / "films")], "labels": labels}
    job.run(INGEST, spark, config.defaults(run={"out": str(folder / "T")}, ingest=ingest))
    return folder / "T"


@pytest.fixture(scope="module")
def films(ingested):
    return sorted(pq.read_table(ingested / "images").to_pylist(), key=lambda row: row["path"])


def vectors_of(films):
    return np.random.default_rng(3).standard_normal((len(films), LENGTH)).astype(np.float32)


def write(path, keys, vectors, key="path", **more):
    kind = pa.list_(pa.float32())
    made = {key: pa.array(keys), "features": pa.array([*map(list, vectors)], kind)}
    more = {name: pa.array(column) for name, column in more.items()}
    pq.write_table(pa.table({**made, **more}), path)
    return path


def taken(spark, out, table, ingested=None, unmatched="", compare=None, **train):
    """Take vectors, and give what came: ingest result, features, and rows by path."""
    cfg = config.defaults(
        train={"features": str(table), **train},
        features={"table": str(ingested or "")},
        ingest={"unmatched": unmatched},
        compare=compare or {},
    )
    _, found, made = featurized_elsewhere(spark, cfg, Output(str(out)))
    rows = {row["path"]: row for row in pq.read_table(out / "features").to_pylist()}
    return found, made, rows


KEYS = {
    "path": lambda film: film["path"],
    "image": lambda film: "/".join(film["path"].rsplit("/", 2)[1:]),
    "file_name": lambda film: Path(film["path"]).name,
    "stem": lambda film: Path(film["path"]).stem,
    "sha256": lambda film: film["sha256"].upper(),
}


def test_each_film_gets_its_own_vector_by_any_key(spark, ingested, films, tmp_path):
    vectors, ways = vectors_of(films), [*KEYS.values()]
    keys = [ways[i % len(ways)](film) for i, film in enumerate(films)]
    table = write(tmp_path / "v.parquet", keys[::-1], vectors[::-1], "id")
    _, made, rows = taken(spark, tmp_path / "R", table, ingested)
    assert made.n == len(films)
    assert list(next(iter(rows.values()))) == columns(FEATURE_ROWS)
    for film, vector in zip(films, vectors, strict=True):
        row = rows[film["path"]]
        assert row["features"] == vector.tolist()
        assert {row[name] == film[name] for name in ("sha256", "label", "group_id")} == {True}
    assert (made.elsewhere.unmatched, made.elsewhere.without) == (0, 0)


def test_a_copy_of_a_film_shares_its_vector_and_another_film_of_its_name_does_not(
    spark, ingested, films, tmp_path
):
    first, second = films[:2]
    twin = {**second, "path": f"file:/elsewhere/{Path(first['path']).name}"}
    names = [Path(film["path"]).name for film in films if film is not second]
    table = write(tmp_path / "v.parquet", names, vectors_of(names), "name")
    copied = with_images(
        ingested, tmp_path / "a", [{**twin, "sha256": first["sha256"]}, *films[2:]]
    )
    some = write(tmp_path / "s.parquet", names, vectors_of(names), "name")
    _, _, rows = taken(spark, tmp_path / "R", some, copied)
    assert len(rows) == len(films) - 1
    other = with_images(ingested, tmp_path / "b", [first, twin, *films[2:]])
    with pytest.raises(InputError, match="1 keys of several films") as refused:
        taken(spark, tmp_path / "S", table, other)
    assert "--features-key" in str(refused.value)


def with_images(ingested, place, films):
    """Copy an ingest with other rows in its table `images`."""
    shutil.copytree(ingested, place)
    for part in (place / "images").glob("*.parquet"):
        schema = pq.read_schema(part)
        part.unlink()
    pq.write_table(pa.Table.from_pylist(films, schema), place / "images" / "part-0.parquet")
    return place


def test_what_is_alone_is_refused_or_counted(spark, ingested, films, tmp_path):
    bad = pq.read_table(ingested / "quarantine")["path"].to_pylist()
    keys = [film["path"] for film in films[3:]] + [*bad, "gone-1.png", "gone-2.png"]
    table = write(tmp_path / "v.parquet", keys, vectors_of(keys))
    with pytest.raises(InputError) as refused:
        taken(spark, tmp_path / "R", table, ingested)
    assert "2 rows without a film, 3 films without a vector (go…-1.png, " in str(refused.value)
    assert "--unmatched keep" in str(refused.value)
    _, made, rows = taken(spark, tmp_path / "S", table, ingested, unmatched="keep")
    assert sorted(rows) == [film["path"] for film in films[3:]]
    assert (made.elsewhere.unmatched, made.elsewhere.without) == (2, 3)
    assert any("2 rows without a film, 3 films" in line for line in made.elsewhere.caveats())


def test_films_of_classes_that_are_left_out_need_no_vector(spark, ingested, films, tmp_path):
    some = [film for film in films if film["label"] != "COVID-19"]
    assert len(some) == len(films) - 3
    bad = pq.read_table(ingested / "quarantine")["path"].to_pylist()
    keys = [film["path"] for film in some] + bad
    table = write(tmp_path / "v.parquet", keys, vectors_of(keys))
    classes = ["No_findings", "Pneumonia"]
    _, made, rows = taken(spark, tmp_path / "R", table, ingested, classes=classes)
    assert sorted(rows) == [film["path"] for film in some]
    assert (made.elsewhere.unmatched, made.elsewhere.without) == (0, 0)


FAULTS = {
    "lengths": ([[1.0] * 8, [1.0] * 7], "lengths from 7 to 8"),
    "null": ([None, [1.0] * 8], "of 2 rows 1 null"),
    "nan": ([[float("nan")] * 8, [1.0] * 8], "of 2 rows 1 NaN or infinite"),
    "all": ([None, None], "with 2 null"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_rows_that_are_no_vectors_are_refused(spark, tmp_path, fault):
    vectors, message = FAULTS[fault]
    made = pa.table(
        {"path": ["a/1.png", "b/2.png"], "v": pa.array(vectors, pa.list_(pa.float64()))}
    )
    pq.write_table(made, tmp_path / "v.parquet")
    with pytest.raises(InputError, match=message) as refused:
        taken(spark, tmp_path / "R", tmp_path / "v.parquet")
    assert "\n" not in str(refused.value)


def test_a_key_may_stand_twice_only_with_the_same_vector(spark, tmp_path):
    vectors = vectors_of(range(3))
    same = write(tmp_path / "same.parquet", ["a/1", "a/1", "b/2"], vectors[[0, 0, 1]])
    _, made, _ = taken(spark, tmp_path / "R", same)
    assert made.n == 2
    twice = write(tmp_path / "twice.parquet", ["a/1", "a/1", "b/2"], vectors)
    with pytest.raises(InputError, match="1 with several"):
        taken(spark, tmp_path / "S", twice)
    other = write(
        tmp_path / "other.parquet", ["a/1", "a/1", "b/2"], vectors[[0, 0, 1]], label=["x", "y", "x"]
    )
    with pytest.raises(InputError, match="one vector for each key"):
        taken(spark, tmp_path / "U", other)


# Without films


def test_without_films_the_table_says_what_is_known(spark, films, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_CXR_KEY", "k" * 32)
    vectors = vectors_of(films)
    vectors[1] = vectors[0]
    people = ["p1", None, "p1", *(f"q{i}" for i in range(len(films) - 3))]
    table = write(
        *(tmp_path / "v.parquet", [f"{i}.png" for i in range(len(films))], vectors, "image"),
        **{"Label": [film["label"] for film in films], "patient_id": people},
        **{"view": ["posteroanterior", "PA", *["AP"] * (len(films) - 2)]},
        **{"sha256": [*["no digest"] * 2, *(film["sha256"] for film in films[2:])]},
        split=["train", "val"] + ["test"] * (len(films) - 2),
    )
    found, made, rows = taken(spark, tmp_path / "R", table)
    assert (made.n, found.n_images, found.has_films) == (len(films), len(films), False)
    assert (found.patients, found.without_patient) == (len(films) - 2, 1)
    assert [row["label"] for _, row in sorted(rows.items(), key=place)] == [
        f["label"] for f in films
    ]
    assert rows["0.png"]["group_id"] == rows["2.png"]["group_id"] != "p1"
    assert rows["3.png"]["sha256"] == films[3]["sha256"]
    assert len(rows["0.png"]["sha256"]) == 64
    assert (rows["0.png"]["view"], rows["1.png"]["view"]) == (None, "PA")
    assert {row["source"] for row in rows.values()} == {"v"}
    assert "split" in found.images.columns
    assert b"p1" not in b"".join(p.read_bytes() for p in (tmp_path / "R").rglob("*.parquet"))
    assert any("near-duplicates" in each for each in made.elsewhere.not_checked)


def place(item):
    return int(item[0].removesuffix(".png"))


def test_equal_vectors_stay_on_one_side_of_a_split(spark, tmp_path):
    vectors = vectors_of(range(3))[[0, 0, 1]]
    table = write(tmp_path / "v.parquet", ["x/1", "y/2", "y/3"], vectors)
    _, _, rows = taken(spark, tmp_path / "R", table)
    assert rows["x/1"]["group_id"] == rows["y/2"]["group_id"] != rows["y/3"]["group_id"]
    assert [rows[key]["label"] for key in sorted(rows)] == ["x", "y", "y"]  # of the folders


def test_a_label_file_says_more_than_the_table(spark, tmp_path):
    table = write(tmp_path / "v.parquet", ["1.png", "2.png"], vectors_of("ab"), label=["x", "y"])
    (tmp_path / "labels.csv").write_text("image,label,patient_id\n1,A,7\n2,B,8\n")
    cfg = config.defaults(
        train={"features": str(table)}, ingest={"labels": str(tmp_path / "labels.csv")}
    )
    _, found, _ = featurized_elsewhere(spark, cfg, Output(str(tmp_path / "R")))
    rows = sorted(pq.read_table(tmp_path / "R" / "images").to_pylist(), key=lambda r: r["path"])
    assert [row["label"] for row in rows] == ["A", "B"]
    assert found.patients == 2


# Tables


def test_a_table_by_name_and_vectors_of_mllib(spark, tmp_path):
    rows = [(f"{i}.png", [float(i), 1.0], "AB"[i % 2]) for i in range(4)]
    rows.append(("null.png", [], "A"))
    table = spark.createDataFrame(rows, "path string, plain array<double>, label string")
    made = F.when(F.size("plain") > 0, array_to_vector("plain")).alias("made")
    table = table.select("path", made, "label")
    table.write.mode("overwrite").saveAsTable("default.vectors_elsewhere")
    table.write.parquet(str(tmp_path / "T"))
    expected = {path: vector for path, vector, _ in rows if vector}
    for number, name in enumerate(("default.vectors_elsewhere", tmp_path / "T")):
        _, made, found = taken(spark, tmp_path / f"R{number}", name, unmatched="keep")
        assert made.elsewhere.unusable == 1
        assert {path: row["features"] for path, row in found.items()} == expected
    spark.sql("DROP TABLE default.vectors_elsewhere")
    with pytest.raises(InputError, match="an earlier run, or vectors"):
        taken(spark, tmp_path / "S", "default.no_such_table")


def test_vectors_of_one_table_have_one_digest_in_any_order(spark, tmp_path):
    vectors, keys = vectors_of(range(6)), [f"a/{i}" for i in range(6)]
    changed = [*keys[:5], "a/7"]
    digests = []
    for names, order in ((keys, range(6)), (keys, [3, 1, 5, 0, 2, 4]), (changed, range(6))):
        path = write(tmp_path / "v.parquet", [names[i] for i in order], vectors[[*order]])
        table, rows = open_table(spark, VectorSource(str(path), "", ""))
        digests.append(check_rows(in_one_form(rows, table, {}), table, keeps=False).digest)
    assert digests[0] == digests[1] != digests[2]
    made = [_cache(facts(digest)).key for digest in digests[1:]]
    assert made[0] != made[1]
    assert all(key.startswith("v-") for key in made)


def facts(digest):
    return VectorFacts("v.parquet", "v", LENGTH, digest, "", 6)


def test_a_run_on_such_vectors_is_no_earlier_featurize(spark, tmp_path):
    table = write(tmp_path / "v.parquet", ["a/1", "b/2"], vectors_of("ab"))
    cfg = config.defaults(train={"features": str(table)})
    output = Output(str(tmp_path / "R"))
    featurized_elsewhere(spark, cfg, output)
    output.write_json("run.json", {"status": "ok", "job": "train", "config": asdict(cfg)})
    again = config.defaults(train={"features": str(tmp_path / "R")})
    with pytest.raises(InputError, match="a run that made its vectors"):
        featurized_earlier(spark, again)
