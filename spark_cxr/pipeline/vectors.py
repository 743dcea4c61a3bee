"""Batches of a column → vectors, on the workers: encoded images, or structs of the image schema."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pandas as pd

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import ImageStruct, Made, struct_pass, vector_pass
from spark_cxr.errors import BadImage
from spark_cxr.images.film_pass import Content
from spark_cxr.images.structs import FIELDS, StructPreparation
from spark_cxr.pipeline.networks import on_this_worker

Batches = Iterator[pd.Series | pd.DataFrame]
"""What Spark hands to a pandas UDF: a frame for a column of structs, else a series."""


def vectors_of(batches: Batches, plan: Plan, raise_bad: bool) -> Iterator[list[Made]]:
    """Turn the batches of a column into vectors, one for one and in order.

    Raises:
        BadImage: an image is bad, and `raise_bad` was said.
    """
    for made in _made(batches, plan):
        if raise_bad:
            raise_first(made)
        yield made


def raise_first(made: list[Made]) -> None:
    """Raise the first of the bad images, if there is one."""
    for each in made:
        if isinstance(each, BadImage):
            raise each


def _made(batches: Batches, plan: Plan) -> Iterator[list[Made]]:
    are_structs, batches = _peeked(batches)
    here = on_this_worker(plan)
    if are_structs:
        columns = (zip(*(each[name] for name in FIELDS), strict=True) for each in batches)
        return struct_pass(here, StructPreparation()).rows(
            list(map(ImageStruct, rows)) for rows in columns
        )
    return vector_pass(here).rows([Content(each or b"") for each in batch] for batch in batches)


def _peeked(batches: Batches) -> tuple[bool, Batches]:
    """Tell structs from files by the first batch: a SQL function learns no sooner what it gets."""
    for first in batches:
        return isinstance(first, pd.DataFrame), chain([first], batches)
    return False, iter(())
