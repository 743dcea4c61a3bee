"""How a film of any shape becomes the pixels that a network takes, as its own library would do it.

Networks from elsewhere were trained on films that were cropped, padded or squashed in one certain
way, and resized by one certain library. A pixel to the left, or another filter, gives other
vectors; so each rule here rounds where the library rounds. `shown_box` says which part of the film
came through, for maps and boxes.

- `squash`: resized to the size, whatever the aspect.
- `crop`: the largest centred part of the size's aspect, then resized (torchxrayvision).
- `shortest`: the shorter side becomes `edge`, then the centre is cut out (torchvision, timm,
  open_clip). `shortest_edge` is the same as Hugging Face's image processors do it: an odd rest is
  always cut off below and to the right, while torchvision rounds halves to even numbers.
- `pad`: the longer side fills the size, black around the film (open_clip's "longest").
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.choices import SEE
from spark_cxr.errors import ConfigError
from spark_cxr.images.film import Pixels, Size
from spark_cxr.images.gaussian import gaussian_levels
from spark_cxr.images.lungs import find_lungs
from spark_cxr.images.prepare import resize, resized_levels
from spark_cxr.images.sight import FILM, sight_of

Levels = NDArray[Any]
"""Grey levels from 0 to 255: uint8, or float32 where they are not rounded."""
Box = tuple[float, float, float, float]
"""Top, left, bottom and right in pixels of a film."""


@dataclass(frozen=True)
class Fit:
    """How films are fitted to a network."""

    size_hw: Size
    how: str = "squash"
    edge: int = 0
    """Of `shortest` and `shortest_edge`: the shorter side before the cut; 0 is the size itself."""
    resample: str = "area"
    rounded: bool = True
    """Whether levels are whole numbers after resizing, as in libraries that resize images."""
    see: str = FILM
    """What of a film is fitted; see `sight`."""

    def __post_init__(self) -> None:
        """Refuse what cannot be done, before any film is read."""
        _check("fit", self.how, FRAMES)
        _check("see", self.see, SEE)
        _check("resample", self.resample, RESAMPLERS)
        if min(self.size_hw) < 1:
            raise ConfigError("a size of at least 1 x 1", f"{self.size_hw}", "Say height and width")
        if self.edge and self.edge < max(self.size_hw):
            received = f"edge = {self.edge}, size = {list(self.size_hw)}"
            raise ConfigError("an edge of at least the size", received, "Make edge larger, or 0")


@dataclass(frozen=True)
class Frame:
    """The way from a film to a network in whole pixels: cut a part, resize it, take a window."""

    part: tuple[slice, slice]
    resized_hw: Size
    corner: tuple[int, int] = (0, 0)
    """Where the window begins in the resized part; below 0 there is black."""


def fitted(pixels: Pixels, fit: Fit) -> Levels:
    """Give a film as (height, width) or (height, width, 3) of the fit's size; grey stays grey."""
    if fit.see != FILM:
        pixels = sight_of(pixels, fit.see, find_lungs(pixels)).pixels
    return framed(pixels, fit)


def framed(pixels: Pixels, fit: Fit) -> Levels:
    """Give what is seen of a film (`sight.sight_of`) in the fit's size."""
    frame = _frame(fit, pixels.shape[:2])
    resized = RESAMPLERS[fit.resample](pixels[frame.part], frame.resized_hw, fit.rounded)
    return _window(resized, frame.corner, fit.size_hw)


