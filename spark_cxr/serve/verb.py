"""A word of the command line that is no job: no Spark, no --out, no record of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spark_cxr.config import resolve
from spark_cxr.console import lines_on_stderr
from spark_cxr.errors import SparkCxrError
from spark_cxr.settings import Config

INTERRUPTED = 130
"""What shells call a program that Ctrl-C has ended."""


@dataclass(frozen=True)
class Verb:
    """What stands behind a word, with the flags of its sections."""

    name: str
    summary: str
    sections: tuple[str, ...]
    run: Callable[[Config], dict[str, Any]]

    @lines_on_stderr()
    def exit_code(self, argv: Sequence[str]) -> int:
        """Run it: 0 and a line of JSON on stdout, or 2 with one line on stderr."""
        try:
            told = self.run(resolve(self.name, self.summary, self.sections, argv))
        except SparkCxrError as error:
            return self._refuse(error)
        except OSError as error:
            expected, way_out = "files that can be read", "Mend that and start again"
            return self._refuse(SparkCxrError(expected, str(error), way_out))
        except KeyboardInterrupt:  # before there was anything to end well
            return INTERRUPTED
        print(json.dumps({"job": self.name, "status": "ok", **told}), flush=True)
        return 0

    def _refuse(self, error: SparkCxrError) -> int:
        self.say(" ".join(str(error).splitlines()))
        return 2

    def say(self, line: str) -> None:
        """Tell the person who has started it."""
        print(f"{self.name}: {line}", file=sys.stderr, flush=True)
