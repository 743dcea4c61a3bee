"""What the library logs: seen by who starts a command, and by others where they ask for it."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spark_cxr import console
from spark_cxr.console import lines_on_stderr
from spark_cxr.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
LOG = logging.getLogger("spark_cxr.some.part")
SAYS = "import logging, spark_cxr; logging.getLogger('spark_cxr.some.part').warning('a word')"


def said_by(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stderr


def test_the_library_says_nothing_to_whom_did_not_ask() -> None:
    assert said_by(SAYS) == ""


def test_who_configures_logging_is_told() -> None:
    code = SAYS.replace(
        "; ", "; logging.basicConfig(level='INFO', format='%(name)s %(message)s'); "
    )
    assert said_by(code) == "spark_cxr.some.part a word\n"


def test_a_command_writes_plain_lines_once(capsys: pytest.CaptureFixture[str]) -> None:
    also = logging.StreamHandler()
    logging.getLogger().addHandler(also)
    try:
        with lines_on_stderr():
            LOG.info("weights: 100 % of it")
            LOG.debug("not this")
    finally:
        logging.getLogger().removeHandler(also)
    assert capsys.readouterr() == ("", "weights: 100 % of it\n")


def test_what_a_command_sets_ends_with_it() -> None:
    log = logging.getLogger("spark_cxr")
    before = (log.level, log.propagate, list(log.handlers))
    with pytest.raises(KeyboardInterrupt), lines_on_stderr():
        raise KeyboardInterrupt
    assert (log.level, log.propagate, log.handlers) == before


def test_a_level_that_was_set_holds(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("spark_cxr")
    log.setLevel(logging.WARNING)
    try:
        with lines_on_stderr():
            LOG.info("one")
            LOG.warning("two")
    finally:
        log.setLevel(logging.NOTSET)
    assert capsys.readouterr().err == "two\n"


def test_a_stderr_that_is_closed_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    with lines_on_stderr():
        LOG.info("unheard")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of the terminal that the tests themselves run on."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


class Terminal(io.StringIO):
    """A stderr that someone looks at."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize("stderr", [Terminal(), io.StringIO()], ids=["terminal", "pipe"])
def test_progress_is_one_line_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("NO_COLOR", "1")
    with lines_on_stderr():
        for line in ("1 of 2", "2 of 2"):
            LOG.info(line, extra={"is_progress": True})
        LOG.info("done")
    moved = "1 of 2\r\033[K2 of 2\ndone\n"
    assert stderr.getvalue() == (moved if stderr.isatty() else "1 of 2\n2 of 2\ndone\n")


def stage(what: str) -> None:
    LOG.info(f"{what} …", extra={"is_stage": True})


def test_a_stage_without_news_says_that_it_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "SILENT", 0.1)
    monkeypatch.setattr(console, "SILENT_ON_TERMINALS", 0.1)
    with lines_on_stderr():
        stage("training")
        time.sleep(0.6)
        LOG.info("accuracy 0.9")
        console.say("train", "done")
        time.sleep(0.4)
    first, *beats, last, done = capsys.readouterr().err.splitlines()
    assert (first, last, done) == ("training …", "accuracy 0.9", "train: done")
    assert beats
    assert all(re.fullmatch(r"training … \d s", line) for line in beats)


def test_on_a_terminal_nothing_of_a_stage_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setenv("NO_COLOR", "1")
    with lines_on_stderr():
        stage("listing")
        stage("training")
        LOG.info("a warning")
        stage("writing")
    assert seen.getvalue() == ("listing …\r\033[Ktraining …\r\033[Ka warning\nwriting …\r\033[K")


# Colours


SPEAKS = """
import logging
from spark_cxr import console
from spark_cxr.errors import ConfigError
log = logging.getLogger("spark_cxr.some.part")
with console.lines_on_stderr():
    log.info("reading …", extra={"is_stage": True})
    log.warning("a folder is empty")
    console.show("accuracy 0.9 (95 % interval 0.8 to 1.0)\\nwarning: few films\\nplain: words")
console.refuse("train-lr", ConfigError("a head", "none", "Name one"))
"""
PLAIN = (
    "a folder is empty\naccuracy 0.9 (95 % interval 0.8 to 1.0)\nwarning: few films\nplain: words\n"
    "train-lr: Expected a head. Received: none. Name one.\n"
)
COLOURS = re.compile(r"\033\[[\d;]+m")


def seen_on_terminal(**environment: str) -> str:
    """Run a command whose stderr is a pseudo-terminal, and give what that shows."""
    ours, theirs = pty.openpty()
    given = {"PATH": os.environ["PATH"], "TERM": "xterm", **environment}
    command = [sys.executable, "-c", SPEAKS]
    subprocess.run(command, stderr=theirs, check=True, cwd=ROOT, env=given)
    os.close(theirs)
    shown = b""
    while b"Name one" not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_colours() -> None:
    shown = seen_on_terminal()
    assert "\033[2mreading …\033[0m" in shown
    assert "\033[1;33ma folder is empty\033[0m" in shown
    assert "\033[1maccuracy 0.9 (95 % interval 0.8 to 1.0)\033[0m\n" in shown
    assert "\033[1;33mwarning:\033[0m few films\nplain: words\n" in shown
    assert "\033[1;31mtrain-lr:\033[0m Expected a head." in shown


def test_who_wants_no_colour_gets_the_same_words() -> None:
    shown = seen_on_terminal(NO_COLOR="1")
    assert shown == "reading …\r\033[K" + PLAIN
    assert COLOURS.sub("", seen_on_terminal()) == shown


def test_a_terminal_that_understands_nothing_gets_plain_lines() -> None:
    assert seen_on_terminal(TERM="dumb") == "reading …\n" + PLAIN


@pytest.mark.parametrize("forced", ["", "0", "1"])
def test_a_pipe_gets_colours_only_where_they_are_forced(forced: str) -> None:
    given = {"PATH": os.environ["PATH"], "TERM": "xterm", "FORCE_COLOR": forced}
    command = [sys.executable, "-c", SPEAKS]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=given)
    assert (COLOURS.search(said.stderr) is not None) == (forced == "1")
    assert COLOURS.sub("", said.stderr) == "reading …\n" + PLAIN


def test_a_password_is_hidden_before_it_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    console.refuse("score", ConfigError("a store", "s3://me:secret@host/films", "Name one"))
    assert "secret" not in seen.getvalue()
    assert seen.getvalue().startswith("\033[1;31mscore:\033[0m ")