def shown_box(fit: Fit, film_hw: Size) -> Box:
    """Say which part of a film the network sees; where the film is padded, it lies beyond it."""
    frame = _frame(fit, film_hw)
    sides = []
    axes = zip(frame.part, frame.resized_hw, frame.corner, fit.size_hw, strict=True)
    for part, resized, corner, size in axes:
        scale = (part.stop - part.start) / resized
        sides.append((part.start + corner * scale, part.start + (corner + size) * scale))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def _check(key: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ConfigError(f"{key} to be one of {', '.join(known)}", repr(name), "Choose one")


def _frame(fit: Fit, film_hw: tuple[int, ...]) -> Frame:
    height, width = film_hw
    return FRAMES[fit.how](fit, (height, width))


def _whole(film_hw: Size) -> tuple[slice, slice]:
    return slice(0, film_hw[0]), slice(0, film_hw[1])


def _squash(fit: Fit, film_hw: Size) -> Frame:
    return Frame(_whole(film_hw), fit.size_hw)


def _crop(fit: Fit, film_hw: Size) -> Frame:
    (height, width), (new_height, new_width) = film_hw, fit.size_hw
    if height * new_width > width * new_height:
        height = max(1, width * new_height // new_width)
    else:
        width = max(1, height * new_width // new_height)
    # Each half rounded down by itself: of an odd rest, the larger share can lie on either side.
    top, left = (
        whole // 2 - part // 2 for whole, part in zip(film_hw, (height, width), strict=True)
    )
    return Frame((slice(top, top + height), slice(left, left + width)), fit.size_hw)


def _shortest(fit: Fit, film_hw: Size) -> Frame:
    resized = _shorter_side(film_hw, fit.edge or max(fit.size_hw))
    # Halves go to the even number, as Python rounds.
    top, left = (round((old - new) / 2) for old, new in zip(resized, fit.size_hw, strict=True))
    return Frame(_whole(film_hw), resized, (top, left))


def _shortest_edge(fit: Fit, film_hw: Size) -> Frame:
    resized = _shorter_side(film_hw, fit.edge or max(fit.size_hw))
    top, left = ((old - new) // 2 for old, new in zip(resized, fit.size_hw, strict=True))
    return Frame(_whole(film_hw), resized, (top, left))


def _shorter_side(film_hw: Size, edge: int) -> Size:
    """Resize so that the shorter side is `edge`; the longer one is rounded down."""
    short, long = sorted(film_hw)
    longer = int(edge * long / short)
    return (edge, longer) if film_hw[0] <= film_hw[1] else (longer, edge)


def _pad(fit: Fit, film_hw: Size) -> Frame:
    ratio = max(old / new for old, new in zip(film_hw, fit.size_hw, strict=True))
    height, width = (max(1, round(side / ratio)) for side in film_hw)
    top, left = (
        -((new - side) // 2) for side, new in zip((height, width), fit.size_hw, strict=True)
    )
    return Frame(_whole(film_hw), (height, width), (top, left))


FRAMES: dict[str, Callable[[Fit, Size], Frame]] = {
    "squash": _squash,
    "crop": _crop,
    "shortest": _shortest,
    "shortest_edge": _shortest_edge,
    "pad": _pad,
}


def _window(resized: Levels, corner: tuple[int, int], size_hw: Size) -> Levels:
    """Cut a window out of a film; where the film does not reach, it is black."""
    (top, left), (height, width) = corner, size_hw
    if min(corner) >= 0:
        return np.ascontiguousarray(resized[top : top + height, left : left + width])
    window = np.zeros((*size_hw, *resized.shape[2:]), resized.dtype)
    window[-top : resized.shape[0] - top, -left : resized.shape[1] - left] = resized
    return window


def _area(pixels: Pixels, size_hw: Size, rounded: bool) -> Levels:
    """Average areas, and interpolate where a side grows: the resize of this project's networks."""
    if rounded:
        return resize(pixels, size_hw)
    return resized_levels(pixels, size_hw).astype(np.float32)


def _gaussian(pixels: Pixels, size_hw: Size, rounded: bool) -> Levels:
    levels = gaussian_levels(pixels, size_hw)
    return np.rint(levels).astype(np.uint8) if rounded else levels.astype(np.float32)


def _pillow(name: str) -> Callable[[Pixels, Size, bool], Levels]:
    """Resize by Pillow, as torchvision, timm, open_clip and Hugging Face do with images."""

    def resample(pixels: Pixels, size_hw: Size, rounded: bool) -> Levels:
        from PIL import Image  # a network of the catalog is run without it

        width_height, by = (size_hw[1], size_hw[0]), Image.Resampling[name]
        if rounded:
            image = Image.fromarray(np.ascontiguousarray(pixels))
            return np.array(image.resize(width_height, by))
        if pixels.ndim == 3:
            return np.stack([resample(p, size_hw, False) for p in np.moveaxis(pixels, 2, 0)], 2)
        image = Image.fromarray(pixels.astype(np.float32))
        # Bicubic and Lanczos overshoot at edges; whole levels are clipped by Pillow itself.
        levels: Levels = np.asarray(image.resize(width_height, by)).clip(0, 255)
        return levels

    return resample


RESAMPLERS: dict[str, Callable[[Pixels, Size, bool], Levels]] = {
    "area": _area,
    "bilinear": _pillow("BILINEAR"),
    "bicubic": _pillow("BICUBIC"),
    "lanczos": _pillow("LANCZOS"),
    "gaussian": _gaussian,
}
