"""Image files → predictions in plain Python: no Spark, no Java."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.backbones.cache import cache_dir, digest, locked, whole
from spark_cxr.backbones.featurize import FeatureRecipe, featurize
from spark_cxr.backbones.network import PREPROCESSING
from spark_cxr.errors import BadImage, InputError
from spark_cxr.heads.portable import PortableHead, unpack
from spark_cxr.model.manifest import ARRAYS, Manifest, check_files, read_manifest
from spark_cxr.output import Output, absolute, locate


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image, or why it says nothing."""

    label: str = ""
    """Empty for a bad image."""
    confidence: float = 0.0
    """The probability of `label`."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    bad: BadImage | None = None
    """Why there is no prediction: `bad.reason`, `bad.detail`."""


@dataclass(frozen=True)
class Model:
    """A network and a head that are ready to look at films."""

    manifest: Manifest
    recipe: FeatureRecipe
    head: PortableHead

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the labels that it tells apart."""
        return self.manifest.labels

    def predict(self, images: bytes | Sequence[bytes]) -> list[Prediction]:
        """Look at encoded images: one prediction for each, in order; a bad one says why."""
        contents = [images] if isinstance(images, bytes) else list(images)
        made = featurize(contents, self.recipe)
        vectors = [vector for vector in made if not isinstance(vector, BadImage)]
        told = iter(self.predict_vectors(np.stack(vectors)) if vectors else ())
        return [Prediction(bad=m) if isinstance(m, BadImage) else next(told) for m in made]

    def predict_vectors(self, vectors: ArrayLike) -> list[Prediction]:
        """Score feature vectors of the model's own network, one a row."""
        return [self._word(row) for row in self.probabilities(vectors)]

    def probabilities(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """Give (films, labels) for feature vectors, one a row."""
        rows, width = np.asarray(vectors, dtype=np.float64), self.manifest.features
        if rows.ndim != 2 or rows.shape[1] != width:
            expected = f"rows of {width} features of {self.manifest.backbone}"
            raise InputError(expected, f"an array of shape {rows.shape}", "Take this network's")
        return self.head.probabilities(rows)

    def _word(self, shares: NDArray[np.float64]) -> Prediction:
        best = int(shares.argmax())
        named = dict(zip(self.labels, shares.tolist(), strict=True))
        return Prediction(self.labels[best], float(shares[best]), named)


def load_model(
    directory: str | Path, *, threads: int = 0, device: str = "auto", batch_size: int = 32
) -> Model:
    """Open a model directory, check every file of it, and give a model that predicts.

    Args:
        directory: The `model/` of a training, on any file system that pyarrow knows.
        threads: For the network, and as many that decode; 0 is one for each core.
        device: Where the network is to run: auto, cpu or gpu.
        batch_size: Films that go through the network at once.

    Raises:
        InputError: It is no model directory, or was changed, is incomplete, or of another format.
    """
    place = Output(absolute(str(directory)).rstrip("/"))
    manifest = read_manifest(place)
    check_files(place, manifest)
    if manifest.preprocessing != PREPROCESSING:
        received = f"features of preprocessing {manifest.preprocessing}"
        way_out = "Train again: this version prepares films in another way"
        raise InputError(f"features of preprocessing {PREPROCESSING}", received, way_out)
    recipe = FeatureRecipe(
        backbone=manifest.backbone,
        engine=manifest.engine,
        batch_size=batch_size,
        limits=manifest.limits,
        network=str(_network(place, manifest)) if manifest.network else "",
        precision=manifest.precision,
        threads=threads or os.cpu_count() or 1,
        device=device,
    )
    return Model(manifest, recipe, unpack(place.read_bytes(ARRAYS) or b""))


def _network(place: Output, manifest: Manifest) -> Path:
    """Find the network's file on this host; from elsewhere it comes into the cache once."""
    from pyarrow import fs

    store, root = locate(place.address)
    if isinstance(store, fs.LocalFileSystem):
        return Path(root, manifest.network)
    sha256 = manifest.files[manifest.network]
    target = cache_dir("networks") / f"{sha256[:32]}.network"
    with locked(target):
        if not target.is_file() or digest(target) != sha256:
            with whole(target) as half:
                fs.copy_files(
                    f"{root}/{manifest.network}",
                    str(half),
                    source_filesystem=store,
                    destination_filesystem=fs.LocalFileSystem(),
                )
    return target
