"""The frame of every job: arguments → settings → session → run → one line of JSON → exit code.

Also which place a run may take: a new one, or one that an earlier run has left without a result.

Spark is imported when a job that needs it runs, so that `--help` and `phantoms` do without.
"""

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
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_cxr import __version__
from spark_cxr.config import find_benchmarks, flagged_items, resolve
from spark_cxr.console import lines_on_stderr, refuse, say, show
from spark_cxr.errors import OutputError, SetupError, SparkCxrError, without_password
from spark_cxr.film_places import PATHS, is_table
from spark_cxr.output import (
    KEY,
    PARTS,
    RECORD,
    VECTORS,
    Outcome,
    Output,
    absolute,
    is_here,
    only_writer,
    open_output,
    record_of,
    sweep,
)
from spark_cxr.settings import Config
from spark_cxr.verbs.stores import check_stores

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGES = ("numpy", "pillow", "pyarrow", "pandas", "pydicom", "pyspark", "openvino", "keras")
TRACKED = "track"
"""Jobs with this section tell MLflow of what they have left in --out."""
BENCHMARK = "bench"
"""The job with this section runs what lies in benchmarks/, which no wheel carries."""
KEPT = {"compare": ("films", "--table"), "finetune": ("", ""), "train": ("vectors", "--features")}
"""What a run that was refused has made, by section of its job, and the flag that takes it."""
REPORTS_TO = ("track", "registry")
"""Sections that say where a run is reported, and nothing of what it does."""


@dataclass(frozen=True)
class Job:
    """One verb: its name, the settings it takes, and what it does with them."""

    name: str
    summary: str
    sections: tuple[str, ...]
    run: Callable[[SparkSession | None, Config, Output], Outcome]
    needs_spark: bool = True
    may_wait: Callable[[Config], bool] = lambda _: False
    """Tells whether a run starts without a session, to open one where it turns out to need it."""
    opens: Callable[[Config], AbstractContextManager[Output]] | None = None
    """Where the record of a run goes that has no --out: claimed for as long as the run lasts."""
    code: Callable[[Config, Mapping[str, Any]], int] = lambda _, __: 0
    """Gives the exit code of a run that ended well, from its settings and what it said."""
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
        spark = None
        if job.needs_spark and not job.may_wait(cfg):
            from spark_cxr.pipeline.progress import stage
            from spark_cxr.pipeline.session import open_session

            stage("starting Spark")
            spark = open_session(job.name)
            stage("preparing")
        ended = _run(job, spark, cfg)
        print(json.dumps(ended), flush=True)
        return job.code(cfg, ended)
    except SparkCxrError as error:
        return refuse(job.name, error)
    except _spark_errors() as error:
        way_out = "The whole message stands in run.json"
        return refuse(job.name, SparkCxrError("Spark to finish", _gist(str(error)), way_out))
    except OSError as error:
        expected, way_out = "files that can be read and written", "Correct that and run again"
        return refuse(job.name, SparkCxrError(expected, str(error), way_out))


