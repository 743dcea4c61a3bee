"""Films as the small pictures of a page."""

from __future__ import annotations

import io

from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import DEFAULT_LIMITS, Limits, Pixels
from spark_cxr.output import locate


def film_at(address: str, limits: Limits = DEFAULT_LIMITS) -> Pixels | None:
    """Read a film once more; None where its file is gone by now, or no film any more."""
    store, inside = locate(address)
    try:
        with store.open_input_stream(inside) as stream:
            return decode(stream.read(), limits).pixels
    except (OSError, BadImage):
        return None


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """Write pixels as a JPEG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()
