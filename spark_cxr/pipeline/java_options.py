"""How the JVM of a job that only passes over films is to run: compiled simply, swept by one thread.

Such a JVM lives for seconds or reads files; what Java's second compiler finds out about it never
pays back, and several collector threads take cores from the Python workers. A job that fits heads
is not started so: MLlib's loops are what that compiler is for.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

DRIVER, EXECUTOR = "spark.driver.defaultJavaOptions", "spark.executor.defaultJavaOptions"
"""What Spark puts before `extraJavaOptions`, which stay the user's."""
FOR_PASSES = {
    "-XX:TieredStopAtLevel=1": r"-XX:TieredStopAtLevel|-XX:[+-]TieredCompilation|-Xint|-Xcomp",
    "-XX:+UseSerialGC": r"-XX:[+-]Use\w+GC\b",
}
"""Each option, and what of a user's own choice it would contradict. Two collectors end the JVM."""
VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
ARGUMENTS, FILE = "PYSPARK_SUBMIT_ARGS", "--properties-file"


def pass_settings(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the settings for a session of this machine that only passes over films.

    Whatever somebody has chosen for the JVM, in Spark's files or in the environment, stays.
    """
    given = "\n".join(_given(os.environ if environment is None else environment))
    options = [option for option, own in FOR_PASSES.items() if not re.search(own, given)]
    return {key: " ".join(options) for key in (DRIVER, EXECUTOR) if options and key not in given}


def _given(environment: Mapping[str, str]) -> Iterator[str]:
    """Give the texts in which options of a JVM may stand, without comments."""
    arguments = environment.get(ARGUMENTS, "")
    yield from (environment.get(name, "") for name in VARIABLES)
    yield arguments
    words = [part for word in shlex.split(arguments) for part in word.split("=", 1)]
    files = [path for flag, path in pairwise(words) if flag == FILE]
    if folder := environment.get("SPARK_CONF_DIR"):
        files.append(f"{folder}/spark-defaults.conf")
    for path in files:
        with suppress(OSError):  # none there, or Spark says it better
            lines = Path(path).read_text("utf-8", "replace").splitlines()
            yield from (line for line in lines if not line.lstrip().startswith("#"))
