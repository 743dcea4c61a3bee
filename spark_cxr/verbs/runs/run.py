"""`runs`: every run below a folder, by its own record, on one page; or a table of scores."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spark_cxr.errors import InputError
from spark_cxr.metrics.run_index import RunLine, run_line
from spark_cxr.output import RECORD, RUNS
from spark_cxr.report import runs, scores
from spark_cxr.settings import Config
from spark_cxr.verbs.runs.scores import score_report

METRICS = "metrics.json"
LARGEST = 2**26
"""Bytes of a record or of metrics."""
DEEPEST = 6
"""Folders below the one that is listed; runs lie in none that begin with a dot or underscore."""


def list_runs(cfg: Config) -> dict[str, Any]:
    """Write the page beside the runs, or into the table; give its place and what it shows."""
    top = Path(cfg.runs.folder)
    if not cfg.runs.folder or not top.is_dir():
        received = cfg.runs.folder or "none"
        raise InputError("--folder DIR that exists", received, "Say spark-cxr runs --folder DIR")
    if (top / RUNS).is_dir():
        report = score_report(str(top), cfg.runs.queue)
        page = top / scores.PAGE
        page.write_text(scores.scores_page(report), encoding="utf-8")
        return {"page": str(page), "models": len(report.models), "queue": len(report.queue)}
    found = list(runs_below(top))
    if not found:
        raise InputError(f"runs below {top}", f"no {RECORD}", "Name a folder that holds runs")
    page = top / runs.PAGE
    page.write_text(runs.runs_page(top.resolve().name, found), encoding="utf-8")
    return {"page": str(page), "runs": len(found)}


def runs_below(top: Path) -> Iterator[RunLine]:
    """Read the record of each run below a folder; what is no record of ours is passed by."""
    for folder, names, files in os.walk(top):
        here = Path(folder)
        depth = len(here.relative_to(top).parts)
        record = _json(_last_run(here) if RUNS in names else here / RECORD)
        names[:] = sorted(name for name in names if name[0] not in "._") if depth < DEEPEST else []
        if isinstance(record.get("job"), str) and "status" in record:
            place = str(here.relative_to(top))
            metrics = _json(here / METRICS) if METRICS in files else {}
            yield run_line(place, record, metrics, files)


def _last_run(table: Path) -> Path:
    """Find the record of the last run that has written a table of scores: they go by their time."""
    return max((table / RUNS).glob(f"*/{RECORD}"), default=table / RECORD)


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > LARGEST:
            return {}
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
