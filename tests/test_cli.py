import json
import sys
from pathlib import Path

import pytest

from spark_cxr import __version__, cli, config
from spark_cxr.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
CAPTURE = pytest.CaptureFixture[str]


def ended(*words: str) -> object:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    return caught.value.code


def test_verbs_are_typed_with_dashes() -> None:
    assert "train-lr" in cli.names()


@pytest.mark.parametrize("verb", ["train-lr", "train_lr"])
def test_verb_is_found_with_dashes_and_underscores(verb: str) -> None:
    assert cli.get(verb).name == "train_lr"


def test_unknown_verb_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(ConfigError) as caught:
        cli.get("ingets")
    assert str(caught.value) == (
        "Expected a verb of spark-cxr. Received: ingets. Did you mean ingest?"
    )


def test_unknown_verb_exits_2_with_one_line(capsys: CAPTURE) -> None:
    code = ended("fantoms", "--count", "3")
    assert (code, capsys.readouterr()) == (
        2,
        (
            "",
            "spark-cxr: Expected a verb of spark-cxr. Received: fantoms. Did you mean phantoms?\n",
        ),
    )


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",), ("help",)])
def test_overview_names_every_verb_with_what_it_does(
    words: tuple[str, ...], capsys: CAPTURE
) -> None:
    cli.main(words)
    lines = capsys.readouterr().out.splitlines()
    told = dict(line.strip().split(maxsplit=1) for line in lines if line.startswith("  "))
    assert told == {verb: cli.get(verb).summary for verb in cli.names()}


def test_version_is_that_of_the_package(capsys: CAPTURE) -> None:
    cli.main(["--version"])
    assert capsys.readouterr().out == f"{__version__}\n"


def test_verb_runs_its_job(tmp_path: Path, capsys: CAPTURE) -> None:
    code = ended("phantoms", "--out", f"{tmp_path}/p", "--count", "3", "--size", "64")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, told["job"], told["status"], told["files"]) == (0, "phantoms", "ok", 3)


def test_phantoms_leaves_a_folder_for_each_class(tmp_path: Path) -> None:
    ended("phantoms", "--out", f"{tmp_path}/p", "--count", "3", "--size", "64")
    folders = {path.name for path in (tmp_path / "p").iterdir() if path.is_dir()}
    assert folders == {"No_findings", "Pneumonia", "COVID-19"}


def test_help_of_a_verb_exits_0(capsys: CAPTURE) -> None:
    assert (ended("phantoms", "--help"), "--count" in capsys.readouterr().out) == (0, True)


def test_wrong_flag_of_a_verb_exits_2_with_one_line(capsys: CAPTURE) -> None:
    code = ended("phantoms", "--cout", "3")
    assert (code, capsys.readouterr().err) == (
        2,
        "phantoms: Expected flags of phantoms. Received: --cout 3. "
        "Did you mean --count? See phantoms --help.\n",
    )


def test_command_of_a_job_reads_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: CAPTURE
) -> None:
    monkeypatch.setattr(sys, "argv", ["spark-cxr-phantoms", "--size", "1"])
    with pytest.raises(SystemExit) as caught:
        cli.phantoms()
    assert (caught.value.code, capsys.readouterr().err) == (
        2,
        "phantoms: Expected phantoms.size at least 64 and at most 4096. "
        "Received: phantoms.size=1. Choose a value in range.\n",
    )


def test_spark_cxr_reads_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: CAPTURE) -> None:
    monkeypatch.setattr(sys, "argv", ["spark-cxr", "--version"])
    cli.main()
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("verb", ["bench", "load"])
def test_benchmark_of_an_installed_package_is_refused_with_the_way_out(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: CAPTURE
) -> None:
    (tmp_path / "spark_cxr").mkdir()
    (tmp_path / "spark_cxr/conf").symlink_to(ROOT / "conf")
    monkeypatch.setattr(config, "PACKAGE", tmp_path / "spark_cxr")
    assert (ended(verb, "--images", "films"), capsys.readouterr()) == (
        2,
        (
            "",
            f"{verb}: Expected a checkout of spark_cxr. Received: a package without benchmarks/ in "
            f"{tmp_path}. Clone the repository and run this there.\n",
        ),
    )
