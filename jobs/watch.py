"""Watch a table of scores week by week: spark-submit jobs/watch.py --table SCORES --out W."""

from __future__ import annotations

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config

ALARM = 3
"""Exit code with --fail-on-alarm: 1 is what Python gives a program that broke, 2 a refusal."""


def run(_: object, cfg: Config, output: Output) -> Outcome:
    """Write `watch.json`, `alerts.json` and a page."""
    from spark_cxr.verbs.watch.run import watch_step

    return watch_step(cfg, output)


SUMMARY = "Watch a table of scores week by week, and raise an alarm where something moves"
JOB = Job("watch", SUMMARY, ("watch",), run, needs_spark=False,
          code=lambda c, said: ALARM * bool(c.watch.fail_on_alarm and said["alarms"]))  # fmt: skip
if __name__ == "__main__":
    main(JOB)
