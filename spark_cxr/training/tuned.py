"""`weights.keras`: a network that has learned, as a backbone like any other.

Beside what Keras writes, the file says in `spark_cxr.json` what else has to be known of it, and in
`spark_cxr.films` which films it was trained on. Equal networks give equal bytes: the times that
Keras writes into it are left out.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from spark_cxr.backbones import film_list
from spark_cxr.backbones.cache import whole
from spark_cxr.backbones.user_network import PROVENANCE, Provenance, without_folder
from spark_cxr.training.task import Task

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file knows."""


def write(model: Any, task: Task, target: Path) -> None:
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
    )


def _members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    meta = json.loads(members["metadata.json"])
    members["metadata.json"] = json.dumps(meta | {"date_saved": "left out"}).encode()
    return members
