"""What a command says on stderr, for jobs and for the server, and the frame of verbs without Spark.

The library itself only logs; here is the handler that shows the log to whoever started a command.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from spark_cxr.config import resolve
from spark_cxr.errors import SparkCxrError, without_password
from spark_cxr.settings import Config

INTERRUPTED = 130
"""What shells call a program that Ctrl-C has ended."""


def say(command: str, line: str) -> None:
    """Write a line for the person who started the command."""
    print(f"{command}: {without_password(line)}", file=sys.stderr, flush=True)


def refuse(command: str, error: SparkCxrError) -> int:
    """Write an error as one line and give the exit code that belongs to it."""
    say(command, " ".join(str(error).splitlines()))
    return 2


class _Lines(logging.Handler):
    """Writes to whatever is stderr at that moment: notebooks and tests replace it."""

    _is_open = False
    """The last line is one of progress, on a terminal: the next takes its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; a stderr that nobody reads any more stops nothing."""
        with suppress(OSError, ValueError):
            moves = getattr(record, "is_progress", False) and sys.stderr.isatty()
            start = "\r\033[K" if self._is_open and moves else "\n" if self._is_open else ""
            line = without_password(self.format(record))
            print(f"{start}{line}", end="" if moves else "\n", file=sys.stderr, flush=True)
            self._is_open = moves


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
    try:
        yield
    finally:
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
