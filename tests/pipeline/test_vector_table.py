"""What a table of vectors is, and which of its columns say what, without Spark."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_cxr.errors import InputError
from spark_cxr.pipeline.vector_table import (
    KEY,
    NETWORK,
    VectorSource,
    batches_of,
    is_vector_table,
    open_dataset,
    table_of_files,
)

VECTORS = pa.array([[1.0, 2.0]], pa.list_(pa.float32()))


def written(path, metadata=None, /, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {name: c if isinstance(c, pa.Array) else pa.array(c) for name, c in columns.items()}
    pq.write_table(pa.table(made).replace_schema_metadata(metadata), path)
    return path


def source(path, key="", column=""):
    return VectorSource(str(path), key, column)


def test_a_run_is_no_table_and_parquet_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "T" / "a.parquet", id=["x"], v=VECTORS)
    written(tmp_path / "R" / "features" / "a.parquet", id=["x"], v=VECTORS)
    (tmp_path / "R" / "run.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    assert is_vector_table(str(tmp_path / "T"))
    assert is_vector_table(str(tmp_path / "T" / "a.parquet"))
    assert is_vector_table("catalog.films.vectors")
    assert is_vector_table("gone.parquet")
    assert not is_vector_table(str(tmp_path / "R"))
    assert not is_vector_table("empty")
    assert not is_vector_table(str(tmp_path / "gone"))
    assert not is_vector_table("")


@pytest.mark.parametrize(
    ("columns", "key", "vectors"),
    [
        ({"path": ["a"], "features": VECTORS}, "path", "features"),
        ({"Sha256": ["a"], "Path": ["b"], "x": VECTORS}, "Path", "x"),
        ({"digest": ["a"], "label": ["b"], "Embedding": VECTORS, "more": VECTORS}, "digest",
         "Embedding"),
        ({"name": ["a"], "vector": VECTORS, "embedding": VECTORS}, "name", "embedding"),
        ({"id": [7], "v": VECTORS}, "id", "v"),
    ],
)  # fmt: skip
def test_columns_are_found_by_name(tmp_path, columns, key, vectors):
    table = table_of_files(source(written(tmp_path / "v.parquet", **columns)))
    assert (table.key, table.column) == (key, vectors)


def test_columns_that_are_named_count_first(tmp_path):
    place = written(tmp_path / "v.parquet", path=["a"], uid=["b"], features=VECTORS, cls=VECTORS)
    table = table_of_files(source(place, "uid", "cls"))
    assert (table.key, table.column) == ("uid", "cls")


@pytest.mark.parametrize(
    ("columns", "said", "message"),
    [
        ({"path": ["a"], "n": [1]}, {}, "one column of vectors (array<float>, array<double>"),
        ({"path": ["a"], "features": ["text"]}, {}, "features (string)"),
        ({"path": ["a"], "x": VECTORS, "y": VECTORS}, {}, "Name it with --features-column"),
        ({"path": ["a"], "x": VECTORS}, {"column": "y"}, "a column y of vectors"),
        ({"path": ["a"], "x": VECTORS}, {"column": "path"}, "path of string. Name one of x"),
        ({"uid": ["a"], "x": VECTORS}, {}, "Name it with --features-key"),
        ({"uid": ["a"], "x": VECTORS}, {"key": "uit"}, "Did you mean uid?"),
        ({"x": VECTORS}, {"key": "x"}, "a column x (--features-key)"),
    ],
)  # fmt: skip
def test_a_table_without_them_is_refused_in_one_line(tmp_path, columns, said, message):
    place = written(tmp_path / "v.parquet", **columns)
    with pytest.raises(InputError) as refused:
        table_of_files(source(place, **said))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "v.parquet").write_bytes(b"no parquet")
    delta = written(tmp_path / "D" / "a.parquet", path=["a"], x=VECTORS).parent
    (delta / "_delta_log").mkdir()
    for place, message in ((tmp_path / "v.parquet", "vectors that can be read"),
                           (tmp_path / "gone.parquet", "--features"),
                           (delta, "a folder of Delta")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            open_dataset(source(place))


def test_a_table_is_called_by_its_network_or_its_file(tmp_path):
    plain = written(tmp_path / "med image.v1.parquet", path=["a"], x=VECTORS)
    assert table_of_files(source(plain)).name == "med-image-v1"
    said = {NETWORK: "RAD-DINO", KEY: "RAD-DINO-00-f32", "other": json.dumps({})}
    named = table_of_files(source(written(tmp_path / "b.parquet", said, path=["a"], x=VECTORS)))
    assert (named.name, named.network_key) == ("RAD-DINO", "RAD-DINO-00-f32")


def test_a_folder_is_read_batch_by_batch_without_hidden_files(tmp_path):
    for name in ("a", "b", "sub/c", "_hidden", ".half"):
        written(tmp_path / f"{name}.parquet", path=[name] * 5, x=pa.array([[1.0]] * 5))
    batches = list(batches_of(source(tmp_path), ["path", "x"], rows=2))
    assert max(batch.num_rows for batch in batches) == 2
    assert {p for batch in batches for p in batch["path"].to_pylist()} == {"a", "b", "sub/c"}
