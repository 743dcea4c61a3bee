"""Small pictures of the films that a page shows side by side."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from spark_cxr.images.prepare import resize
from spark_cxr.output import locate
from spark_cxr.report.checks import Check, Pair, Side

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
    try:
        return replace(side, image=_small(side.path, limits))
    except (BadImage, OSError):
        return side


def _small(path: str, limits: Limits) -> bytes:
    from PIL import Image

    store, inside = locate(path)
    with store.open_input_stream(inside) as stream:
        pixels = decode(stream.read(), limits).pixels
    scale = LONG_SIDE / max(pixels.shape[:2])
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    out = io.BytesIO()
    Image.fromarray(resize(pixels, (height, width))).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
