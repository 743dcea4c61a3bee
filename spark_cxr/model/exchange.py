"""How clients write images and how predictions are written for them, without pandas.

Images come as base64, plain or as a data: URI; predictions go out as the rows that MLflow's
clients know.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from spark_cxr.errors import BadImage
from spark_cxr.model.predictor import FLAGS, Prediction, refusal_of

IMAGE = "image"
LABEL = "label"
CONFIDENCE = "confidence"
REASON = "reason"
PROBABILITY = "probability_"
VERDICT = "verdict_"

Value = str | float | None


def from_base64(text: str) -> bytes | None:
    """Decode base64, in one line or several; None where it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def from_data_uri(text: str) -> bytes | BadImage | None:
    """Decode a data: URI; None where the text is none."""
    head, comma, rest = text.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        return None
    return from_base64(rest) or BadImage("not_an_image", "a data: URI without good base64")


def from_text(text: object) -> bytes | BadImage:
    """Get the bytes of an image that is written in base64 or as a data: URI, and as nothing else.

    A server must not read what a client names: neither a path nor an address.
    """
    if not isinstance(text, str) or not text.strip():
        return BadImage("empty", "no base64 text")
    found = from_data_uri(text) or from_base64(text)
    return found or BadImage("not_an_image", "no base64")


def kinds(labels: Sequence[str], has_verdicts: bool = False) -> dict[str, str]:
    """Name the columns that come out, with their kinds as MLflow calls them."""
    shares = {f"{PROBABILITY}{label}": "double" for label in labels}
    verdicts = {f"{VERDICT}{label}": "string" for label in labels if has_verdicts}
    return {LABEL: "string", CONFIDENCE: "double", **shares, REASON: "string", **verdicts}


def row(prediction: Prediction, labels: Sequence[str], has_verdicts: bool = False) -> list[Value]:
    """Give the values of those columns: all but the reason are null where no class is named."""
    reason = str(prediction.bad) if prediction.bad else None
    if name := refusal_of(prediction.flags):
        reason = f"{name}: {FLAGS[name]}"
    shares = (prediction.probabilities.get(label) for label in labels)
    verdicts = (prediction.verdicts.get(label) for label in labels if has_verdicts)
    return [prediction.label or None, prediction.confidence, *shares, reason, *verdicts]
