"""The frame of every job: arguments → settings → session → run → one line of JSON → exit code.

Spark is imported when a job that needs it runs, so that `--help` and `phantoms` do without.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_cxr import __version__
from spark_cxr.claim import Claim, claimed
from spark_cxr.config import resolve
from spark_cxr.console import lines_on_stderr
from spark_cxr.errors import SetupError, SparkCxrError
from spark_cxr.output import RECORD, VECTORS, Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGES = ("numpy", "pillow", "pyarrow", "pandas", "pydicom", "pyspark", "openvino", "keras")
TRACKED = "track"
"""Jobs with this section tell MLflow of what they have left in --out."""
KEPT = {"compare": ("films", "--table"), "finetune": ("", ""), "train": ("vectors", "--features")}
"""What a run that was refused has made, by section of its job, and the flag that takes it."""


@dataclass(frozen=True)
class Job:
    """One verb: its name, the settings it takes, and what it does with them."""

    name: str
    summary: str
    sections: tuple[str, ...]
    run: Callable[[SparkSession | None, Config, Output], Outcome]
    needs_spark: bool = True
    opens: Callable[[Config], AbstractContextManager[Output]] | None = None
    """Where the record of a run goes that has no --out: claimed for as long as the run lasts."""
    goes_on: str = ""
    """Goes on with what the same command has left in --out, where that was cut off or failed.
    Another command does not take the place of that once this file or folder lies there."""

    def exit_code(self, argv: Sequence[str]) -> int:
        """Run from a command line, as every verb of spark-cxr does."""
        return exit_code(self, argv)


def main(job: Job, argv: Sequence[str] | None = None) -> None:
    """Run a job from its command line and end the process with its exit code."""
    sys.exit(exit_code(job, sys.argv[1:] if argv is None else argv))


@lines_on_stderr()
def exit_code(job: Job, argv: Sequence[str]) -> int:
    """Run a job: 0, or 2 with one line on stderr that says what was expected and what came."""
    try:
        cfg = resolve(job.name, job.summary, job.sections, argv)
        _check(job, cfg)
        print(json.dumps(_run(job, _session(job), cfg)), flush=True)
    except SparkCxrError as error:
        return _refuse(job, str(error))
    except _spark_errors() as error:
        way_out = "The whole message stands in run.json"
        return _refuse(job, str(SparkCxrError("Spark to finish", _gist(str(error)), way_out)))
    except OSError as error:
        expected, way_out = "files that can be read and written", "Mend that and run again"
        return _refuse(job, str(SparkCxrError(expected, str(error), way_out)))
    return 0


def run(job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    """Run a job on a session, leave its record, and return what it says at its end."""
    _check(job, cfg)
    return _run(job, spark, cfg)


def _check(job: Job, cfg: Config) -> None:
    """Refuse what the settings and the files that they name show to be wrong, before a JVM runs."""
    if not job.needs_spark:
        return
    try:
        import_module("pyspark")
    except ImportError as error:
        way_out = "pip install 'spark-cxr[local]', or start the job with spark-submit"
        raise SetupError(f"PySpark for {job.name}", str(error), way_out) from None
    from spark_cxr.verbs.preflight import preflight

    preflight(cfg, job.sections)


def _session(job: Job) -> SparkSession | None:
    if not job.needs_spark:
        return None
    from spark_cxr.pipeline.session import open_session

    return open_session(job.name)


def _spark_errors() -> tuple[type[Exception], ...]:
    """Give what Spark throws; nothing where it was never imported."""
    if "pyspark" not in sys.modules:
        return ()
    from spark_cxr.pipeline.session import SPARK_ERRORS

    return SPARK_ERRORS


def _run(job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    if TRACKED in job.sections:
        from spark_cxr.verbs.track import check_tracking

        check_tracking(cfg)
    with job.opens(cfg) if job.opens else _claimed(job, cfg) as output:
        return _run_into(output, job, spark, cfg)


def _claimed(job: Job, cfg: Config) -> AbstractContextManager[Output]:
    address = cfg.run.out or f"runs/{job.name}-{datetime.now():%Y%m%d-%H%M%S}"
    return claimed(address, Claim(job.name, job.sections, job.goes_on, cfg))


def _run_into(output: Output, job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    record = _record(job, spark, cfg)
    output.write_json(RECORD, {**record, "status": "running"})
    started = time.monotonic()
    try:
        outcome = job.run(spark, cfg, output)
    except BaseException as error:
        if isinstance(error, SparkCxrError):
            _tell_what_is_kept(error, job, output)
        why = str(error) or type(error).__name__
        with suppress(OSError):  # a full disk must not hide what went wrong
            output.write_json(RECORD, {**record, "status": "failed", "error": why})
        raise
    ended = {"status": "ok", "seconds": round(time.monotonic() - started, 2), **outcome.counts}
    output.write_json(RECORD, {**record, **ended})
    print(outcome.text, file=sys.stderr, flush=True)
    if TRACKED in job.sections:
        from spark_cxr.verbs.track import track

        if told := track(job.name, cfg, output):
            ended |= told
            output.write_json(RECORD, {**record, **ended})
    return {"job": job.name, "out": output.address, **ended}


def _tell_what_is_kept(error: SparkCxrError, job: Job, output: Output) -> None:
    """Add to the way out that the vectors need not be made again, where they are all there."""
    what, flag = next((KEPT[name] for name in KEPT if name in job.sections), ("", ""))
    if flag and len(error.args) == 3 and output.read_bytes(VECTORS) is not None:
        expected, received, way_out = error.args
        stop = "" if way_out.endswith(("?", ".")) else "."
        kept = f"The {what} are kept: say {flag} {output.address} in place of --images"
        error.args = (expected, received, f"{way_out}{stop} {kept}, with another --out")


def _refuse(job: Job, line: str) -> int:
    _say(job, " ".join(line.splitlines()))
    return 2


def _say(job: Job, line: str) -> None:
    print(f"{job.name}: {line}", file=sys.stderr, flush=True)


def _gist(message: str) -> str:
    """Find the telling line of what Spark says: a worker's own error, else the first."""
    lines = [line for line in message.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("An error occurred while calling")]
    starts = [n for n, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    if starts:
        told = [line for line in lines[starts[-1] + 1 :] if not line[0].isspace()] or told
    return told[0].lstrip(": ") if told else "no word from Spark"


def _record(job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    session: dict[str, Any] = {}
    if spark:
        from spark_cxr.pipeline.session import describe

        session = {"session": describe(spark)}
    return {
        "job": job.name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": asdict(cfg),
        "versions": _versions(),
        "git": _git_revision(),
        "host": platform.node(),
        **session,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {"spark_cxr": __version__, "python": platform.python_version(), **found}


def _git_revision() -> str | None:
    """Say which revision of spark_cxr ran, where it runs from a checkout."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() or None
