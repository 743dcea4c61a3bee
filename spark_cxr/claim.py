"""Which place a run may take: a new one, or one that an earlier run has left without a result."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from spark_cxr import __version__
from spark_cxr.errors import OutputError, SparkCxrError
from spark_cxr.flags import flagged_items
from spark_cxr.output import (
    KEY,
    RECORD,
    Output,
    absolute,
    is_here,
    only_writer,
    open_output,
    record_of,
    sweep,
)
from spark_cxr.settings import Config

TOLD = ("track", "registry")
"""Sections that say whom to tell of a run, and nothing of what it does."""


@dataclass(frozen=True)
class Claim:
    """Which job wants a place, with which settings."""

    job: str
    sections: tuple[str, ...]
    goes_on: str
    """What shows that a run has begun which the same command goes on with; empty: none does."""
    cfg: Config


@contextmanager
def claimed(address: str, claim: Claim) -> Iterator[Output]:
    """Claim --out: a new place, or that of a run which has failed there and left no result.

    A run that is refused before it leaves anything leaves no directory either.
    """
    run = claim.cfg.run
    with only_writer(address):
        output = Output(absolute(address).rstrip("/") or "/")
        record = _left_in(output)
        if not run.overwrite and _goes_on(claim, output, record):
            _say(claim, f"goes on in {address}")
            yield output
            return
        replaces = not run.overwrite and _is_replaced(claim, record)
        output = open_output(address, run.overwrite or replaces, _inputs(claim.cfg))
        if replaces:
            _say(claim, f"takes the place of the run that failed in {address}")
        is_new = not output.names()
        try:
            yield output
        except SparkCxrError:
            if is_new and not set(output.names()) - {RECORD, KEY}:
                output.withdraw()
            raise


def _left_in(output: Output) -> dict[str, Any]:
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


def _is_replaced(claim: Claim, record: Mapping[str, Any]) -> bool:
    return record.get("status") == "failed" and record.get("job") == claim.job


def _goes_on(claim: Claim, output: Output, record: Mapping[str, Any]) -> bool:
    """Tell whether the same command was cut off; what another one has half done is not lost."""
    if not claim.goes_on or record.get("status") not in ("running", "failed"):
        return False
    try:
        _check_same(claim, record)
    except OutputError:
        has_begun = claim.goes_on in output.names() or not is_here(output.address)
        if has_begun or not _is_replaced(claim, record):
            raise
        return False
    return True


def _check_same(claim: Claim, record: Mapping[str, Any]) -> None:
    """Refuse to go on with what another command, or another version, has begun."""
    way_out = "Give the same, choose another --out, or begin anew with --overwrite"
    begun = (record["job"], record["versions"]["spark_cxr"])
    if begun != (claim.job, __version__):
        expected = f"an --out in which {claim.job} of {__version__} was cut off, or a new one"
        raise OutputError(expected, f"--out={claim.cfg.run.out} of {' '.join(begun)}", way_out)
    asked = json.loads(json.dumps(asdict(claim.cfg)))
    for section, item in flagged_items([name for name in claim.sections if name not in TOLD]):
        now, then = (told[section].get(item.name) for told in (asked, record["config"]))
        if now != then and item.name not in ("out", "overwrite"):
            expected = f"the settings of the run that was cut off in --out={claim.cfg.run.out}"
            raise OutputError(expected, f"{section}.{item.name}={now}, then {then}", way_out)


def _say(claim: Claim, line: str) -> None:
    print(f"{claim.job}: {line}", file=sys.stderr, flush=True)


def _inputs(cfg: Config) -> tuple[str, ...]:
    labels = () if cfg.ingest.labels in ("", "folder", "none") else (cfg.ingest.labels,)
    beside = filter(
        None,
        (
            *(cfg.audit.manifest, cfg.audit.lung_masks, cfg.explain.model, cfg.explain.table),
            *(cfg.features.table, cfg.train.features),
        ),
    )
    return (*cfg.ingest.images, *cfg.train.test_images, *cfg.finetune.never, *labels, *beside)
