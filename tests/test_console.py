"""What the library logs: seen by who starts a command, and by others where they ask for it."""

import io
import logging
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spark_cxr import console
from spark_cxr.console import lines_on_stderr

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
    with lines_on_stderr():
        stage("listing")
        stage("training")
        LOG.info("a warning")
        stage("writing")
    assert seen.getvalue() == ("listing …\r\033[Ktraining …\r\033[Ka warning\nwriting …\r\033[K")
