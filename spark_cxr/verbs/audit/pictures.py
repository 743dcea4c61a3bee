"""Small pictures of the films that a page shows side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spark_cxr.images.film import Limits
from spark_cxr.images.prepare import scaled
from spark_cxr.metrics.checks import Check, Pair, Side
from spark_cxr.pipeline.pictures import film_at, jpeg

LONG_SIDE = 168
QUALITY = 78


def with_pictures(checks: Iterable[Check], limits: Limits) -> tuple[Check, ...]:
    """Give each film of each example its picture; one that cannot be read any more has none."""
    return tuple(
        replace(check, pairs=tuple(_pictured(pair, limits) for pair in check.pairs))
        for check in checks
    )


def _pictured(pair: Pair, limits: Limits) -> Pair:
    return Pair(pair.kind, _side(pair.a, limits), _side(pair.b, limits))


def _side(side: Side, limits: Limits) -> Side:
    film = film_at(side.path, limits)
    return side if film is None else replace(side, image=jpeg(scaled(film, LONG_SIDE), QUALITY))
