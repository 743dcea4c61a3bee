"""Predictions as the rows that MLflow's clients know, made without pandas."""

from __future__ import annotations

from collections.abc import Sequence

from spark_cxr.model.judge import FLAGS, NO_XRAY, Prediction

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
    """Give the values of those columns: all but the reason null for a bad image."""
    if told.bad:
        return [None, None, *(None for _ in labels), str(told.bad)]
    shares = (told.probabilities[label] for label in labels)
    reason = f"{NO_XRAY}: {FLAGS[NO_XRAY]}" if NO_XRAY in told.flags else None
    return [told.label or None, told.confidence, *shares, reason]
