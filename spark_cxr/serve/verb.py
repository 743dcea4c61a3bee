"""A word of the command line that is no job: no Spark, no --out, no record of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spark_cxr.config import resolve
from spark_cxr.errors import SparkCxrError
from spark_cxr.settings import Config


@dataclass(frozen=True)
class Verb:
    """What stands behind a word, with the flags of its sections."""

    name: str
    summary: str
    sections: tuple[str, ...]
    run: Callable[[Config], dict[str, Any]]

    def exit_code(self, argv: Sequence[str]) -> int:
        """Run it: 0 and a line of JSON on stdout, or 2 with one line on stderr."""
        try:
            told = self.run(resolve(self.name, self.summary, self.sections, argv))
        except SparkCxrError as error:
            self.say(" ".join(str(error).splitlines()))
            return 2
        print(json.dumps({"job": self.name, "status": "ok", **told}), flush=True)
        return 0

    def say(self, line: str) -> None:
        """Tell the person who has started it."""
        print(f"{self.name}: {line}", file=sys.stderr, flush=True)
