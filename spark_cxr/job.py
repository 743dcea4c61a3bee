"""The frame of every job: arguments → settings → session → run → one line of JSON → exit code."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_cxr import __version__
from spark_cxr.config import resolve
from spark_cxr.console import lines_on_stderr
from spark_cxr.errors import OutputError, SparkCxrError
from spark_cxr.flags import flagged_items
from spark_cxr.output import (
    RECORD,
    Outcome,
    Output,
    absolute,
    only_writer,
    open_output,
    unfinished,
)
from spark_cxr.pipeline.session import SPARK_ERRORS, describe, open_session
from spark_cxr.pipeline.tracking import check_tracking, track
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGES = ("numpy", "pillow", "pyarrow", "pandas", "pydicom", "pyspark", "openvino", "keras")
TOLD = ("track", "registry")
"""Sections that say whom to tell of a run, and nothing of what it does."""
TRACKED = "track"
"""Jobs with this section tell MLflow of what they have left in --out."""


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
    goes_on: bool = False
    """Goes on with what the same command has left in --out, where that was cut off or failed."""

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
        spark = open_session(job.name) if job.needs_spark else None
        print(json.dumps(run(job, spark, cfg)), flush=True)
    except SparkCxrError as error:
        return _refuse(job, str(error))
    except SPARK_ERRORS as error:
        way_out = "The whole message stands in run.json"
        return _refuse(job, str(SparkCxrError("Spark to finish", _gist(str(error)), way_out)))
    except OSError as error:
        expected, way_out = "files that can be read and written", "Mend that and run again"
        return _refuse(job, str(SparkCxrError(expected, str(error), way_out)))
    return 0


def run(job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    """Run a job on a session, leave its record, and return what it says at its end."""
    if TRACKED in job.sections:
        check_tracking(cfg)
    with job.opens(cfg) if job.opens else _out_of(job, cfg) as output:
        return _run_into(output, job, spark, cfg)


@contextmanager
def _out_of(job: Job, cfg: Config) -> Iterator[Output]:
    """Claim --out."""
    address = cfg.run.out or _dated_directory(job.name)
    with only_writer(address):
        if job.goes_on and not cfg.run.overwrite and (record := unfinished(address)):
            _check_same(job, cfg, record)
            print(f"{job.name}: goes on in {address}", file=sys.stderr, flush=True)
            yield Output(absolute(address).rstrip("/"))
        else:
            yield open_output(address, cfg.run.overwrite, _inputs(cfg))


def _check_same(job: Job, cfg: Config, record: Mapping[str, Any]) -> None:
    """Refuse to go on with what another command, or another version, has begun."""
    way_out = "Give the same, choose another --out, or begin anew with --overwrite"
    begun = (record["job"], record["versions"]["spark_cxr"])
    if begun != (job.name, __version__):
        expected = f"an --out in which {job.name} of {__version__} was cut off, or a new one"
        raise OutputError(expected, f"--out={cfg.run.out} of {' '.join(begun)}", way_out)
    asked = json.loads(json.dumps(asdict(cfg)))
    for section, item in flagged_items([name for name in job.sections if name not in TOLD]):
        now, then = (told[section].get(item.name) for told in (asked, record["config"]))
        if now != then and item.name not in ("out", "overwrite"):
            expected = f"the settings of the run that was cut off in --out={cfg.run.out}"
            raise OutputError(expected, f"{section}.{item.name}={now}, then {then}", way_out)


def _run_into(output: Output, job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    record = _record(job, spark, cfg)
    output.write_json(RECORD, {**record, "status": "running"})
    started = time.monotonic()
    try:
        outcome = job.run(spark, cfg, output)
    except BaseException as error:
        why = str(error) or type(error).__name__
        with suppress(OSError):  # a full disk must not hide what went wrong
            output.write_json(RECORD, {**record, "status": "failed", "error": why})
        raise
    ended = {"status": "ok", "seconds": round(time.monotonic() - started, 2), **outcome.counts}
    output.write_json(RECORD, {**record, **ended})
    print(outcome.text, file=sys.stderr, flush=True)
    if TRACKED in job.sections and (told := track(job.name, cfg, output)):
        ended |= told
        output.write_json(RECORD, {**record, **ended})
    return {"job": job.name, "out": output.address, **ended}


def _refuse(job: Job, line: str) -> int:
    print(f"{job.name}: {' '.join(line.splitlines())}", file=sys.stderr, flush=True)
    return 2


def _inputs(cfg: Config) -> tuple[str, ...]:
    labels = () if cfg.ingest.labels in ("", "folder", "none") else (cfg.ingest.labels,)
    beside = filter(
        None, (cfg.audit.manifest, cfg.audit.lung_masks, cfg.explain.model, cfg.explain.table)
    )
    return (*cfg.ingest.images, *cfg.train.test_images, *cfg.finetune.never, *labels, *beside)


def _gist(message: str) -> str:
    """Find the telling line of what Spark says: a worker's own error, else the first."""
    lines = [line for line in message.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("An error occurred while calling")]
    starts = [n for n, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    if starts:
        told = [line for line in lines[starts[-1] + 1 :] if not line[0].isspace()] or told
    return told[0].lstrip(": ") if told else "no word from Spark"


def _dated_directory(name: str) -> str:
    return f"runs/{name}-{datetime.now():%Y%m%d-%H%M%S}"


def _record(job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    return {
        "job": job.name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": asdict(cfg),
        "versions": _versions(),
        "git": _git_revision(),
        **({"session": describe(spark)} if spark else {}),
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
