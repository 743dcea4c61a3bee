"""A fine-tuning as a command line starts it, small: python killed_finetune_program.py OUT DIR."""

import sys
from pathlib import Path

from jobs.finetune import JOB
from spark_cxr import job
from spark_cxr.pipeline import session
from spark_cxr.training import checkpoint


def main(out: str, folder: Path) -> int:
    """Train the small network on the phantoms in a folder; each step is written down."""
    checkpoint.SECONDS = 0.0
    session.open_session("killed", {"spark.master": "local[2]", "spark.ui.enabled": "false"})
    flags = ["--images", str(folder / "films"), "--labels", str(folder / "films/manifest.csv")]
    flags += ["--backbone", str(folder / "small.keras"), "--normalising", "tf"]
    flags += ["--epochs", "6", "--train-batch-size", "4", "--explained", "0", "--resamples", "100"]
    return job.exit_code(JOB, [*flags, "--out", out])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
