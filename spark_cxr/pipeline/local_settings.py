"""Settings of a session that is started on this machine, beside those of a user.

A JVM that only passes over films lives for seconds or reads files: what Java's second compiler
finds out about it never pays back, and several collector threads take cores from the Python
workers. MLlib's loops are what that compiler is for, so a job that fits heads keeps it.
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
COMPILER = r"-XX:Tiered|-XX:[+-]Tiered|-XX:Tier\d|-XX:CompilationMode|-Xint|-Xcomp"
FOR_PASSES = {"-XX:TieredStopAtLevel=1": COMPILER, "-XX:+UseSerialGC": r"-XX:[+-]Use\w+GC\b"}
"""Each option, and what of a user's own choice it would contradict. Two collectors end the JVM."""
PAGE = "spark.ui.enabled"
VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
ARGUMENTS, FILE = "PYSPARK_SUBMIT_ARGS", "--properties-file"


def local_settings(is_pass: bool, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give settings for a session of this machine; without Spark's page, which costs a second.

    Whatever somebody has chosen, in Spark's files or in the environment, stays.
    """
    given = "\n".join(_given(os.environ if environment is None else environment))
    options = [option for option, own in FOR_PASSES.items() if not re.search(own, given)]
    jvm = dict.fromkeys((DRIVER, EXECUTOR), " ".join(options)) if is_pass and options else {}
    return {key: value for key, value in {PAGE: "false", **jvm}.items() if key not in given}


def _given(environment: Mapping[str, str]) -> Iterator[str]:
    """Give the texts in which settings and options of a JVM may stand, without comments."""
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
