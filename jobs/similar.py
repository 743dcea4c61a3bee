"""Films most like this one: spark-submit jobs/similar.py --model M --images FILM --out S."""

from __future__ import annotations

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config


def run(_: object, cfg: Config, output: Output) -> Outcome:
    """Write the tables `neighbours` and `quarantine`, and a page that shows them."""
    from spark_cxr.verbs.similar.run import similar_step

    return similar_step(cfg, output)


SUMMARY = "Find the films that are most like a film"
JOB = Job("similar", SUMMARY, ("similar",), run, needs_spark=False)
if __name__ == "__main__":
    main(JOB)
