"""What a reader sees when a run is cut off in the middle of a commit."""

import errno

import pytest
from pyarrow import fs
from scoring_table import names, rows, told

from spark_cxr import output
from spark_cxr.errors import InputError, OutputError
from spark_cxr.output import Output
from spark_cxr.verbs.score import batch as batches
from spark_cxr.verbs.score.table import ParquetTable


@pytest.fixture
def table(tmp_path):
    return tmp_path / "T"


class CutOff(Exception):
    """Stands for SIGKILL: nobody catches it."""


@pytest.mark.parametrize("survives", [0, 1, 2, 3])
def test_a_run_that_dies_between_two_commits_is_made_up_for(
    score, table, folder, tmp_path, monkeypatch, survives
):
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "large.png").write_bytes(b"x" * 100_000)
    whole = {"max_bytes": 50_000, "max_files_per_trigger": 4}
    score(table=str(tmp_path / "undisturbed"), **whole)
    commit, done = ParquetTable.append, []

    def dies(self, kind, *rest):
        if len(done) == survives:
            raise CutOff
        done.append(kind)
        commit(self, kind, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(ParquetTable, "append", dies)
        with pytest.raises(CutOff):
            score(**whole)
    score(**whole)
    assert told(table) == told(tmp_path / "undisturbed")
    assert "large.png" in names(table, "_quarantine")


def test_what_is_half_written_is_hidden_from_readers_and_swept_away(score, table, spark):
    score()
    day = next(table.glob("scored_on=*"))
    half = day / ".x.parquet.0123abcd.half"
    half.write_bytes(b"PAR1 and then nothing")
    assert len(rows(table)) == spark.read.parquet(str(table)).count() == 6
    score()
    assert not half.exists()


def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "locate", lambda address: (FullDisk(), address))
    with pytest.raises(OSError, match="No space left"):
        Output(str(tmp_path)).write_bytes("scored_on=x/a.parquet", b"rows")
    assert list((tmp_path / "scored_on=x").iterdir()) == []


class FullDisk:
    """A disk on which the last byte finds no place."""

    def __getattr__(self, name):
        return getattr(fs.LocalFileSystem(), name)

    def move(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_rows_have_the_same_bits_in_batches_of_any_size(score, table, tmp_path, folder, drawn):
    for i, data in enumerate(drawn):
        (folder / f"more{i}.png").write_bytes(data)
    score(table=str(tmp_path / "one"), max_files_per_trigger=1)
    score(table=str(tmp_path / "five"), max_files_per_trigger=5, batch_size=3)
    score()
    assert told(table) == told(tmp_path / "one") == told(tmp_path / "five")


def test_a_file_that_vanishes_before_it_is_read_does_not_stop_the_others(
    score, table, folder, monkeypatch
):
    original = batches._score

    def late(run, batch):
        (folder / "deep er" / "a.png").unlink(missing_ok=True)
        return original(run, batch)

    monkeypatch.setattr(batches, "_score", late)
    said = score()
    assert (said["scored"], said["waiting"]) == (5, 1)
    assert names(table, "_waiting") == ["a.png"]


def test_a_second_writer_is_told_who_writes(score, table, tmp_path):
    from spark_cxr.verbs.score.lease import only_writer

    with (
        only_writer(Output(str(table)), wait=False),
        pytest.raises(OutputError, match=r"that no other run writes.*held by process \d+ on"),
    ):
        score()
    assert score()["scored"] == 6


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"model": ""}, "--model DIR"), ({"table": ""}, "--table DIR"), ({"images": []}, "--images")],
)
def test_what_was_not_said_is_asked_for(score, changes, expected):
    with pytest.raises(ValueError, match=expected):
        score(**changes)


def test_a_folder_of_something_else_is_no_table(score, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"new, empty or of this job.*notes\.txt"):
        score(table=str(tmp_path / "other"))


def test_a_missing_folder_of_images_is_named(score, tmp_path):
    with pytest.raises(InputError, match="images that exist"):
        score(images=[str(tmp_path / "nowhere")])