def run(job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    """Run a job on a session, leave its record, and return what it says at its end."""
    _check(job, cfg)
    return _run(job, spark, cfg)


def _check(job: Job, cfg: Config) -> None:
    """Refuse what the settings and the files that they name show to be wrong, before a JVM runs."""
    check_stores(cfg, ("run", *job.sections))
    if not job.needs_spark:
        return
    if BENCHMARK in job.sections:
        find_benchmarks()
    try:
        import_module("pyspark")
    except ImportError as error:
        way_out = "pip install 'spark-cxr[local]', or start the job with spark-submit"
        raise SetupError(f"PySpark for {job.name}", str(error), way_out) from None
    from spark_cxr.verbs.preflight import preflight

    preflight(cfg, job.sections)


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


def _run_into(output: Output, job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    record = _record(job, spark, cfg)
    output.write_json(RECORD, {**record, "status": "running"})
    started = time.monotonic()
    try:
        outcome = job.run(spark, cfg, output)
    except BaseException as error:
        if isinstance(error, SparkCxrError):
            _name_kept_vectors(error, job, output)
            output.remove(PARTS)  # the same command would be refused again
        why = without_password(str(error)) or type(error).__name__
        with suppress(OSError):  # a full disk must not hide what went wrong
            output.write_json(RECORD, {**record, "status": "failed", "error": why})
        raise
    output.remove(PARTS)
    ended = {"status": "ok", "seconds": round(time.monotonic() - started, 2), **outcome.counts}
    output.write_json(RECORD, {**record, **ended})
    show(outcome.text)
    if TRACKED in job.sections:
        from spark_cxr.verbs.track import track

        if tracked := track(job.name, cfg, output):
            ended |= tracked
            output.write_json(RECORD, {**record, **ended})
    return {"job": job.name, "out": without_password(output.address), **ended}


def _name_kept_vectors(error: SparkCxrError, job: Job, output: Output) -> None:
    """Add to the way out that the vectors need not be made again, where they are all there."""
    what, flag = next((KEPT[name] for name in KEPT if name in job.sections), ("", ""))
    if flag and len(error.args) == 3 and output.read_bytes(VECTORS) is not None:
        expected, received, way_out = error.args
        stop = "" if way_out.endswith(("?", ".")) else "."
        kept = f"The {what} are kept: say {flag} {output.address} in place of --images"
        error.args = (expected, received, f"{way_out}{stop} {kept}, with another --out")


def _gist(message: str) -> str:
    """Find the telling line of what Spark says: a worker's own error, else the first."""
    lines = [line for line in message.splitlines() if line.strip()]
    found = [line for line in lines if not line.startswith("An error occurred while calling")]
    starts = [n for n, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    if starts:
        found = [line for line in lines[starts[-1] + 1 :] if not line[0].isspace()] or found
    return found[0].lstrip(": ") if found else "no word from Spark"


def _record(job: Job, spark: SparkSession | None, cfg: Config) -> dict[str, Any]:
    versions = {"spark_cxr": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    session: dict[str, Any] = {}
    if spark:
        from spark_cxr.pipeline.session import describe

        session = {"session": describe(spark)}
    return {
        "job": job.name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": without_password(asdict(cfg)),
        "versions": versions,
        "git": _git_revision(),
        "host": platform.node(),
        **session,
    }


def _git_revision() -> str | None:
    """Say which revision of spark_cxr ran, where it runs from a checkout."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


# Which place a run may take


@contextmanager
def _claimed(job: Job, cfg: Config) -> Iterator[Output]:
    """Claim --out: a new place, or that of a run which has failed there and left no result.

    A run that is refused before it leaves anything leaves no directory either.
    """
    address = cfg.run.out or f"runs/{job.name}-{datetime.now():%Y%m%d-%H%M%S}"
    with only_writer(address):
        output = Output(absolute(address).rstrip("/") or "/")
        record = _earlier_record(output)
        if not cfg.run.overwrite and _goes_on(job, cfg, output, record):
            say(job.name, f"goes on in {address}")
            yield output
            return
        replaces = not cfg.run.overwrite and _is_replaced(job, record)
        output = open_output(address, cfg.run.overwrite or replaces, _inputs(cfg))
        if replaces:
            say(job.name, f"takes the place of the run that failed in {address}")
        is_new = not output.names()
        try:
            yield output
        except SparkCxrError:
            if is_new and not set(output.names()) - {RECORD, KEY}:
                output.withdraw()
            raise


def _earlier_record(output: Output) -> dict[str, Any]:
    """Read the record of an earlier run, and sweep up after one that was killed.

    The lock says that no run of this machine is at work there; one of another machine may be.
    """
    record: dict[str, Any] = {}
    with suppress(OSError):  # `open_output` says it better
        record = record_of(output)
    status, host = record.get("status", "ok"), record.get("host")
    if status != "ok" and (status != "running" or host == platform.node()):
        sweep(output)
    return record


def _is_replaced(job: Job, record: Mapping[str, Any]) -> bool:
    return record.get("status") == "failed" and record.get("job") == job.name


def _goes_on(job: Job, cfg: Config, output: Output, record: Mapping[str, Any]) -> bool:
    """Tell whether the same command was cut off; what another one has half done is not lost."""
    if not job.goes_on or record.get("status") not in ("running", "failed"):
        return False
    try:
        _check_same(job, cfg, record)
    except OutputError:
        has_begun = job.goes_on in output.names() or not is_here(output.address)
        if has_begun or not _is_replaced(job, record):
            raise
        return False
    return True


def _check_same(job: Job, cfg: Config, record: Mapping[str, Any]) -> None:
    """Refuse to go on with what another command, or another version, has begun."""
    way_out = "Give the same, choose another --out, or begin anew with --overwrite"
    earlier = (record["job"], record["versions"]["spark_cxr"])
    if earlier != (job.name, __version__):
        expected = f"an --out in which {job.name} of {__version__} was cut off, or a new one"
        raise OutputError(expected, f"--out={cfg.run.out} of {' '.join(earlier)}", way_out)
    settings = json.loads(json.dumps(without_password(asdict(cfg))))
    recorded = without_password(record["config"])
    sections = [name for name in job.sections if name not in REPORTS_TO]
    for section, item in flagged_items(sections):
        now, then = (of[section].get(item.name) for of in (settings, recorded))
        if now != then and item.name not in ("out", "overwrite"):
            expected = f"the settings of the run that was cut off in --out={cfg.run.out}"
            raise OutputError(expected, f"{section}.{item.name}={now}, then {then}", way_out)


def _inputs(cfg: Config) -> tuple[str, ...]:
    labels = () if cfg.ingest.labels in ("", "folder", "none") else (cfg.ingest.labels,)
    named = (
        *(cfg.audit.manifest, cfg.audit.lung_masks, cfg.explain.model, cfg.explain.table),
        *(cfg.evaluate.model, cfg.evaluate.table),
        cfg.explain.boxes,
        *(cfg.features.table, cfg.train.features, cfg.similar.model, cfg.similar.features),
        *(cfg.watch.table, cfg.watch.films, cfg.watch.labels, cfg.watch.model),
    )
    folders = (
        *(*cfg.ingest.images, *cfg.train.test_images),
        *(*cfg.finetune.never, *cfg.similar.images),
    )
    places = (each.removeprefix(PATHS) for each in folders if not is_table(each))
    return (*places, *labels, *filter(None, named))
