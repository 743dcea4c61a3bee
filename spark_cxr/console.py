"""What the library logs, as plain lines on stderr: the handler of commands, and of nobody else.

In a file of its own because both jobs and the server need it, which share nothing above `config`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class _Lines(logging.Handler):
    """Writes to what is stderr at that moment: notebooks and tests replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; a stderr that nobody reads any more stops nothing."""
        with suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr, flush=True)


@contextmanager
def lines_on_stderr() -> Iterator[None]:
    """Show people who have started a command what it says, until the block ends.

    A level that was set for the logger `spark_cxr` holds; else it is INFO.
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
