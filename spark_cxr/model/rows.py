"""Predictions as the rows that MLflow's clients know, made without pandas."""

from __future__ import annotations

from collections.abc import Sequence

from spark_cxr.model.predictor import FLAGS, NO_XRAY, Prediction

IMAGE = "image"
LABEL = "label"
CONFIDENCE = "confidence"
REASON = "reason"
PROBABILITY = "probability_"

Value = str | float | None


def kinds(labels: Sequence[str]) -> dict[str, str]:
    """Name the columns that come out, with their kinds as MLflow calls them."""
    shares = {f"{PROBABILITY}{label}": "double" for label in labels}
    return {LABEL: "string", CONFIDENCE: "double", **shares, REASON: "string"}


def row(told: Prediction, labels: Sequence[str]) -> list[Value]:
    """Give the values of those columns: all but the reason are null where no class is named."""
    reason = str(told.bad) if told.bad else None
    if NO_XRAY in told.flags:
        reason = f"{NO_XRAY}: {FLAGS[NO_XRAY]}"
    shares = (told.probabilities.get(label) for label in labels)
    return [told.label or None, told.confidence, *shares, reason]
