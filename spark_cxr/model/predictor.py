"""A film's vector → what is said of it: the same words through Spark, SQL and plain Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import Vector, vectors_by
from spark_cxr.errors import BadImage
from spark_cxr.heads.portable import PortableHead
from spark_cxr.images.film import Box, Film, Limits, Pixels
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, View, opener
from spark_cxr.images.fit import Fit, fitted, framed
from spark_cxr.images.gate import is_chest_film
from spark_cxr.images.lungs import LungFields, find_lungs
from spark_cxr.images.prepare import in_three_channels
from spark_cxr.images.sight import FILM, sight_of
from spark_cxr.model.decision import NO_DECISION, Decision
from spark_cxr.model.findings import joined, positives
from spark_cxr.model.reference import Reference

UNLIKE = "not_like_training"
NO_XRAY = "not_an_xray"
TOO_UNLIKE = "refused_as_unlike"
INVERTED = "looks_inverted"
NO_LUNGS = "lungs_not_found"
REFUSALS = (NO_XRAY, TOO_UNLIKE)
"""Flags of a film for which no class is named."""
FLAGS = {
    UNLIKE: "further from the training films than all but a few of them were from each other",
    NO_XRAY: "no frontal chest film, as far as its picture tells, so that no class is named",
    TOO_UNLIKE: "so far from the training films that this model was told to name no class",
    INVERTED: "darker along the spine than beside it: a negative, or no frontal film",
    NO_LUNGS: "lungs not found for certain, so that a model that is to see them saw the whole film",
}
"""Beside those of `images.film.FLAGS`."""
DARKER = 0.2
"""By how many standard deviations of a film its spine may be darker than what lies beside it."""
PARTS = 32
"""Of a film's side, by which places on it are named."""
CHROMA = 40
"""Difference of a pixel's channels, of 255, that is a colour and no noise of a JPEG."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image, or why it says nothing.

    No class is named for a bad image, nor for one with a flag of `REFUSALS`, such as a picture that
    is no chest film: then there is no label, no confidence and no probability either.
    """

    label: str = ""
    """The most probable class; of a model of findings those at or above their operating points,
    with | between them, or "No Finding"."""
    confidence: float | None = None
    """The highest of the probabilities."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Those of classes add up to 1; those of findings do not, each is one by itself."""
    bad: BadImage | None = None
    """Why there is no prediction: `bad.reason`, `bad.detail`."""
    distance: float = 0.0
    """From the training films; 1 is as far as almost all of them keep to, see `Reference`."""
    flags: tuple[str, ...] = ()
    """What a reader should know, each from `FLAGS` or `images.film.FLAGS`."""
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """Rule in, rule out or unsure for each label, where the model has sets (`model.decision`)."""


@dataclass(frozen=True)
class Picture:
    """What is known of an image before the network has seen it."""

    is_chest_film: bool = True
    """As far as its picture tells (`images.gate`)."""
    coloured: float = 0.0
    """Share of clearly coloured pixels."""
    flags: tuple[str, ...] = ()
    """What its file says, and what it looks like."""
    lungs: LungFields | None = None
    """None where they were not found, or not looked for."""
    box: Box | None = None
    """The part that the network is shown, in shares of the film; None: all of it."""


@dataclass(frozen=True)
class Predictor:
    """A head, and the training to hold a film against."""

    labels: tuple[str, ...]
    head: PortableHead
    reference: Reference
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Of a model of findings: the operating point of each."""
    decision: Decision = NO_DECISION

    def refusing(self, what: Collection[str]) -> Predictor:
        """Refuse also what the model only warns of: `unlike`."""
        if "unlike" not in what:
            return self
        return replace(self, reference=replace(self.reference, refuses_unlike=1.0))

    def probabilities(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give (films, labels): what the head says, recalibrated where the model does so."""
        return self.decision.probabilities(self.head.probabilities(vectors), bool(self.thresholds))

    def predict(self, vector: ArrayLike, picture: Picture | None = None) -> Prediction:
        """Say what a film is; one at a time, so that its neighbours do not touch its last bits."""
        row = np.asarray(vector, dtype=np.float64)
        distance = self.reference.measure(row)
        flags = self._flags(distance, picture or Picture())
        named = Prediction() if refusal_of(flags) else self.answer(row)
        return replace(named, distance=distance, flags=flags)

    def answer(self, vector: NDArray[np.float64]) -> Prediction:
        """Say which class the head names, whatever the film is."""
        said = self.head.probabilities(vector[None])
        shares = self.decision.probabilities(said, bool(self.thresholds))[0]
        best = int((said[0] if self.decision.keeps_order else shares).argmax())
        named = dict(zip(self.labels, shares.tolist(), strict=True))
        has = joined(positives(named, self.thresholds)) if self.thresholds else self.labels[best]
        return Prediction(
            label=has,
            confidence=float(shares[best]),
            probabilities=named,
            verdicts=self.decision.verdicts(shares, self.labels),
        )

    def _flags(self, distance: float, picture: Picture) -> tuple[str, ...]:
        known = self.reference
        found = {
            UNLIKE: distance > 1,
            NO_XRAY: not picture.is_chest_film or picture.coloured > known.most_colour,
            TOO_UNLIKE: bool(known.refuses_unlike) and distance > known.far,
        }
        return (*picture.flags, *(name for name, holds in found.items() if holds))


