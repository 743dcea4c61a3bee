"""Why a request gets no answer: one exception, with the status that HTTP has for it."""

from __future__ import annotations

from spark_cxr.errors import REASONS, BadImage

RETRY_S = 1
"""Seconds after which a client that was turned away should come again."""

STATUS_OF = {
    "empty": 400,
    "not_an_image": 415,
    "unsupported_transfer_syntax": 415,
    "unsupported_photometric": 415,
    "too_large": 413,
    "out_of_memory": 503,
    "unreadable": 503,
}
"""Of the reasons of `errors.REASONS`; the others are files that cannot become a film: 422."""
UNPROCESSABLE = 422


class Refusal(Exception):
    """A request that is answered with a reason and nothing else."""

    def __init__(self, status: int, reason: str, detail: str, *, closes: bool = False) -> None:
        """Keep what the answer says; `closes` where the rest of the body is not read."""
        super().__init__(reason, detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.closes = closes

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers that belong to the status."""
        told = {"connection": "close"} if self.closes else {}
        if self.status == 503:
            told["retry-after"] = str(RETRY_S)
        if self.status == 401:
            told["www-authenticate"] = 'Bearer realm="spark_cxr"'
        return told


def busy(detail: str) -> Refusal:
    """Ask a client to come again."""
    return Refusal(503, "busy", f"{detail}; come again in {RETRY_S} s")


def refused(bad: BadImage) -> Refusal:
    """Turn an image that cannot become pixels into the answer for whoever sent it alone."""
    status = STATUS_OF.get(bad.reason, UNPROCESSABLE)
    return Refusal(status, bad.reason, f"{REASONS[bad.reason]} ({bad.detail})")
