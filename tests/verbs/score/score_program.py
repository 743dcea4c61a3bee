"""What the tests of faults run: the job score in a process of its own.

python score_program.py FLAGS…: as `spark-cxr score FLAGS…`, with a small session.
"""

import sys

from jobs.score import JOB
from spark_cxr.job import exit_code
from spark_cxr.pipeline.session import open_session

SMALL = {
    "spark.master": "local[2,3]",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
}

if __name__ == "__main__":
    open_session("score", SMALL)
    sys.exit(exit_code(JOB, sys.argv[1:]))
