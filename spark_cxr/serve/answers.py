"""What is said of films, as records: the JSON of /predict and its schema are made of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spark_cxr.errors import REASONS, BadImage
from spark_cxr.images import film
from spark_cxr.model import predictor
from spark_cxr.model.decision import NO_DECISION, Decision
from spark_cxr.model.explanation import Explanation
from spark_cxr.model.findings import certainty, log_odds, positives
from spark_cxr.model.manifest import Manifest
from spark_cxr.model.predictor import Prediction
from spark_cxr.serve.batches import FileFacts, FilmAnswer

NOTICE = "Research use only. Not for diagnosis."
MEANINGS = {**film.FLAGS, **predictor.FLAGS}


@dataclass(frozen=True)
class Flag:
    """Something that a reader should know of a film."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Fault:
    """Why there is no prediction for an image."""

    reason: str
    meaning: str
    detail: str


@dataclass(frozen=True)
class Heat:
    """Where in the film the answer comes from."""

    label: str
    """The class that it speaks for."""
    method: str
    png: str
    """Base64 of a picture with transparency, to lie over the film: heat and nothing else."""
    overlay_png: str
    """Base64 of film, heat and the outline of the lungs in one picture."""
    lungs_png: str | None = None
    """Base64 of that outline alone, as large as `png`; null where the lungs were not found."""
    on_lungs: float | None = None
    """Share of the heat for the label that lies on the lungs; null where these were not found."""
    lungs_area: float | None = None
    """Share of the film that they take: what `on_lungs` would be by chance."""


@dataclass(frozen=True)
class NearFilm:
    """A film that is like one; which it is, is not said."""

    label: str | None
    cosine: float
    """Of the two vectors: 1 is the same direction."""


@dataclass(frozen=True)
class Answer:
    """What a model says about one image, or why it says nothing."""

    label: str | None = None
    """Null, like the next two, for a bad image and for a picture that is no X-ray. Of a model of
    findings all that the film is said to have, with | between them, or "No Finding"."""
    confidence: float | None = None
    probabilities: Mapping[str, float] | None = None
    """Those of findings are one each, and do not add up to 1."""
    findings: Sequence[str] | None = None
    """Of a model of findings: those whose probability is at or above their operating point."""
    thresholds: Mapping[str, float] | None = None
    """Of a model of findings: the operating points."""
    is_uncertain: bool = False
    """Of a model of findings: none is clearly above its operating point, nor all clearly below."""
    training_distance: float | None = None
    """1 is as far from the training as almost all of its own films keep to."""
    flags: Sequence[Flag] = ()
    error: Fault | None = None
    file: FileFacts | None = None
    film_png: str | None = None
    """With ?film=1: base64 of the film in 8 bits, for a browser."""
    heat: Heat | None = None
    """With ?explain=1 or ?explain=LABEL."""
    similar: Sequence[NearFilm] | None = None
    """With ?similar=N, the nearest first; null where no class is named."""
    verdicts: Mapping[str, str] | None = None
    """Of a model that has sets: rule in, rule out or unsure for each label."""
    coverage: float | None = None
    """How often, by its word, a label is not ruled out for films that have it."""
    points: Mapping[str, float] | None = None
    """Of a model of classes: the operating points of those that have one."""
    reached: Sequence[str] | None = None
    """The classes at or above their operating points."""


@dataclass(frozen=True)
class Named:
    """Which model has answered."""

    name: str
    version: str


@dataclass(frozen=True)
class Answers:
    """The answer to a request: one entry for each image, in order."""

    predictions: Sequence[Answer]
    model: Named
    milliseconds: float
    request_id: str
    notice: str = NOTICE


@dataclass(frozen=True)
class Complaint:
    """The answer to a request that is refused."""

    reason: str
    detail: str
    request_id: str


@dataclass(frozen=True)
class Failure:
    """The same, as version 2 of the Open Inference Protocol has it."""

    error: str


def named(manifest: Manifest) -> Named:
    """Name a model by what people call it and by all that its answers depend on."""
    return Named(manifest.name, manifest.identity.removeprefix(f"{manifest.name}-"))


def answer(
    film_answer: FilmAnswer,
    uncertain: float,
    heat: Heat | None = None,
    similar: Sequence[NearFilm] | None = None,
    thresholds: Mapping[str, float] | None = None,
    decision: Decision = NO_DECISION,
) -> Answer:
    """Put into words what was found."""
    prediction, points = film_answer.prediction, thresholds or {}
    if prediction.bad:
        return Answer(error=fault(prediction.bad))
    has_findings = bool(points and prediction.probabilities)
    return Answer(
        label=prediction.label or None,
        confidence=prediction.confidence,
        probabilities=prediction.probabilities or None,
        findings=positives(prediction.probabilities, points) if has_findings else None,
        thresholds=points if has_findings else None,
        is_uncertain=is_uncertain(prediction, uncertain, points),
        training_distance=prediction.distance,
        flags=[Flag(name, MEANINGS[name]) for name in prediction.flags],
        file=film_answer.file,
        film_png=None if film_answer.png is None else text_of(film_answer.png),
        heat=heat,
        similar=similar,
        **_decided(prediction, {} if points else decision.thresholds, decision),
    )


def _decided(
    prediction: Prediction, points: Mapping[str, float], decision: Decision
) -> dict[str, Any]:
    """Give verdicts and operating points of classes, where a class is named."""
    found: dict[str, Any] = {}
    if prediction.verdicts:
        found = {"verdicts": prediction.verdicts, "coverage": decision.coverage}
    if points and prediction.probabilities:
        shares = prediction.probabilities
        reached = [name for name, point in points.items() if shares[name] >= point]
        found |= {"points": points, "reached": reached}
    return found


def is_uncertain(
    prediction: Prediction, limit: float, thresholds: Mapping[str, float] | None = None
) -> bool:
    """Say whether a class is named that the model is not sure of.

    Of findings it is the one furthest above its operating point, or least below, that must lie
    further from it than `limit` lies from one half, in log odds.
    """
    if thresholds and prediction.probabilities:
        return certainty(prediction.probabilities, thresholds) <= log_odds(max(limit, 0.5))
    return prediction.confidence is not None and prediction.confidence <= limit


def fault(bad: BadImage) -> Fault:
    """Say why an image has no prediction."""
    return Fault(bad.reason, REASONS[bad.reason], bad.detail)


def heat_of(found: Explanation) -> Heat:
    """Draw where an answer comes from."""
    on_lungs, outline = found.on_lungs, found.lungs_png()
    return Heat(
        label=found.label,
        method=found.method,
        png=text_of(found.heat_png(outlined=False)),
        overlay_png=text_of(found.overlay_png()),
        lungs_png=None if outline is None else text_of(outline),
        on_lungs=on_lungs.share if on_lungs else None,
        lungs_area=on_lungs.area if on_lungs else None,
    )


def text_of(data: bytes) -> str:
    """Write bytes so that JSON can hold them."""
    return base64.b64encode(data).decode("ascii")
