"""Ray Data and Daft: the same network in the usual ways of other engines, where they are installed.

Both are written from their documentation and run in a process of their own. Like the peers on
Spark they read encoded files, keep one model a core, and write Parquet.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.bench.peers import KerasNetwork, film_of, model_of

PACKAGES = {"ray_data": "ray", "daft": "daft"}
"""What has to be importable for each."""
Run = Callable[[Sequence[str], KerasNetwork, int, int, str], None]


class Vectors:
    """A model that stays where it was loaded, and turns encoded files into vectors."""

    def __init__(self, known: KerasNetwork) -> None:
        """Build the model; each process does so once."""
        self.known, self.model = known, model_of(known)

    def __call__(self, contents: Sequence[bytes]) -> list[Any]:
        """Give a vector for each file."""
        films = np.stack([film_of(content, self.known) for content in contents])
        return list(self.model.predict(films, verbose=0))


def ray_data(
    paths: Sequence[str], known: KerasNetwork, slots: int, batch_size: int, target: str
) -> None:
    """Map batches of binary files over one actor a core."""
    import ray

    class Mapped(Vectors):
        def __call__(self, batch: Any) -> Any:
            return {"path": batch["path"], "features": super().__call__(batch["bytes"])}

    ray.init(
        num_cpus=slots + 1, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True
    )
    files = ray.data.read_binary_files(list(paths), include_paths=True)
    actors = ray.data.ActorPoolStrategy(size=slots)
    vectors = files.map_batches(
        Mapped, batch_size=batch_size, compute=actors, fn_constructor_args=(known,)
    )
    vectors.write_parquet(target)


def daft(
    paths: Sequence[str], known: KerasNetwork, slots: int, batch_size: int, target: str
) -> None:
    """Download files into a column and map a class over it, one process a core."""
    import daft

    floats = daft.DataType.list(daft.DataType.float32())
    udf = daft.udf(
        return_dtype=floats, batch_size=batch_size, concurrency=slots, use_process=slots > 1
    )

    class Mapped(Vectors):
        def __call__(self, contents: Any) -> Any:
            return super().__call__(contents.to_pylist())

    vectors = udf(Mapped).with_init_args(known)
    files = daft.from_pydict({"path": list(paths)})
    files = files.with_column("content", daft.functions.download(daft.col("path")))
    made = files.with_column("features", vectors(daft.col("content")))
    made.select("path", "features").write_parquet(target)


FRAMEWORKS: dict[str, Run] = {"ray_data": ray_data, "daft": daft}


def is_missing(name: str) -> bool:
    """Say of any contestant whether it needs a package that is not here."""
    return name in PACKAGES and find_spec(PACKAGES[name]) is None


def run(
    name: str, paths: Sequence[str], known: KerasNetwork, slots: int, batch_size: int, target: str
) -> None:
    """Run a framework into a folder of its own: both would add to what is there."""
    shutil.rmtree(target, ignore_errors=True)
    FRAMEWORKS[name](paths, known, slots, batch_size, target)
