"""Which files get a row: new ones, changed ones, each once; half-copied ones later."""

import os
from pathlib import Path

import pytest
from scoring_table import names, rows

import spark_cxr


@pytest.fixture
def table(tmp_path):
    return tmp_path / "T"


def test_each_file_gets_one_row_with_what_the_model_says_of_it(score, table, folder, model):
    said = score()
    assert (said["files"], said["scored"], said["quarantined"]) == (6, 6, 0)
    judge = spark_cxr.load_model(model)
    for row in rows(table):
        (expected,) = judge.predict(Path(row["path"].removeprefix("file:")).read_bytes())
        assert row["prediction"] == (expected.label or None)
        assert dict(row["probabilities"]) == pytest.approx(expected.probabilities, abs=1e-6)
        assert row["training_distance"] == pytest.approx(expected.distance, abs=1e-6)


def test_a_second_run_finds_nothing_new(score, table):
    first = score()
    before = rows(table)
    second = score()
    assert (first["arrived"], second["arrived"], second["scored"]) == (6, 0, 0)
    assert rows(table) == before


def test_only_what_has_arrived_is_scored(score, table, folder, drawn):
    score()
    (folder / "late.png").write_bytes(drawn[7])
    assert score()["scored"] == 1
    assert len(rows(table)) == 7


def test_a_file_that_is_changed_in_place_gets_a_second_row(score, table, folder, drawn):
    score()
    (folder / "deep er" / "a.png").write_bytes(drawn[8])
    assert score()["scored"] == 1
    changed = [row for row in rows(table) if row["path"].endswith("/a.png")]
    assert len({row["sha256"] for row in changed}) == 2


def test_a_file_with_a_new_time_and_the_same_content_gets_none_and_is_read_once(
    score, table, folder
):
    score()
    os.utime(folder / "deep er" / "a.png", (1_000_000_000, 1_000_000_000))
    second, third = score(), score()
    assert (second["same_content"], second["scored"], third["arrived"]) == (1, 0, 0)
    assert len(rows(table)) == 6


def test_a_content_that_comes_back_gets_no_second_row(score, table, folder, drawn):
    score()
    for data in (drawn[8], drawn[0]):
        (folder / "deep er" / "a.png").write_bytes(data)
        last = score()
    assert last["same_content"] == 1
    assert len(rows(table)) == 7


def test_one_content_under_two_paths_is_two_rows(score, table, folder, drawn):
    (folder / "twin.png").write_bytes(drawn[0])
    score()
    twins = [row for row in rows(table) if row["path"].endswith(("/a.png", "/twin.png"))]
    assert [row["sha256"] for row in twins] == [twins[0]["sha256"]] * 2


def test_a_half_copied_file_waits_and_is_scored_when_it_is_whole(score, table, folder, drawn):
    late = folder / "late.png"
    late.write_bytes(drawn[9][: len(drawn[9]) // 2])
    first = score()
    late.write_bytes(drawn[9])
    second = score()
    assert (first["waiting"], first["quarantined"]) == (1, 0)
    assert (second["waiting"], second["scored"]) == (0, 1)
    assert names(table, "_quarantine") == []


def test_a_file_that_grows_from_run_to_run_goes_on_waiting(score, table, folder, drawn):
    late = folder / "late.png"
    for end in (100, 200, 300):
        late.write_bytes(drawn[9][:end])
        assert (said := score())["waiting"] == 1, said
    assert names(table, "_quarantine") == []


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"no image at all", "not_an_image")]
)
def test_a_bad_file_is_set_aside_at_the_second_look_and_not_looked_at_again(
    score, table, folder, content, reason
):
    (folder / "bad.png").write_bytes(content)
    said = [score() for _ in range(3)]
    assert [each["waiting"] for each in said] == [1, 0, 0]
    assert [each["quarantined"] for each in said] == [0, 1, 0]
    assert [each["arrived"] for each in said] == [7, 1, 0]
    (row,) = rows(table, "_quarantine")
    assert (row["reason"], row["bytes"]) == (reason, len(content))


def test_a_file_that_is_too_large_is_set_aside_at_once_and_not_read(score, table, folder):
    sizes = sorted(path.stat().st_size for path in (folder / "deep er").iterdir())
    said = score(max_bytes=sizes[-1] - 1)
    assert said["reasons"] == {"too_large": 1}
    assert rows(table, "_quarantine")[0]["sha256"] is None


def test_a_new_model_scores_only_what_is_new_unless_it_is_told_to(score, table, other_model):
    score()
    assert score(model=other_model)["arrived"] == 0
    assert score(model=other_model, rescore=True)["scored"] == 6
    assert score(model=other_model, rescore=True)["arrived"] == 0
    per_model = {row["model"] for row in rows(table)}
    assert (len(rows(table)), len(per_model)) == (12, 2)


def test_batches_hold_no_more_files_and_bytes_than_they_may(score, table):
    assert score(max_files_per_trigger=4)["batches"] == 2
    assert len(list(table.glob("scored_on=*/*.parquet"))) == 2


def test_batches_hold_no_more_bytes_than_they_may(score):
    assert score(max_bytes_per_trigger=1)["batches"] == 6


def test_the_table_can_be_read_where_nothing_could_be_scored(score, table, folder, spark):
    for film in (folder / "deep er").iterdir():
        film.write_bytes(b"no image")
    score()
    assert spark.read.parquet(str(table)).count() == 0
    assert "prediction" in spark.read.parquet(str(table)).columns
