"""What the runs below a folder have come to, one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spark_cxr.metrics.wording import decimal, percent

Json = Mapping[str, Any]
REPORTS = ("report.html", "films.html", "_scores.html")
"""Pages of a run, or of a table of scores, that are linked: the first that is there."""


@dataclass(frozen=True)
class RunLine:
    """A run, as a list of runs shows it."""

    place: str
    """Its folder below the one that is listed."""
    verb: str
    started: str
    status: str
    data: str = ""
    network: str = ""
    head: str = ""
    figure: str = ""
    interval: str = ""
    films: int | None = None
    page: str = ""
    """The name of its page; empty: it has none."""


def run_line(place: str, record: Json, metrics: Json, files: Sequence[str]) -> RunLine:
    """Sum up a run by what it has written down; what is missing or odd stays empty."""
    config = _part(record, "config")
    figure, interval = _figure(record, metrics)
    images = _part(config, "ingest").get("images") or _part(config, "score").get("images") or ()
    dataset = _part(config, "ingest").get("dataset") or ""
    names = [str(each).rstrip("/").rsplit("/", 1)[-1] for each in images]
    return RunLine(
        place=place,
        verb=str(record.get("job", "")),
        started=str(record.get("started", ""))[:16].replace("T", " "),
        status=str(record.get("status", "")),
        data=dataset or ", ".join(names[:3]) + (", …" if len(names) > 3 else ""),
        network=str(metrics.get("backbone") or _network(record, config)),
        head=str(metrics.get("head") or record.get("best") or ""),
        figure=figure,
        interval=interval,
        films=_count(record),
        page=next((name for name in REPORTS if name in files), ""),
    )


def _part(of: Json, name: str) -> Json:
    found = of.get(name)
    return found if isinstance(found, Mapping) else {}


def _network(record: Json, config: Json) -> str:
    """Name the network of a run that used one."""
    used = {"engine", "images_per_second", "network"} & set(record)
    return str(_part(config, "features").get("backbone", "")) if used else ""


def _count(record: Json) -> int | None:
    for name in ("n_test", "scored", "images", "files"):
        if isinstance(record.get(name), int):
            return int(record[name])
    return None


def _figure(record: Json, metrics: Json) -> tuple[str, str]:
    """Give the figure that a run is known by, with its name and its interval."""
    ends = _part(metrics, "intervals")
    for name, words, write in (
        ("accuracy", "accuracy", percent),
        ("auc_macro", "mean AUC", decimal),
        ("macro_auc", "mean AUC", decimal),
    ):
        value = metrics.get(name, record.get(name))
        if isinstance(value, int | float):
            pair = ends.get(name)
            is_pair = isinstance(pair, list | tuple) and len(pair) == 2
            interval = f"{write(pair[0])} to {write(pair[1])}" if is_pair and pair else ""
            return f"{words} {write(value)}", interval
    checks = record.get("checks")
    if isinstance(checks, Mapping):
        return f"{checks.get('fail', 0)} fail, {checks.get('warn', 0)} warn", ""
    return "", ""
