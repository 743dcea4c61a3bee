"""Settings of a session that is started on this machine, beside those of a user.

A JVM that only passes over films lives for seconds or reads files: what Java's second compiler
finds out about it never pays back, and several collector threads take cores from the Python
workers. MLlib's loops are what that compiler is for, so a job that fits heads keeps it; where these
are short, it is only called later.
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
PASSES = frozenset(("ingest", "look", "pack", "featurize", "score", "explain"))
"""Jobs that go over films and fit nothing."""
SHORT_FITS = frozenset(("train_lr", "train_rf", "train_dt"))
"""Jobs whose heads do not even need the second compiler, which `mlp` does."""
COMPILER = r"-XX:Tiered|-XX:[+-]Tiered|-XX:Tier\d|-XX:CompilationMode|-Xint|-Xcomp"
COLLECTOR = r"-XX:[+-]Use\w+GC\b"
FOR_PASSES = {"-XX:TieredStopAtLevel=1": COMPILER, "-XX:+UseSerialGC": COLLECTOR}
"""Each option, and what of a user's own choice it would contradict. Two collectors end the JVM."""
LATER = (
    "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)
"""Ten times as many calls, or rounds of a loop, as Java takes before it compiles once more."""
FOR_SHORT_FITS = {LATER: COMPILER}
PAGE = "spark.ui.enabled"
ELSEWHERE = ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_REMOTE", "DATABRICKS_RUNTIME_VERSION")
"""Where one of these is set, Spark may find a path without scheme that Python does not find."""
VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
ARGUMENTS, FILE = "PYSPARK_SUBMIT_ARGS", "--properties-file"
GATEWAY = "PYSPARK_GATEWAY_PORT"
"""Is set where spark-submit has started the JVM: its own settings count."""


def local_settings(job: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give settings for a session of this machine; without Spark's page, which costs a second.

    Whatever somebody has chosen, in Spark's files or in the environment, stays.
    """
    given = "\n".join(_given(os.environ if environment is None else environment))
    suited = FOR_PASSES if job in PASSES else FOR_SHORT_FITS if job in SHORT_FITS else {}
    options = [option for option, own in suited.items() if not re.search(own, given)]
    jvm = dict.fromkeys((DRIVER, EXECUTOR), " ".join(options)) if options else {}
    return {key: value for key, value in {PAGE: "false", **jvm}.items() if key not in given}


def are_ours_alone(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether a session that started now would be of this machine, and set by nobody else."""
    given = os.environ if environment is None else environment
    return not any(given.get(name) for name in (*ELSEWHERE, ARGUMENTS, GATEWAY, "SPARK_CONF_DIR"))


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
