import json
import os
import stat
from pathlib import Path
from typing import ClassVar

import pytest
from pyarrow import fs

from spark_cxr import output as module
from spark_cxr.errors import ConfigError, OutputError
from spark_cxr.output import KEY, RECORD, Output, absolute, locate, open_output, pseudonym_key

OURS = json.dumps({"job": "ingest", "versions": {"spark_cxr": "0.1.0"}, "status": "ok"})


def leave(folder: Path, **files: str) -> None:
    """Leave a directory as an earlier run has left it, with a table in it."""
    (folder / "images").mkdir(parents=True)
    (folder / "images/part-0.parquet").write_text("old", encoding="utf-8")
    (folder / RECORD).write_text(OURS, encoding="utf-8")
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def refusal(out: object, overwrite: bool = True, inputs: tuple[str, ...] = ()) -> str:
    with pytest.raises(OutputError) as caught:
        open_output(str(out), overwrite, inputs)
    return str(caught.value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Claiming a directory


def test_new_directory_is_made_with_those_above_it(tmp_path: Path) -> None:
    open_output(str(tmp_path / "a/b"), overwrite=False)
    assert (tmp_path / "a/b").is_dir()


def test_empty_directory_is_taken(tmp_path: Path) -> None:
    assert open_output(str(tmp_path), overwrite=False).address == str(tmp_path)


def test_relative_directory_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_output("r", overwrite=False).address == f"{tmp_path}/r"


def test_slash_at_the_end_does_not_count(tmp_path: Path) -> None:
    assert open_output(f"{tmp_path}/r/", overwrite=False).address == f"{tmp_path}/r"


def test_file_address_keeps_its_form(tmp_path: Path) -> None:
    opened = open_output(f"file://{tmp_path}/r", overwrite=False)
    assert (opened.address, (tmp_path / "r").is_dir()) == (f"file://{tmp_path}/r", True)


def test_taken_directory_is_refused(tmp_path: Path) -> None:
    leave(tmp_path / "r")
    assert refusal(tmp_path / "r", overwrite=False) == (
        f"Expected an --out that is not taken. Received: --out={tmp_path}/r. "
        "Add --overwrite or choose another."
    )


def test_refusal_leaves_the_directory_as_it_was(tmp_path: Path) -> None:
    leave(tmp_path / "r")
    refusal(tmp_path / "r", overwrite=False)
    assert (names(tmp_path / "r"), (tmp_path / "r" / RECORD).read_text()) == (
        ["images", RECORD],
        OURS,
    )


FOREIGN = {
    "no_record": {"thesis.tex": "\\end"},
    "record_of_another_tool": {RECORD: '{"status": "ok", "versions": {"pip": "1"}}'},
    "record_that_is_a_list": {RECORD: "[]"},
    "record_that_is_no_json": {RECORD: "{"},
    "record_without_versions": {RECORD: '{"job": "ingest"}'},
    "record_with_versions_as_a_number": {RECORD: '{"versions": 3}'},
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_directory_is_refused_and_nothing_in_it_touched(
    tmp_path: Path, kind: str, overwrite: bool
) -> None:
    for name, text in FOREIGN[kind].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    message = refusal(tmp_path, overwrite)
    assert message == (
        f"Expected an --out that is new, empty or of spark_cxr. Received: --out={tmp_path}. "
        "Choose another: only what spark_cxr made is replaced."
    )
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == FOREIGN[kind]


def test_root_of_the_file_system_is_not_taken_for_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Received: --out=/." in refusal("/")


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("", encoding="utf-8")
    assert refusal(tmp_path / "f") == (
        f"Expected a directory as --out. Received: --out={tmp_path}/f, a file. Choose another."
    )


def test_a_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("", encoding="utf-8")
    assert refusal(tmp_path / "f/r") == (
        f"Expected a directory as --out. Received: --out={tmp_path}/f/r, a file. Choose another."
    )


def test_file_system_that_is_not_known_is_refused() -> None:
    assert refusal("ftp3://host/r") == (
        "Expected an --out that can be written. Received: --out=ftp3://host/r "
        "(Unrecognized filesystem type in URI: ftp3://host/r). Choose another."
    )


class ReadOnly(fs.LocalFileSystem):  # type: ignore[misc]
    """A folder in which nothing may be made, also for root, who may write anywhere."""

    def create_dir(self, path: str, *, recursive: bool = True) -> None:
        raise PermissionError(13, f"Cannot create directory '{path}'")


def test_folder_that_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "locate", lambda address: (ReadOnly(), address))
    assert refusal(tmp_path / "r") == (
        f"Expected an --out that can be written. Received: --out={tmp_path}/r "
        f"([Errno 13] Cannot create directory '{tmp_path}/r'). Choose another."
    )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_folder_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert refusal(tmp_path / "r").startswith(
        f"Expected an --out that can be written. Received: --out={tmp_path}/r ("
    )


# --overwrite


def test_overwrite_clears_what_an_earlier_run_left(tmp_path: Path) -> None:
    leave(tmp_path / "r", **{"report.html": "old", ".hidden": "old"})
    open_output(str(tmp_path / "r"), overwrite=True)
    assert names(tmp_path / "r") == [RECORD]


def test_overwrite_says_in_the_record_that_the_old_result_is_gone(tmp_path: Path) -> None:
    leave(tmp_path / "r")
    open_output(str(tmp_path / "r"), overwrite=True)
    assert json.loads((tmp_path / "r" / RECORD).read_text())["status"] == "replaced"


def test_overwrite_keeps_the_key_of_the_pseudonyms(tmp_path: Path) -> None:
    leave(tmp_path / "r", **{KEY: "secret" * 3})
    opened = open_output(str(tmp_path / "r"), overwrite=True)
    assert pseudonym_key(opened, None) == b"secret" * 3


def test_overwrite_that_was_interrupted_can_be_done_again(tmp_path: Path) -> None:
    leave(tmp_path / "r")
    open_output(str(tmp_path / "r"), overwrite=True)
    (tmp_path / "r/rest").write_text("left by the interrupted run", encoding="utf-8")
    open_output(str(tmp_path / "r"), overwrite=True)
    assert names(tmp_path / "r") == [RECORD]


def test_overwrite_of_nothing_is_no_error(tmp_path: Path) -> None:
    open_output(str(tmp_path / "r"), overwrite=True)
    assert names(tmp_path / "r") == []


def test_overwrite_does_not_follow_a_link_out_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films/a.png").write_text("film", encoding="utf-8")
    leave(tmp_path / "r")
    (tmp_path / "r/link").symlink_to(tmp_path / "films")
    open_output(str(tmp_path / "r"), overwrite=True)
    assert (names(tmp_path / "r"), names(tmp_path / "films")) == ([RECORD], ["a.png"])


@pytest.mark.parametrize("read", ["", "/images", "/images/*.png", "/../r/images"])
def test_overwrite_of_what_the_run_reads_is_refused(tmp_path: Path, read: str) -> None:
    leave(tmp_path / "r")
    path = f"{tmp_path}/r{read}"
    assert refusal(tmp_path / "r", inputs=(path,)) == (
        f"Expected an --out that holds nothing to be read. Received: --out={tmp_path}/r. "
        f"Choose another: --overwrite would delete {path}."
    )


def test_overwrite_of_what_the_run_reads_by_another_name_is_refused(tmp_path: Path) -> None:
    leave(tmp_path / "r")
    (tmp_path / "films").symlink_to(tmp_path / "r/images")
    assert "would delete" in refusal(tmp_path / "r", inputs=(f"file://{tmp_path}/films",))


def test_what_the_run_reads_may_lie_beside_the_directory(tmp_path: Path) -> None:
    leave(tmp_path / "r")
    inputs = (f"{tmp_path}/r2", str(tmp_path), "s3a://bucket/films", "hdfs://name/films/*")
    open_output(str(tmp_path / "r"), overwrite=True, inputs=inputs)
    assert names(tmp_path / "r") == [RECORD]


# Small files


def test_file_has_the_bytes_that_were_written(tmp_path: Path) -> None:
    Output(str(tmp_path)).write_bytes("a/b.bin", b"\x00\xff")
    assert (tmp_path / "a/b.bin").read_bytes() == b"\x00\xff"


def test_text_is_written_as_utf_8(tmp_path: Path) -> None:
    Output(str(tmp_path)).write_text("t", "Röntgen")
    assert (tmp_path / "t").read_bytes() == b"R\xc3\xb6ntgen"


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    Output(str(tmp_path)).write_json("m.json", {"f1": [0.5, None], "label": "Röntgen"})
    assert json.loads((tmp_path / "m.json").read_bytes()) == {"f1": [0.5, None], "label": "Röntgen"}


def test_not_a_number_gets_into_no_record(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Output(str(tmp_path)).write_json("m.json", {"auc": float("nan")})
    assert names(tmp_path) == []


def test_nothing_but_the_file_is_left_of_writing_it(tmp_path: Path) -> None:
    Output(str(tmp_path)).write_bytes("f", b"1")
    assert names(tmp_path) == ["f"]


def test_later_bytes_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    Output(str(tmp_path)).write_bytes("f", b"1")
    Output(str(tmp_path)).write_bytes("f", b"2")
    assert (tmp_path / "f").read_bytes() == b"2"


def test_durable_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = list[str]()

    def note(handle: int) -> None:
        synced.append(f"{names(tmp_path)} {os.path.realpath(f'/proc/self/fd/{handle}')}")

    monkeypatch.setattr("spark_cxr.output.os.fsync", note)
    Output(str(tmp_path)).write_bytes("some", b"x", is_durable=True)
    before, after = synced
    assert ".some." in before
    assert before.endswith(".half")
    assert after == f"['some'] {tmp_path}"


class Interrupted(fs.LocalFileSystem):  # type: ignore[misc]
    """A file system on which the process dies before a file gets its name."""

    def move(self, src: str, dest: str) -> None:
        raise KeyboardInterrupt


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "locate", lambda address: (Interrupted(), address))


@pytest.mark.usefixtures("interrupted")
def test_file_that_is_half_written_does_not_have_its_name(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Output(str(tmp_path)).write_bytes("report.html", b"<html>")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.usefixtures("interrupted")
def test_file_that_is_half_written_is_hidden(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Output(str(tmp_path)).write_bytes("films/a.png", b"\x89PNG")
    assert [name[0] for name in names(tmp_path / "films")] == ["."]


@pytest.mark.usefixtures("interrupted")
def test_older_file_stays_whole_while_a_new_one_is_half_written(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        Output(str(tmp_path)).write_bytes("run.json", b"new")
    assert (tmp_path / "run.json").read_text() == "old"


def test_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert Output(str(tmp_path)).read_bytes("none") is None


# Addresses


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/data/x", "/data/x"),
        ("/data/a:b", "/data/a:b"),
        ("file:/data/x", "/data/x"),
        ("file:///data/x", "/data/x"),
        ("dbfs:/data/x", "/dbfs/data/x"),
    ],
)
def test_address_of_spark_is_found_on_the_local_file_system(address: str, path: str) -> None:
    store, found = locate(address)
    assert (type(store), found) == (fs.LocalFileSystem, path)


@pytest.mark.parametrize("address", ["s3a://b/x", "hdfs://n/x", "file:///x", "dbfs:/x", "/x"])
def test_whole_address_stays_as_it_is(address: str) -> None:
    assert absolute(address) == address


def test_relative_address_starts_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("films/a:b") == f"{tmp_path}/films/a:b"
    assert absolute("../films/./a/") == f"{tmp_path.parent}/films/a"


def test_table_lies_below_its_directory() -> None:
    assert Output("s3a://b/run").table("images") == "s3a://b/run/images"


# The key


def test_key_that_is_given_is_taken_and_not_written_down(tmp_path: Path) -> None:
    assert pseudonym_key(Output(str(tmp_path)), "hidden" * 3) == b"hidden" * 3
    assert names(tmp_path) == []


def test_key_is_made_once(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    assert pseudonym_key(output, None) == pseudonym_key(output, None)


def test_two_directories_have_two_keys(tmp_path: Path) -> None:
    keys = {pseudonym_key(Output(str(tmp_path / name)), None) for name in ("a", "b")}
    assert sorted(map(len, keys)) == [64, 64]


@pytest.mark.parametrize("given", ["", "a", "fifteen letters", " " * 40])
def test_short_key_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pseudonym_key(Output(str(tmp_path)), given)
    assert str(caught.value) == (
        "Expected a key of at least 16 characters for the pseudonyms of patients. "
        f"Received: SPARK_CXR_KEY with {len(given.strip())}. "
        "Take a longer one, as openssl rand -hex 32 gives, or do not set it."
    )


@pytest.mark.parametrize("kept", ["", "short\n"])
def test_short_key_file_is_refused_and_stays(tmp_path: Path, kept: str) -> None:
    (tmp_path / KEY).write_text(kept, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"Received: {tmp_path}/{KEY} with {len(kept.strip())}"):
        pseudonym_key(Output(str(tmp_path)), None)
    assert (tmp_path / KEY).read_text() == kept


class Watched(fs.LocalFileSystem):  # type: ignore[misc]
    """Notes the rights of each file before anything is written into it."""

    modes: ClassVar[list[int]] = []

    def open_output_stream(self, path: str, *args: object, **kwargs: object) -> object:
        self.modes.append(stat.S_IMODE(Path(path).stat().st_mode))
        return super().open_output_stream(path, *args, **kwargs)


def test_key_is_for_its_owner_alone_from_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "locate", lambda address: (Watched(), address))
    monkeypatch.setattr(os, "chmod", None)
    pseudonym_key(Output(str(tmp_path)), None)
    assert Watched.modes == [0o600]
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600


def test_a_second_run_is_kept_out_of_a_directory_and_let_in_afterwards(tmp_path: Path) -> None:
    with (
        module.only_writer(str(tmp_path / "R")),
        pytest.raises(OutputError, match=r"an --out that no other run writes. Received: --out=.*R"),
        module.only_writer(f"{tmp_path}/R/"),
    ):
        pass
    with module.only_writer(str(tmp_path / "R")):
        pass


def test_locks_lie_in_a_folder_of_their_own_for_all_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(module, "gettempdir", lambda: str(temporary))
    for name in ("R", "S"):
        with module.only_writer(str(tmp_path / name)):
            pass
    (folder,) = temporary.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert len(list(folder.iterdir())) == 2


def test_key_and_tables_on_the_way_are_for_their_owner_alone(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    pseudonym_key(output, None)
    output.make_private("_step_a")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out").iterdir()}
    assert modes == {"_pseudonym.key": 0o600, "_step_a": 0o700}
