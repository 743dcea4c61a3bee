"""Draw chest films that are clearly artificial: spark-submit jobs/phantoms.py --out P --count 60."""

from __future__ import annotations

from spark_cxr.images.phantoms import manifest, phantoms
from spark_cxr.job import Job, Outcome, main
from spark_cxr.output import Output
from spark_cxr.settings import Config


def run(spark: None, cfg: Config, output: Output) -> Outcome:
    """Draw the films of [phantoms] into a folder per class, with a manifest."""
    raise NotImplementedError


JOB = Job("phantoms", "Draw clearly artificial chest films to try things on", ("phantoms",), run)
if __name__ == "__main__":
    main(JOB)
