"""Batches of a column → vectors, on the workers: encoded images, or structs of the image schema."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pandas as pd

from spark_cxr.backbones.featurize import Made, featurize_stream
from spark_cxr.backbones.struct_stream import featurize_structs
from spark_cxr.errors import BadImage
from spark_cxr.images.structs import FIELDS, Preparing
from spark_cxr.pipeline.networks import Ready, on_this_worker

Batches = Iterator[pd.Series | pd.DataFrame]
"""What Spark hands to a pandas UDF: a frame for a column of structs, else a series."""


def vectors_of(batches: Batches, ready: Ready, raise_bad: bool) -> Iterator[list[Made]]:
    """Turn the batches of a column into vectors, one for one and in order.

    Raises:
        BadImage: an image is bad, and `raise_bad` was said.
    """
    for made in _made(batches, ready):
        if raise_bad:
            raise_first(made)
        yield made


def raise_first(made: list[Made]) -> None:
    """Raise the first of the bad images, if there is one."""
    for each in made:
        if isinstance(each, BadImage):
            raise each


def _made(batches: Batches, ready: Ready) -> Iterator[list[Made]]:
    are_structs, batches = _peeked(batches)
    recipe = on_this_worker(ready)
    if not are_structs:
        return featurize_stream((list(each) for each in batches), recipe)
    parts = (list(zip(*(each[name] for name in FIELDS), strict=True)) for each in batches)
    return featurize_structs(parts, recipe, Preparing())


def _peeked(batches: Batches) -> tuple[bool, Batches]:
    """Tell structs from files by the first batch: a SQL function learns no sooner what it gets."""
    for first in batches:
        return isinstance(first, pd.DataFrame), chain([first], batches)
    return False, iter(())
