"""One film, what a model says of it, and where on the film that comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import ConfigError, nearest
from spark_cxr.images.film import Pixels
from spark_cxr.images.heat import (
    LONGEST,
    Grid,
    Words,
    bounded,
    film_png,
    heat_png,
    nice_scale,
    outline_png,
    overlay_png,
    place,
)
from spark_cxr.images.lungs import LungFields
from spark_cxr.images.regions import LungHeat, heat_on
from spark_cxr.model.attribution import FilmMaps
from spark_cxr.model.findings import leading
from spark_cxr.model.predictor import Prediction

WITHIN = 0.98
"""Share of a map's values that its own scale holds; the rest has the strongest colour too."""
NOTICE = "Research use only. Not for diagnosis."


@dataclass(frozen=True)
class Explanation:
    """What speaks for a label on a film, and what speaks for another instead."""

    label: str
    contrast: str
    """The likeliest of the other labels: heat says why `label` and not this one. Of a finding its
    absence, such as `no Effusion`."""
    probability: float | None
    """None, like the next, where the model names no class for the film."""
    contrast_probability: float | None
    margin: float
    """By how much the head is for `label` rather than `contrast`, in its own units."""
    method: str
    """As it was chosen: one of `tracing.METHODS`."""
    map: NDArray[np.float32]
    """(height, width) of the network's last maps: above 0 for `label`, below 0 for `contrast`."""
    film: Pixels = field(repr=False)
    """As it was decoded, in its own pixels."""
    prediction: Prediction
    grid: Grid | None = None
    """Where the centres of the map's cells lie on the film; None: in the middle of equal parts."""
    threshold: float | None = None
    """The operating point, if the label is a finding."""
    lungs: LungFields | None = None
    """None where they were not found."""

    @property
    def on_lungs(self) -> LungHeat | None:
        """Say how much of the heat for the label lies on the lungs; None where that is unknown."""
        return heat_on(self.lungs, self.map, self.grid)

    @property
    def heat(self) -> NDArray[np.float32]:
        """Give the map on the film's own pixels."""
        height, width = self.film.shape[:2]
        return place(self.map, (height, width), self.grid)

    @property
    def scale(self) -> float:
        """Give a round number that hardly a value of the map goes beyond."""
        return scale_of(self.map)

    def overlay_png(self, scale: float = 0.0, longest: int = LONGEST) -> bytes:
        """Draw the film in grey with its heat, a colour bar and words.

        Args:
            scale: The heat of the strongest colour, to compare films; 0: the map's own.
            longest: Pixels of the longer side, at most; 0: as the film is.
        """
        grey = bounded(self.film, longest)
        lungs = self.lungs.mask(grey.shape[:2]) if self.lungs else None
        return overlay_png(grey, self.map, scale or self.scale, self.words(), self.grid, lungs)

    def heat_png(self, scale: float = 0.0, longest: int = LONGEST, outlined: bool = True) -> bytes:
        """Draw the heat alone, transparent where there is none, to be laid over the film.

        Args:
            scale: See `overlay_png`.
            longest: Likewise.
            outlined: With the outline of the lungs.
        """
        height, width = bounded(self.film, longest).shape[:2]
        lungs = self.lungs.mask((height, width)) if self.lungs and outlined else None
        return heat_png(self.map, (height, width), scale or self.scale, self.grid, lungs)

    def lungs_png(self, longest: int = LONGEST) -> bytes | None:
        """Draw the outline of the lungs alone, in the size of `heat_png`; None without lungs."""
        height, width = bounded(self.film, longest).shape[:2]
        return outline_png(self.lungs.mask((height, width))) if self.lungs else None

    def film_png(self, longest: int = LONGEST) -> bytes:
        """Draw the grey film alone, in the size of `heat_png`."""
        return film_png(bounded(self.film, longest))

    def words(self) -> Words:
        """Say what a reader of the picture has to know."""
        if self.probability is None or self.contrast_probability is None:
            first = f"{self.label} rather than {self.contrast}; the model names no class here"
        elif self.threshold is not None:
            side = "below" if self.probability < self.threshold else "above"
            point = f"its operating point of {self.threshold:.1%}"
            first = f"{self.label} {self.probability:.1%}, {side} {point}"
        else:
            first = (
                f"{self.label} {self.probability:.1%}, "
                f"rather than {self.contrast} {self.contrast_probability:.1%}"
            )
        second = f"{self.method}, margin {self.margin:+.3g}"
        if found := self.on_lungs:
            second += f"; {found.share:.0%} of the heat on the lungs ({found.area:.0%} of the film)"
        return Words((first, second, NOTICE), self.label, self.contrast)


def scale_of(heat: NDArray[np.float32]) -> float:
    """Choose the heat of the strongest colour, as a round number."""
    return nice_scale(float(np.quantile(np.abs(heat), WITHIN)))


def explanations(
    film: Pixels,
    trace: FilmMaps,
    prediction: Prediction,
    known: Sequence[str],
    method: str,
    labels: Sequence[str] = (),
    grid: Grid | None = None,
    points: Mapping[str, float] | None = None,
    lungs: LungFields | None = None,
) -> tuple[Explanation, ...]:
    """Word what was traced: an explanation for each of the labels, for all `known` by default.

    Of a model of findings, `points` are their operating points.
    """
    shares = prediction.probabilities
    found = []
    for label in labels or known:
        at = place_of(label, known)
        share = shares.get(label)
        if trace.contrasts:
            contrast = known[trace.contrasts[at]]
            other = shares.get(contrast)
        else:
            contrast, other = absence_of(label), None if share is None else 1 - share
        found.append(
            Explanation(
                label=label,
                contrast=contrast,
                probability=share,
                contrast_probability=other,
                margin=float(trace.margins[at]),
                method=method,
                map=trace.maps[at],
                film=film,
                prediction=prediction,
                grid=grid,
                threshold=(points or {}).get(label),
                lungs=lungs,
            )
        )
    return tuple(found)


def absence_of(finding: str) -> str:
    """Name what a finding is held against."""
    return f"no {finding}"


def target_of(prediction: Prediction, thresholds: Mapping[str, float]) -> str:
    """Choose whose heat to give where none is wanted by name: that of the class that is named.

    Of findings it is the one furthest above its operating point, or where none is above, the most
    probable. Empty where the model says nothing of the film.
    """
    if not (thresholds and prediction.probabilities):
        return prediction.label
    return leading(prediction.probabilities, thresholds)


def place_of(label: str, known: Sequence[str]) -> int:
    """Find a label among those of a model."""
    if label not in known:
        raise ConfigError("a label of the model", label, nearest(label, known))
    return list(known).index(label)
