"""Films read once more on the driver, for the few that a page shows; needs no session."""

from __future__ import annotations

from spark_cxr.images.decode import decode
from spark_cxr.images.film import DEFAULT_LIMITS, Limits, Pixels
from spark_cxr.images.prepare import scaled
from spark_cxr.images.raster import encode_jpeg
from spark_cxr.pipeline.worker_files import FileLost, read_anywhere

QUALITY = 80


def film_at(address: str, limits: Limits = DEFAULT_LIMITS) -> Pixels | None:
    """Read a film once more; None where its file is gone by now, or no film any more."""
    try:
        return decode(read_anywhere(address), limits).pixels
    except (
        FileLost,
        OSError,
        ValueError,
    ):  # bad images are, and addresses that pyarrow does not understand
        return None


def thumbnail(path: str, longest: int = 192, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Draw a film small; nothing where its file is gone by now."""
    film = film_at(path, limits)
    return b"" if film is None else encode_jpeg(scaled(film, longest), QUALITY)
