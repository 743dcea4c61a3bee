"""Image structs → vectors on the workers: the same stream as for files, without decoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

from spark_cxr.backbones.featurize import FeatureRecipe, Made, Shown, stream
from spark_cxr.errors import BadImage
from spark_cxr.images.structs import Preparing, to_film

Fields = Sequence[Any]
"""What `images.structs.FIELDS` names, of one image."""


def featurize_structs(
    parts: Iterable[Sequence[Fields]], recipe: FeatureRecipe, preparing: Preparing
) -> Iterator[list[Made]]:
    """Turn lists of image structs into lists of vectors, one for one and in order."""
    show = partial(_show, size_hw=recipe.size_hw, preparing=preparing)
    for shown in stream(parts, show, recipe, weigh=_weight):
        yield [cast(Made, vector if bad is None else bad) for bad, vector in shown]


def _show(fields: Fields, size_hw: tuple[int, int], preparing: Preparing) -> Shown[BadImage | None]:
    try:
        return Shown(None, to_film(fields, size_hw, preparing))
    except BadImage as bad:
        return Shown(bad)


def _weight(fields: Fields) -> int:
    return 0 if fields[-1] is None else len(fields[-1])
