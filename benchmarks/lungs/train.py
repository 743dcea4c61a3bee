"""Train the network of lungs that ships with spark_cxr, and judge it by what it has not learned.

    python -m benchmarks.lungs.train DATA FOLDER

FOLDER keeps the trainings: stopped between two of them, it goes on when it is started again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.lungs.films import adults, children, phantoms
from benchmarks.lungs.judge import agreement, whitened
from benchmarks.lungs.learn import learned_network
from spark_cxr.images.lungs import FILE

EPOCHS = 60
ADULTS_TIMES = 16
"""The few adults are shown so many times as often."""
PARTS = 2
"""Into so many the adults are divided: each is judged by a network that has not learned it."""


def main() -> None:
    """Train without the films that are held out, then with all, and put that in its place."""
    data, folder = map(Path, sys.argv[1:])
    (outlined, is_held), (grown, fits), drawn = children(data), adults(data), phantoms()
    learned, held = outlined.take(~is_held), outlined.take(is_held)
    part = np.arange(len(grown.films)) % PARTS
    lines = []
    for number in range(PARTS):
        films = learned.and_also(drawn).and_also(grown.take((part != number) & fits), ADULTS_TIMES)
        network = learned_network(films, EPOCHS, folder / f"without-{number}.keras")
        tests = {
            "adults": grown.take(part == number),
            "adults, outline on the lungs": grown.take((part == number) & fits),
            "children": held,
        }
        for name, test in tests.items():
            lines.append(f"{number} {name}: {agreement(network, test)}")
            lines.append(f"{number} {name}, dense: {agreement(network, whitened(test))}")
    everything = outlined.and_also(drawn).and_also(grown.take(fits), ADULTS_TIMES)
    FILE.write_bytes(learned_network(everything, EPOCHS, folder / "all.keras").pack())
    (folder / "judged.json").write_text(json.dumps(lines, indent=1), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
