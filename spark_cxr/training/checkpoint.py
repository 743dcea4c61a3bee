"""How far a training is, on disk: whoever goes on from it comes to the same weights.

`state.npz` holds all variables of network and optimiser (what dropout draws from among them) and
where they stand; `best-N.npz` those of the network after the best epoch. Both appear whole.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.cache import whole
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.training.task import History, Task

FORMAT = 1
STATE = "state.npz"
SECONDS = 180.0
"""Between two states within an epoch."""
Values = list[NDArray[Any]]


@dataclass(frozen=True)
class Sums:
    """What the steps of an epoch have given so far."""

    loss: float = 0.0
    hits: float = 0.0
    films: float = 0.0
    rows: int = 0
    """Films that went through, those that fill up a batch too."""
    seconds: float = 0.0


@dataclass(frozen=True)
class State:
    """Where a training is."""

    epoch: int = 0
    """Epochs that are over."""
    step: int = 0
    """Steps of the next one that are over."""
    sums: Sums = field(default_factory=Sums)
    history: History = field(default_factory=History)


@dataclass(frozen=True)
class Saved:
    """A state with the variables that belong to it."""

    state: State
    model: Values = field(repr=False)
    optimiser: Values = field(repr=False)


def key(task: Task) -> str:
    """Identify a training: films, labels, network and recipe, and not where its folder lies."""
    parts = [
        FORMAT,
        task.recipe.to_json(),
        task.backbone.name,
        task.backbone.normalising,
        task.weights.sha256,
        task.labels,
        *(["findings"] if task.of_findings else []),
        # Films are identified by how many there are of which class, one after the other.
        *(
            hashlib.sha256(films.targets().tobytes()).hexdigest()
            for films in (task.train, task.val)
        ),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def write(folder: Path, task_key: str, saved: Saved) -> None:
    """Replace the state in the folder by this one."""
    state = asdict(saved.state) | {"history": saved.state.history.to_json()}
    meta = {"key": task_key, "state": state}
    arrays = {f"model.{i}": value for i, value in enumerate(saved.model)}
    arrays |= {f"optimiser.{i}": value for i, value in enumerate(saved.optimiser)}
    _write(folder / STATE, {"meta": np.array(json.dumps(meta)), **arrays})


def read(folder: Path, task_key: str) -> Saved | None:
    """Read the state of this training; None where there is none, or another's."""
    try:
        with (
            (folder / STATE).open("rb") as stream,
            np.load(stream, allow_pickle=False) as archive,
        ):
            meta = json.loads(str(archive["meta"]))
            if meta["key"] != task_key:
                return None
            parts = (list(_values(archive, name)) for name in ("model", "optimiser"))
            return Saved(_from_json(meta["state"]), *parts)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # it appears whole, so it is nothing that this version wrote


def write_best(folder: Path, epoch: int, model: Values) -> None:
    """Keep the network of the best epoch so far; the one before stays until `forget`."""
    _write(folder / _best(epoch), {f"model.{i}": value for i, value in enumerate(model)})


def read_best(folder: Path, epoch: int) -> Values:
    """Read the network of the best epoch."""
    with np.load(folder / _best(epoch), allow_pickle=False) as archive:
        return list(_values(archive, "model"))


def forget(folder: Path, epoch: int) -> None:
    """Remove the networks of epochs that were the best once."""
    for path in folder.glob(_best("*")):
        if path.name != _best(epoch):
            path.unlink()


def _best(epoch: int | str) -> str:
    return f"best-{epoch}.npz"


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as half:
        np.savez(half, **arrays)  # type: ignore[arg-type]


def _values(archive: Any, name: str) -> Iterator[NDArray[Any]]:
    count = sum(each.startswith(f"{name}.") for each in archive.files)
    return (archive[f"{name}.{i}"] for i in range(count))


def _from_json(state: dict[str, Any]) -> State:
    history = History.from_json(state["history"])
    return State(**state | {"sums": Sums(**state["sums"]), "history": history})


def values(variables: Sequence[Any]) -> Values:
    """Read variables of Keras."""
    read = import_keras().ops.convert_to_numpy
    return [read(variable) for variable in variables]


def assign(variables: Sequence[Any], given: Values) -> None:
    """Set variables of Keras."""
    for variable, value in zip(variables, given, strict=True):
        variable.assign(value)
