"""What the networks' own libraries make of films, beside what spark_cxr makes of them.

Runs in an environment of its own (`make test-networks`), which has those libraries but not Spark.
Nothing is downloaded: what would fetch weights gives random ones.

    networks_program.py preprocessing FILMS       pixels, for every card and every rule
    networks_program.py exports FILMS OUT [CARD]  the commands of docs/networks.md
    networks_program.py labels                    the findings of torchxrayvision
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def mend_torchvision() -> None:
    """Declare two operators that torchvision misses on a PyTorch without CUDA; none is called."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        import torch

        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        for operator in ("nms", "qnms"):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", schema)


def main(verb: str, *given: str) -> object:
    """Do one of the three, and give what is printed as JSON."""
    mend_torchvision()
    from tests.networks import exports, libraries

    if verb == "labels":
        return libraries.xrv.models.DenseNet.targets
    if verb == "preprocessing":
        return libraries.preprocessing(*given)
    folder, out, *names = given
    return exports.all_exports(folder, Path(out), names)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    sys.path.insert(0, str(ROOT))
    print(json.dumps(main(*sys.argv[1:])))
