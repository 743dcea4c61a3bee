"""Watch a table of scores week by week: spark-submit jobs/watch.py --table SCORES --out W."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config

SUMMARY = "Watch a table of scores week by week, and raise an alarm where something moves"
ALARM = 3  # exit code with --fail-on-alarm: 1 is a program that broke, 2 a refusal


def run(_: object, cfg: Config, output: Output) -> Outcome:
    """Write `watch.json`, `alerts.json` and a page."""
    from spark_cxr.verbs.watch.run import watch_step

    return watch_step(cfg, output)


def code(cfg: Config, ended: Mapping[str, Any]) -> int:
    """Give the exit code of a run that ended well."""
    return ALARM if cfg.watch.fail_on_alarm and ended["alarms"] else 0


JOB = Job("watch", SUMMARY, ("watch",), run, needs_spark=False, code=code)
if __name__ == "__main__":
    main(JOB)
