"""Train the gate that ships with spark_cxr, judge it by what it has not learned, put it in place.

    python -m benchmarks.gate.train DATA FOLDER

FOLDER keeps packages, pictures and trainings: stopped, it goes on when it is started again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.gate.found import fetch
from benchmarks.gate.judge import Judged, judge
from benchmarks.gate.learn import learned_gate
from benchmarks.gate.pictures import FOLDS, gathered
from spark_cxr.images.gate import FILE


def main() -> None:
    """Gather pictures, train once without each group of them and once with all."""
    data, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    fetch(folder / "packages", sys.executable)
    shown = gathered(data, folder / "packages", folder / "pictures.npz")
    gates = {
        fold: learned_gate(shown, shown.folds != fold, folder / f"without-{fold}")
        for fold in range(FOLDS)
    }
    judged = judge(shown, gates, data)
    (folder / "judged.json").write_text(json.dumps(asdict(judged), indent=1), encoding="utf-8")
    whole = learned_gate(shown, np.ones(len(shown.views), np.bool_), folder / "all")
    FILE.write_bytes(whole.pack())
    print(table(judged))


def table(judged: Judged) -> str:
    """Give the figures as the card has them."""
    changes = list(dict.fromkeys(name for found in judged.films.values() for name in found))
    lines = [
        "| films of | films | " + " | ".join(changes) + " |",
        "|---" * (len(changes) + 2) + "|",
    ]
    for source, found in judged.films.items():
        shares = (f"{found[name].share:.1%}" if name in found else "" for name in changes)
        lines.append(f"| {source} | {found[changes[0]].pictures:,} | " + " | ".join(shares) + " |")
    lines += ["", "| no chest film | pictures | refused |", "|---|---|---|"]
    lines += [
        f"| {kind} | {each.pictures:,} | {each.share:.1%} |" for kind, each in judged.others.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
