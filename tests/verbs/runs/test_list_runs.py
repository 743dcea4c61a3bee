"""Runs below a folder on one page, found by their records alone."""

import json
from pathlib import Path

import pytest

from spark_cxr import cli
from spark_cxr.verbs.runs.run import runs_below


def write(folder: Path, **record: object) -> None:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))


@pytest.fixture
def top(tmp_path: Path) -> Path:
    write(tmp_path / "a", job="ingest", status="ok", started="2026-11-01T10:00", images=7)
    write(tmp_path / "deep" / "b <x>", job="train_lr", status="failed", started="2026-11-02")
    (tmp_path / "deep" / "b <x>" / "report.html").touch()
    write(tmp_path / "_parts" / "c", job="train_lr", status="ok")
    write(tmp_path / "other", name="a run.json of someone else")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_text('{"job": "ingest", "sta')
    return tmp_path


def test_records_of_ours_are_runs_and_nothing_else(top: Path) -> None:
    assert {run.place: run.status for run in runs_below(top)} == {
        "a": "ok",
        str(Path("deep") / "b <x>"): "failed",
    }


@pytest.mark.parametrize("flag", [[], ["--folder"]])
def test_the_page_lists_them_the_newest_first(
    top: Path, flag: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["runs", *flag, str(top)])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 2
    text = (top / "runs.html").read_text()
    assert text.index("b &lt;x&gt;") < text.index(">a<")
    assert 'href="deep/b%20%3Cx%3E/report.html"' in text


def test_a_folder_without_runs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["runs", str(tmp_path)], ["runs", str(tmp_path / "none")], ["runs"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 2
    assert "Received: no run.json" in capsys.readouterr().err
