"""Bytes → vectors, the part that the workers run: decode, prepare, and the network in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.backbones.engines import load
from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits, Pixels
from spark_cxr.images.prepare import to_network

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class FeatureRecipe:
    """All that decides what vector a file becomes."""

    backbone: str
    engine: str
    batch_size: int
    limits: Limits = field(default_factory=Limits)


def featurize(contents: Sequence[bytes | None], recipe: FeatureRecipe) -> list[Vector | BadImage]:
    """Turn encoded images into vectors, in order; a bad one becomes its BadImage."""
    size_hw = catalog.get(recipe.backbone).size_hw
    films = [_film(content, size_hw, recipe.limits) for content in contents]
    vectors = _vectors([film for film in films if not isinstance(film, BadImage)], recipe)
    return [film if isinstance(film, BadImage) else next(vectors) for film in films]


def _film(content: bytes | None, size_hw: tuple[int, int], limits: Limits) -> Pixels | BadImage:
    try:
        return to_network(decode(content or b"", limits).pixels, size_hw)
    except BadImage as bad:
        return bad


def _vectors(films: Sequence[Pixels], recipe: FeatureRecipe) -> Iterator[Vector]:
    engine = load(recipe.engine, recipe.backbone)
    for start in range(0, len(films), recipe.batch_size):
        yield from engine.features(np.stack(films[start : start + recipe.batch_size]))
