"""Films → vectors: the pass of all that want a network's vector of each film and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import engines
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.errors import BadImage
from spark_cxr.images.film import DEFAULT_LIMITS, Film, Limits, Pixels
from spark_cxr.images.film_pass import Content, File, FilmPass, FilmViews, Runner, View, opener
from spark_cxr.images.sight import FILM
from spark_cxr.images.structs import StructPreparation, to_film

Vector = NDArray[np.float32]
Made = Vector | BadImage
AnyFile = TypeVar("AnyFile", bound=File)


@dataclass(frozen=True)
class ImageStruct:
    """An image of Spark's image schema, decoded already: what `images.structs.FIELDS` names."""

    fields: Sequence[Any]

    @property
    def weight(self) -> int:
        """Say how many bytes its pixels have."""
        return 0 if self.fields[-1] is None else len(self.fields[-1])

    def __str__(self) -> str:
        """Name it in the log."""
        return f"a struct of {self.weight:,} bytes"

    def read(self) -> bytes:
        """Give the bytes of its pixels."""
        return bytes(self.fields[-1])


def vectors_by(plan: Plan) -> Runner:
    """Make the runner for vectors; the network is loaded when the first film wants it.

    It is held for the pass: one with more networks than `engines.load` keeps would else load them
    anew for each batch.
    """
    engine = cache(lambda: engines.load(plan))
    # A size that is left open is found by the engine, which is loaded for that before any film.
    size = plan.batch_size or engine().used.batch_size
    return Runner(lambda films: engine().features(films), size)


def vector_pass(
    plan: Plan, limits: Limits = DEFAULT_LIMITS
) -> FilmPass[Content, BadImage | None, Made]:
    """Make the pass from encoded images to vectors; a bad one becomes its BadImage."""

    def look(_: Content, __: Content, film: Film) -> FilmViews[BadImage | None]:
        return FilmViews(None, (View(plan.network.film(film.pixels)),))

    return FilmPass(
        opener(look, lambda _, __, bad: bad, limits), _made, (vectors_by(plan),), plan.threads
    )


def struct_pass(
    plan: Plan, preparing: StructPreparation
) -> FilmPass[ImageStruct, BadImage | None, Made]:
    """Make the pass from image structs to vectors; a bad or null one becomes its BadImage."""
    network = plan.network

    def prepared(image: ImageStruct) -> Pixels:
        """Bring it to the network's size, as old hints say where nothing else is to be done."""
        if network.card is None and network.see == FILM:
            return to_film(image.fields, network.size_hw, preparing)
        return network.film(to_film(image.fields, (None, None), preparing))

    def open_(image: ImageStruct) -> FilmViews[BadImage | None]:
        try:
            return FilmViews(None, (View(prepared(image)),))
        except BadImage as bad:
            return FilmViews(bad)

    return FilmPass(open_, _made, (vectors_by(plan),), plan.threads)


def featurize(
    contents: Sequence[bytes | None], plan: Plan, limits: Limits = DEFAULT_LIMITS
) -> list[Made]:
    """Turn encoded images into vectors, in order; a bad one becomes its BadImage."""
    files = [Content(content or b"") for content in contents]
    return next(vector_pass(plan, limits).rows([files]))


def _made(bad: BadImage | None, found: tuple[Vector, ...]) -> Made:
    return found[0] if bad is None else bad
