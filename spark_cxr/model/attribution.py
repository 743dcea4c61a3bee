"""Where on a film a head's answer comes from, by the method that fits network and head.

One pass through the network serves every label: what differs between them are a few weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import maps as cam
from spark_cxr.backbones.engines import Mapper, load, load_mapper
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import Vector
from spark_cxr.backbones.maps import occlude, rise
from spark_cxr.choices import EXPLAIN_METHODS
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.heads.portable import FindingHeads, PortableHead
from spark_cxr.heads.portable.findings import parts_of
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.heads.portable.trees import Trees
from spark_cxr.images.film import Pixels
from spark_cxr.images.heat import Grid

Numbers = NDArray[np.float64]
Maps = NDArray[np.float32]

METHODS = {
    "cam": "exact class activation map: its mean and the intercept are the margin",
    "gradcam": "Grad-CAM: the slope of the margin by each map",
    "gradcam++": "Grad-CAM++: the same, with maps of few bright places counting as much",
    "occlusion": "how far the margin falls when a window of the film is hidden",
    "rise": "what the margin does when random parts of the film are hidden",
}
"""What `auto` may become."""
_WEIGHING = {"cam": cam.class_maps, "gradcam": cam.grad_cam, "gradcam++": cam.grad_cam_pp}
_OCCLUDING = {"occlusion": occlude, "rise": rise}


@dataclass(frozen=True)
class FilmMaps:
    """What was found of one film, label by label."""

    vector: Vector
    contrasts: tuple[int, ...]
    """The label that each is held against: the likeliest of the others. Empty for findings: each
    is held against its absence."""
    margins: Numbers
    """By how much the head is for each label rather than its contrast; of forests and single trees
    the difference of their shares."""
    maps: Maps
    """(labels, height, width): what speaks for each label rather than its contrast, and where."""


def against(values: Numbers | Maps, contrasts: tuple[int, ...]) -> Any:
    """Take what speaks for the contrast of each label from what speaks for the label.

    What is said of findings is held against their absence already.
    """
    return values - values[list(contrasts)] if contrasts else values


@dataclass(frozen=True)
class Attribution:
    """A head on a network, and the way to look behind them."""

    method: str
    head: PortableHead
    plan: Plan
    exact: bool = False
    """Hold each exact map against the margin that it is to explain."""

    @property
    def grid(self) -> Grid | None:
        """Say where on a film the cells of the maps lie; None: in the middle of equal parts."""
        is_hidden = self.method in _OCCLUDING
        return (cam.window_grid_of if is_hidden else cam.grid_of)(self.plan.network)

    def trace(self, films: Pixels) -> list[FilmMaps]:
        """Trace films (n, height, width, 3) of the network's size, all labels in one pass."""
        if self.method in _OCCLUDING:
            return list(self._hidden(films))
        return list(self._mapped(films))

    def _mapped(self, films: Pixels) -> Iterator[FilmMaps]:
        mapped = _mapper(self.plan).maps(films)
        for vector, maps in zip(mapped.vectors, mapped.maps, strict=True):
            contrasts, margins = self._held_against(vector)
            found = self._weighed(vector, maps, contrasts)
            if self.exact and self.method == "cam":
                cam.check_exact(found, against(_intercepts(self.head), contrasts), margins)
            yield FilmMaps(vector, contrasts, margins, found)

    def _weighed(self, vector: Vector, maps: Maps, contrasts: tuple[int, ...]) -> Maps:
        """Weigh maps by what each label's margin has of them more than that of its contrast."""
        if isinstance(self.head, Trees) or has_trees(self.head):
            raise _unfit(self.method, "trees, which no gradient goes through")
        slopes = self.head.gradients(_row(vector))[0]
        return _WEIGHING[self.method](maps, against(slopes, contrasts))

    def _hidden(self, films: Pixels) -> Iterator[FilmMaps]:
        engine, patch = load(self.plan), cam.patch_of(self.plan.network)

        def score(altered: Pixels) -> Numbers:
            step = self.plan.at_once
            parts = [engine.features(altered[i : i + step]) for i in range(0, len(altered), step)]
            return self.head.margins(np.concatenate(parts).astype(np.float64))

        for film, vector in zip(films, engine.features(films), strict=True):
            contrasts, margins = self._held_against(vector)
            found = _OCCLUDING[self.method](film, score, patch=patch)
            yield FilmMaps(vector, contrasts, margins, against(found, contrasts))

    def _held_against(self, vector: Vector) -> tuple[tuple[int, ...], Numbers]:
        margins = self.head.margins(_row(vector))[0]
        if isinstance(self.head, FindingHeads):
            return (), margins
        shares = self.head.probabilities(_row(vector))[0]
        order = [int(i) for i in np.argsort(-shares, kind="stable")]
        contrasts = tuple(order[0] if i != order[0] else order[1] for i in range(len(order)))
        return contrasts, against(margins, contrasts)


def make_attribution(
    method: str, head: PortableHead, plan: Plan, exact: bool = False
) -> Attribution:
    """Choose the method where none is named, and refuse one that cannot be."""
    method = check_method(method, head)
    if method in _OCCLUDING:
        return Attribution(method, head, plan)
    if load_mapper(plan) is None:
        if method != "auto":
            received = f"{plan.network.backbone}, whose vector is no mean of its last maps"
            raise _unfit(method, received)
        return Attribution("occlusion", head, plan)
    if method == "auto":
        method = "cam" if is_linear(head) else "gradcam"
    return Attribution(method, head, plan, exact)


def check_method(method: str, head: PortableHead) -> str:
    """Refuse a method that the head alone rules out; give what is left of `auto`."""
    if method not in EXPLAIN_METHODS:
        way_out = nearest(method, EXPLAIN_METHODS)
        raise ConfigError("a method of explaining by name", method, way_out)
    if method in _OCCLUDING:
        return method
    if has_trees(head):
        if method == "auto":
            return "occlusion"
        raise _unfit(method, "trees, which no gradient goes through")
    if method == "cam" and not is_linear(head):
        raise _unfit(method, "a head whose margins are no weighted sums")
    return method


def has_trees(head: PortableHead) -> bool:
    """Tell whether a head, or that of any of its findings, is one of trees."""
    return any(isinstance(part, Trees) for part in parts_of(head))


def is_linear(head: PortableHead) -> bool:
    """Tell whether all margins of a head are weighted sums."""
    return all(isinstance(part, Linear) for part in parts_of(head))


def _intercepts(head: PortableHead) -> Numbers:
    """Give what a linear head's margins have besides their weighted sums."""
    if isinstance(head, FindingHeads):
        return np.array([p.bias[1] - p.bias[0] for p in head.heads if isinstance(p, Linear)])
    return head.bias if isinstance(head, Linear) else np.empty(0)


def _unfit(method: str, received: str) -> ConfigError:
    return ConfigError(f"what {method} can be made of", received, "Say --method auto")


def _mapper(plan: Plan) -> Mapper:
    mapper = load_mapper(plan)
    if mapper is None:
        raise ConfigError(
            "a network with last maps", plan.network.backbone, "Say --method occlusion"
        )
    return mapper


def _row(vector: Vector) -> Numbers:
    return np.asarray(vector, np.float64)[None]
