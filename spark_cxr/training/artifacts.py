"""The files that a training leaves: `weights.keras`, and `films.png` with films as it saw them.

`weights.keras` is a backbone like any other. Beside what Keras writes, it says in `spark_cxr.json`
what else has to be known of it, and in `spark_cxr.films` which films it was trained on. Equal
networks give equal bytes: the times that Keras writes into it are left out.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from spark_cxr.backbones import film_list
from spark_cxr.backbones.cache import whole
from spark_cxr.backbones.user_network import PROVENANCE, Provenance, without_folder
from spark_cxr.images.film import Pixels
from spark_cxr.images.prepare import scaled
from spark_cxr.images.raster import encode_png
from spark_cxr.training.batches import Feed
from spark_cxr.training.task import Task

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file knows."""

ACROSS, DOWN = 8, 6
SIDE = 160
"""Of the longer side of a film on the sheet."""
_GAP = 4
_PAPER = 255


def write_weights(model: Any, task: Task, target: Path) -> None:
    """Write a network with what it started from and what it has learned on."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.keras"
        model.save(file)
        with whole(target) as half, zipfile.ZipFile(half, "w") as archive:
            for name, content in sorted(_members(file).items()):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
            about = json.dumps(provenance(task).to_json(), indent=1, ensure_ascii=False)
            archive.writestr(zipfile.ZipInfo(PROVENANCE, _EPOCH), about)
            if task.films:
                archive.writestr(zipfile.ZipInfo(film_list.MEMBER, _EPOCH), task.films)


def provenance(task: Task) -> Provenance:
    """Say where a network comes from."""
    return Provenance(
        backbone=task.backbone.name,
        normalising=task.backbone.normalising,
        licence=task.weights.licence or task.backbone.licence,
        citation=task.backbone.citation,
        started_from=without_folder(task.weights.origin),
        started_from_sha256=task.weights.sha256,
        data=task.data,
        labels=task.labels,
        seed=task.recipe.seed,
        see=task.backbone.see,
    )


def _members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    meta = json.loads(members["metadata.json"])
    members["metadata.json"] = json.dumps(meta | {"date_saved": "left out"}).encode()
    return members


def contact_sheet(augmented: Feed, plain: Feed) -> bytes:
    """Draw the films of the first batches of `augmented` as PNG, 8 across and 6 down.

    Above stand, behind a wider gap, those of the first row as `plain` gives them.
    """
    batches = list(islice(augmented.batches(0), -(-ACROSS * DOWN // augmented.batch_size)))
    films = [film[..., 0] for batch in batches for film in batch.films][: ACROSS * DOWN]
    rows = np.concatenate([batch.rows for batch in batches])[:ACROSS]
    before = [plain.films.read(int(row), int(row) + 1)[0][0] for row in rows]
    shelves = [_shelf(films[start : start + ACROSS]) for start in range(0, len(films), ACROSS)]
    wide_gap = np.full((2 * _GAP, shelves[0].shape[1]), _PAPER, np.uint8)
    return encode_png(np.vstack([_shelf(before), wide_gap, *shelves]))


def _shelf(films: list[Pixels]) -> Pixels:
    """Lay up to a row's worth of films side by side, with paper around each."""
    small = [np.pad(scaled(film, SIDE), _GAP // 2, constant_values=_PAPER) for film in films]
    missing = ACROSS - len(small)
    return np.hstack(small + [np.full_like(small[0], _PAPER)] * missing)
