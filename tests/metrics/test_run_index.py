"""A run in one line, by what it has written; odd records leave empty places and raise nothing."""

from typing import Any

import pytest

from spark_cxr.metrics.run_index import run_line

RECORD = {
    "job": "train_lr",
    "started": "2026-11-30T13:11:55+00:00",
    "status": "ok",
    "n_test": 298,
    "config": {"ingest": {"images": ["/films/ozturk/", "/films/b"], "dataset": ""}},
}
METRICS = {
    "accuracy": 0.8221,
    "intervals": {"level": 0.95, "accuracy": [0.766, 0.877]},
    "backbone": "CXRNet",
    "head": "lr",
}


def test_a_training_is_told_by_its_accuracy_and_interval() -> None:
    line = run_line("R", RECORD, METRICS, ["report.html", "run.json"])
    assert (line.verb, line.started, line.status) == ("train_lr", "2026-11-30 13:11", "ok")
    assert (line.data, line.network, line.head) == ("ozturk, b", "CXRNet", "lr")
    assert line.figure.split() == ["accuracy", "82.2", "%"]
    assert (line.films, line.page) == (298, "report.html")
    assert line.interval.split() == ["76.6", "%", "to", "87.7", "%"]


def test_an_audit_is_told_by_its_checks() -> None:
    audit = {**RECORD, "job": "audit", "checks": {"fail": 5, "warn": 7, "pass": 3}}
    assert run_line("A", audit, {}, []).figure == "5 fail, 7 warn"


@pytest.mark.parametrize("odd", [None, [], "x", 3, {"a": 1}])
def test_odd_records_raise_nothing(odd: Any) -> None:
    record = {"job": "score", "status": odd, "config": odd, "started": odd, "checks": odd}
    metrics = {"accuracy": odd, "intervals": odd}
    assert run_line("S", record, metrics, []).verb == "score"