def refusal_of(flags: Collection[str]) -> str:
    """Give the flag for which no class is named for a film; empty where one is."""
    return next((name for name in REFUSALS if name in flags), "")


def prediction_pass(
    plan: Plan, limits: Limits, predictor: Predictor
) -> FilmPass[Content, Picture | BadImage, Prediction]:
    """Make the pass from encoded images to predictions."""

    def look(_: Content, __: Content, film: Film) -> FilmViews[Picture | BadImage]:
        picture, pixels = look_at_film(film.pixels, film.flags, plan.network.fit)
        return FilmViews(picture, (View(pixels),))

    def row(picture: Picture | BadImage, found: tuple[Vector, ...]) -> Prediction:
        if isinstance(picture, BadImage):
            return Prediction(bad=picture)
        return predictor.predict(found[0], picture)

    open_ = opener(look, lambda _, __, bad: bad, limits)
    return FilmPass(open_, row, (vectors_by(plan),), plan.threads)


def look_at_film(
    pixels: Pixels, flags: tuple[str, ...], fit: Fit, *, wants_lungs: bool = False
) -> tuple[Picture, Pixels]:
    """Say of a film what its pixels and its file say, and give it as the network takes it.

    Its lungs are looked for where the network sees nothing else, or somebody wants them.
    """
    whole = in_three_channels(fitted(pixels, replace(fit, see=FILM)))
    is_film, sees_lungs = is_chest_film(pixels), fit.see != FILM
    lungs = find_lungs(pixels, is_film) if sees_lungs or wants_lungs else None
    sight = sight_of(pixels, fit.see, lungs)
    looks = {INVERTED: looks_inverted(whole), NO_LUNGS: sees_lungs and is_film and lungs is None}
    picture = Picture(
        is_chest_film=is_film,
        coloured=coloured_share(whole, pixels.ndim == 2),
        flags=(*flags, *(name for name, holds in looks.items() if holds)),
        lungs=lungs,
        box=sight.box,
    )
    return picture, in_three_channels(framed(sight.pixels, fit)) if sight.box else whole


def looks_inverted(pixels: Pixels) -> bool:
    """Suspect a negative: on a frontal film the spine is brighter than the lungs beside it.

    Places are in 32nds of the film, where lungs and spine mostly lie. Of 2,081 films of the
    Radiography and Ozturk sets 0.9 % are suspected (95 % interval 0.6 to 1.4), of their negatives
    92.8 % (91.7 to 93.9); `DARKER` was chosen on 781 films of the same sets.
    """
    if min(pixels.shape[:2]) < PARTS:
        return False
    step = max(1, min(pixels.shape[:2]) // 56)
    grey = pixels[::step, ::step, 1].astype(np.float32)
    rows, columns = (_cut(length, step) for length in pixels.shape[:2])
    band = grey[rows(7) : rows(20)].mean(axis=0)
    left, right, spine = (
        band[columns(first) : columns(last)].mean() for first, last in ((5, 11), (21, 27), (14, 18))
    )
    return bool(spine - (left + right) / 2 < -DARKER * grey.std())


def _cut(length: int, step: int) -> Callable[[int], int]:
    """Give the first of every `step`-th pixel that lies behind a place in 32nds."""
    return lambda place: -(-(length * place // PARTS) // step)


def coloured_share(pixels: Pixels, is_grey: bool = False) -> float:
    """Count the pixels (height, width, 3) that have a colour of their own, as a share."""
    if is_grey:
        return 0.0
    first, second, third = (pixels[..., i].astype(np.int16) for i in range(3))
    strength: NDArray[np.int16] = np.maximum(
        np.maximum(abs(first - second), abs(second - third)), abs(first - third)
    )
    return float((strength > CHROMA).mean())
