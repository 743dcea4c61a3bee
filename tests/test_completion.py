"""Tab completion as the shell itself does it."""

import shutil
import subprocess

import pytest

from spark_cxr import cli
from spark_cxr.config import flagged_items


def script(shell, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["completion", shell])
    assert ended.value.code == 0
    return capsys.readouterr().out


def completed(text, *words):
    """Ask bash what it would offer at the end of a command line."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _spark_cxr; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "-c", f"{text}\n{ask}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_offers_verbs_flags_and_choices(capsys):
    text = script("bash", capsys)
    assert completed(text, "spark-cxr", "tra") == ["train-lr", "train-rf", "train-dt", "train"]
    flags = completed(text, "spark-cxr", "ingest", "--")
    wanted = {f"--{item.name.replace('_', '-')}" for _, item in flagged_items(("ingest",))}
    assert wanted | {"--no-overwrite", "--help-all"} <= set(flags)
    assert completed(text, "spark-cxr", "finetune", "--lab") == [
        "--labels",
        "--label-column",
        "--label-smoothing",
    ]
    assert completed(text, "spark-cxr", "finetune", "--schedule", "c") == ["cosine", "constant"]
    assert "--schedule" not in completed(text, "spark-cxr", "ingest", "--sch")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_read_their_script(shell, capsys, tmp_path):
    file = tmp_path / f"spark-cxr.{shell}"
    file.write_text(script(shell, capsys))
    assert "train-lr" in file.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "--no-execute", file], check=True)


def test_another_shell_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["completion", "bsh"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "spark-cxr: Expected a shell of bash, zsh, fish. Received: bsh. Did you mean bash?\n"
    )
