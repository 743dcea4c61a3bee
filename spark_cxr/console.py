"""What a command says on stderr, for jobs and for the server, and the frame of verbs without Spark.

The library itself only logs; here is the handler that shows the log to whoever started a command.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from spark_cxr.config import resolve
from spark_cxr.errors import SparkCxrError, without_password
from spark_cxr.settings import Config

SILENT, SILENT_ON_TERMINALS = 4.5, 1.0
"""Seconds without a word after which it is said what is going on."""
INTERRUPTED = 130
"""What shells call a program that Ctrl-C has ended."""


BOLD, FAINT, RED, YELLOW, CYAN = "1", "2", "1;31", "1;33", "36"
BEGINNINGS = {"warning": YELLOW, "note": CYAN, "report": BOLD}
"""What lines begin with, before a colon, that are to be told apart at a glance."""
FIGURE = " % interval "
"""In a line with the figure that a run was for."""


def is_terminal() -> bool:
    """Tell whether stderr is looked at, by something that can move its cursor."""
    with suppress(ValueError):  # it is closed
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return False


def painted(text: str, colour: str) -> str:
    """Give words a colour on a terminal.

    NO_COLOR, as no-color.org has it, takes it away; FORCE_COLOR gives it to files and pipes too.
    """
    is_forced = os.environ.get("FORCE_COLOR", "0") not in ("", "0")
    has_colour = not os.environ.get("NO_COLOR") and (is_forced or is_terminal())
    return f"\033[{colour}m{text}\033[0m" if has_colour and text else text


def say(command: str, line: str, colour: str = BOLD) -> None:
    """Write a line for the person who started the command."""
    end_stage()
    name = painted(f"{command}:", colour)
    print(f"{name} {without_password(line)}", file=sys.stderr, flush=True)


def refuse(command: str, error: SparkCxrError) -> int:
    """Write an error as one line and give the exit code that belongs to it."""
    say(command, " ".join(str(error).splitlines()), RED)
    return 2


def show(text: str) -> None:
    """Write what a run has found, line by line."""
    end_stage()
    lines = (_line_painted(line) for line in without_password(text).splitlines())
    print("\n".join(lines), file=sys.stderr, flush=True)


def _line_painted(line: str) -> str:
    beginning, colon, rest = line.partition(": ")
    if colon and beginning in BEGINNINGS:
        return painted(f"{beginning}:", BEGINNINGS[beginning]) + f" {rest}"
    return painted(line, BOLD) if FIGURE in line else line


class _Lines(logging.Handler):
    """Writes to whatever is stderr at that moment: notebooks and tests replace it.

    A record with `is_stage` names what is going on from now on; where nothing else is said for a
    few seconds, that is said again, with its seconds.
    """

    _is_open = False
    """The last line is one of progress, on a terminal: the next takes its place."""
    _passes = False
    """That line names a stage: nothing of it is to stay."""
    _stage = ""
    _begun = _said = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; a stderr that nobody reads any more stops nothing."""
        line = without_password(self.format(record))
        if is_stage := getattr(record, "is_stage", False):
            self._stage, self._begun = line, time.monotonic()
        colour = FAINT if is_stage else YELLOW if record.levelno >= logging.WARNING else ""
        is_progress = getattr(record, "is_progress", False)
        self._write(line, colour, moves=is_progress, passes=is_stage)

    def _write(
        self, line: str, colour: str = "", *, moves: bool = False, passes: bool = False
    ) -> None:
        with suppress(OSError, ValueError):
            stays = not (moves or passes) or not is_terminal()
            is_wiped = self._passes or not stays
            start = "" if not self._is_open else "\r\033[K" if is_wiped else "\n"
            line = painted(line, colour) if colour else _line_painted(line)
            print(f"{start}{line}", end="\n" if stays else "", file=sys.stderr, flush=True)
            self._is_open, self._passes = not stays, passes
        self._said = time.monotonic()

    def beat(self) -> None:
        """Say what is going on, where nothing has been said for a while."""
        with suppress(OSError, ValueError), self.lock or nullcontext():
            silent = SILENT_ON_TERMINALS if is_terminal() else SILENT
            if self._stage and time.monotonic() - self._said > silent:
                line = f"{self._stage} {time.monotonic() - self._begun:.0f} s"
                self._write(line, FAINT, passes=True)

    def end_stage(self) -> None:
        """Wipe the line of a stage that is over."""
        with self.lock or nullcontext():
            self._stage = ""
            if self._is_open:
                with suppress(OSError, ValueError):
                    end = "\r\033[K" if self._passes else "\n"
                    print(end, end="", file=sys.stderr, flush=True)
                self._is_open = False


def end_stage() -> None:
    """Say no more of what was going on: something else is to be written, or all is done."""
    for handler in logging.getLogger("spark_cxr").handlers:
        if isinstance(handler, _Lines):
            handler.end_stage()


@contextmanager
def lines_on_stderr() -> Iterator[None]:
    """Show what the library logs as lines on stderr, until the block ends.

    A level that was set for the logger `spark_cxr` stays; otherwise it is INFO.
    """
    log, handler = logging.getLogger("spark_cxr"), _Lines()
    level, propagates = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(level or logging.INFO)
    log.propagate = False  # else a handler of the root would write each line again
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(SILENT_ON_TERMINALS / 2):
            handler.beat()

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        handler.end_stage()
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagates


@dataclass(frozen=True)
class Verb:
    """A verb that is no job, with the flags of its sections."""

    name: str
    summary: str
    sections: tuple[str, ...]
    run: Callable[[Config], dict[str, Any]]

    @lines_on_stderr()
    def exit_code(self, argv: Sequence[str]) -> int:
        """Run it: 0 and a line of JSON on stdout, or 2 with one line on stderr."""
        try:
            result = self.run(resolve(self.name, self.summary, self.sections, argv))
        except SparkCxrError as error:
            return refuse(self.name, error)
        except OSError as error:
            expected, way_out = "files that can be read", "Correct that and start again"
            return refuse(self.name, SparkCxrError(expected, str(error), way_out))
        except KeyboardInterrupt:  # before there was anything to end well
            return INTERRUPTED
        print(json.dumps({"job": self.name, "status": "ok", **result}), flush=True)
        return 0
