"""Drawn films with planted faults, for tests of the audit, and without."""

import csv
import shutil

from spark_cxr.config import defaults
from spark_cxr.output import Output
from spark_cxr.pipeline.phantom_films import phantoms_step

SIZE = 96
"""At which the fake network, which sees 16 x 16 cells, can tell the letters apart."""


def drawn(folder, marker, count=150, masks=False):
    """Draw films into a folder of their own; give the rows of their manifest."""
    drawing = {"count": count, "size": SIZE, "formats": ("png",), "masks": masks, "marker": marker}
    phantoms_step(defaults(phantoms=drawing).phantoms, seed=5, output=Output(str(folder)))
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [dict(row, split="") for row in csv.DictReader(file)]
    (folder / "manifest.csv").unlink()
    return rows


def write_manifest(folder, rows):
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def faulty(folder):
    """Plant: a letter for the class, a source for a class, a twin with another label and side."""
    rows = drawn(folder, "class", masks=True)
    for i, row in enumerate(rows):
        row["source"] = "two" if row["label"] == "COVID-19" else "one"
        row["split"] = "test" if i % 4 == 0 else "train"
    twin = next(row for row in rows if row["label"] == "Pneumonia" and row["split"] == "test")
    name = "No_findings/twin.png"
    shutil.copy(folder / twin["path"], folder / name)
    copy = {**twin, "path": name, "label": "No_findings", "split": "train", "patient_id": "other"}
    write_manifest(folder, [*rows, copy])
    return twin["path"], name


def clean(folder):
    """Draw the same people without a letter, each class of both sources, split by patient."""
    rows = drawn(folder, "none", count=240)
    people = {row["patient_id"]: i for i, row in enumerate(rows)}
    for row in rows:
        number = sorted(people).index(row["patient_id"]) // 3
        row["source"] = ("one", "two")[number % 2]
        row["split"] = "test" if number % 4 == 0 else "train"
    write_manifest(folder, rows)
