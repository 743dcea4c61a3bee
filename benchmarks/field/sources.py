"""Normal, pneumonia and COVID as four sources have them, to test each on what others know.

    python -m benchmarks.field.sources DATA FILE.csv

Of Radiography the classes COVID and Normal: its Viral Pneumonia is Kermany's, film by film, and its
tuberculosis has no second source. Kermany's two pneumonias are one.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCES = {"radiography": "Radiography", "cohen": "Cohen", "nih-chestxray14": "NIH"}
LABELS = {
    "COVID": "COVID",
    "Covid-19": "COVID",
    "Normal": "Normal",
    "No_findings": "Normal",
    "Pneumonia": "Pneumonia",
    "Bacterial Pneumonia": "Pneumonia",
    "Viral Pneumonia": "Pneumonia",
}
HEADER = ("path", "label", "patient_id", "source")


def films(data: Path) -> Iterator[tuple[str, str, str, str]]:
    """Name the films of all four, as `HEADER` has it."""
    for row in _rows(data / "manifest.csv"):
        source = SOURCES.get(row["source"])
        if source and (source, row["label"]) != ("Radiography", "Viral Pneumonia"):
            yield row["path"], LABELS[row["label"]], row["patient_id"], source
    for row in _rows(data / "kermany" / "manifest.csv"):
        yield row["path"], LABELS[row["label"]], row["patient_id"], "Kermany"


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def main() -> None:
    """Write the label file."""
    data, target = map(Path, sys.argv[1:])
    with target.open("w", newline="", encoding="utf-8") as stream:
        written = csv.writer(stream)
        written.writerow(HEADER)
        written.writerows(films(data))


if __name__ == "__main__":
    main()
