"""Draw chest films that are clearly artificial: spark-submit jobs/phantoms.py --out P."""

from __future__ import annotations

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.phantom_films import phantoms_step
from spark_cxr.settings import Config


def run(_: object, cfg: Config, output: Output) -> Outcome:
    """Draw the films of [phantoms] with a manifest: a folder per class, or one for all."""
    counts = phantoms_step(cfg.phantoms, cfg.run.seed, output)
    lines = [f"{count:>6,}  {name}" for name, count in sorted(counts.items())]
    total = f"{cfg.phantoms.count:,} files in {output.address}"
    return Outcome({"files": cfg.phantoms.count, **counts}, "\n".join([total, *lines]))


JOB = Job("phantoms", "Draw clearly artificial chest films", ("phantoms",), run, needs_spark=False)
if __name__ == "__main__":
    main(JOB)
