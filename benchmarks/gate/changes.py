"""What happens to a film before a model sees it, and what makes a film into none.

`as_it_comes` leaves a chest film one: cropped, turned, framed, a negative, equalised, coarse, or
photographed from a light box. `spoiled` takes the chest out of it, and leaves the film's own greys:
who learns from both has to look at the chest, and not at grain and tone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.gate.films import Grey

Rng = np.random.Generator
Change = Callable[[Grey, Rng], Grey]
_LEAST_KEPT = 0.65
"""Of each side of a film that was cropped and is still one."""
_RADIUS = 12
"""Pixels, of `films.SIDE`, of a blur that leaves no lung."""


def as_it_comes(film: Grey, rng: Rng) -> Grey:
    """Change a film as others save, scan and photograph it; about one in six stays as it is."""
    for change, chance in _USUAL:
        if rng.random() < chance:
            film = change(film, rng)
    return film


def spoiled(film: Grey, rng: Rng) -> tuple[str, Grey]:
    """Make of a film what is none, and name what it became."""
    name = SPOILS[int(rng.integers(len(SPOILS)))]
    return name, _SPOILING[name](film, rng)


def _cropped(film: Grey, rng: Rng) -> Grey:
    return _window(film, rng, rng.uniform(_LEAST_KEPT, 1, 2).tolist())


def _window(film: Grey, rng: Rng, share: Sequence[float]) -> Grey:
    """Cut out a window of these shares of height and width, anywhere."""
    lengths = [max(4, int(side * part)) for side, part in zip(film.shape, share, strict=True)]
    top, left = (
        int(rng.integers(0, side - length + 1))
        for side, length in zip(film.shape, lengths, strict=True)
    )
    return film[top : top + lengths[0], left : left + lengths[1]]


def _framed(film: Grey, rng: Rng) -> Grey:
    """Put a margin around it: black, white or grey, on some of the sides."""
    sides = [(int(s * rng.uniform(0, 0.12)), int(s * rng.uniform(0, 0.12))) for s in film.shape]
    level = int(rng.choice((0, 0, 255, int(rng.integers(256)))))
    return np.pad(film, sides, constant_values=level)


def _turned(film: Grey, rng: Rng) -> Grey:
    level = int(rng.choice((0, 255)))
    image = Image.fromarray(film).rotate(
        rng.uniform(-18, 18), Image.Resampling.BILINEAR, expand=bool(rng.random() < 0.5),
        fillcolor=level,
    )  # fmt: skip
    return np.asarray(image)


def _negative(film: Grey, _: Rng) -> Grey:
    return 255 - film


def _equalised(film: Grey, _: Rng) -> Grey:
    levels = np.cumsum(np.bincount(film.ravel(), minlength=256))
    table = (255 * levels / levels[-1]).astype(np.uint8)
    return np.asarray(table[film])


def _coarse(film: Grey, rng: Rng) -> Grey:
    """Keep as little detail as a thumbnail of 40 to 100 pixels has."""
    side = int(rng.integers(40, 100))
    image = Image.fromarray(film)
    small = image.resize((side, side), Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.BILINEAR))


def _bent(film: Grey, rng: Rng) -> Grey:
    """Expose it otherwise: gamma, and clipped at either end."""
    low, high = rng.uniform(-0.15, 0.15), rng.uniform(0.8, 1.2)
    levels = np.clip((film / 255 - low) / (high - low), 0, 1) ** np.exp(rng.uniform(-0.6, 0.6))
    return np.asarray(255 * levels, np.uint8)


def _on_light_box(film: Grey, rng: Rng) -> Grey:
    """Photograph it: a little from the side, with the box around it and a lamp's reflection."""
    height, width = film.shape
    around = rng.uniform(0.02, 0.12, 8)
    corners = np.array(
        [
            (-around[0], -around[1]),
            (-around[2], 1 + around[3]),
            (1 + around[4], 1 + around[5]),
            (1 + around[6], -around[7]),
        ]
    ) * (width, height)
    # Where the corners of the photograph lie on the film: beyond it, by a little.
    flat = tuple(corners.ravel().tolist())
    level = int(rng.integers(120, 256))
    image = Image.fromarray(film).transform(
        (width, height), Image.Transform.QUAD, flat, Image.Resampling.BILINEAR, fillcolor=level
    )
    shot = np.asarray(image, np.float64)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    centre, reach = rng.uniform(0, 1, 2), rng.uniform(0.1, 0.5)
    lamp = np.exp(-((down - centre[0]) ** 2 + (across - centre[1]) ** 2) / reach**2)
    fall = 1 - rng.uniform(0, 0.4) * np.abs(across - rng.uniform(0, 1))
    return np.asarray(np.clip(shot * fall + rng.uniform(0, 70) * lamp, 0, 255), np.uint8)


def _written_on(film: Grey, rng: Rng) -> Grey:
    """Lay strips and tubes over it, as wires, letters and stickers are."""
    film = film.copy()
    for _ in range(int(rng.integers(1, 5))):
        top, left = (int(rng.integers(0, side)) for side in film.shape)
        down, across = (int(rng.integers(2, max(3, side // 6))) for side in film.shape)
        film[top : top + down, left : left + across] = rng.integers(256)
    return film


_USUAL: tuple[tuple[Change, float], ...] = (
    (_on_light_box, 0.12),
    (_cropped, 0.4),
    (_turned, 0.25),
    (_framed, 0.2),
    (_equalised, 0.1),
    (_bent, 0.4),
    (_written_on, 0.2),
    (_coarse, 0.2),
    (_negative, 0.2),
)


def _zoomed(film: Grey, rng: Rng) -> Grey:
    return _window(film, rng, (rng.uniform(0.15, 0.42),) * 2)


def _halved(film: Grey, rng: Rng) -> Grey:
    """Keep one side, or what lies above or below."""
    height, width = film.shape
    across, down = int(width * rng.uniform(0.3, 0.5)), int(height * rng.uniform(0.25, 0.4))
    halves = (film[:, :across], film[:, -across:], film[:down], film[-down:])
    return halves[int(rng.integers(len(halves)))]


def _shuffled(film: Grey, rng: Rng) -> Grey:
    """Cut it into tiles, and put them elsewhere."""
    tiles = int(rng.integers(2, 7))
    down, across = (side // tiles for side in film.shape)
    cut = film[: down * tiles, : across * tiles].reshape(tiles, down, tiles, across)
    flat = cut.swapaxes(1, 2).reshape(tiles * tiles, down, across)
    order = rng.permutation(len(flat))
    mixed = flat[order].reshape(tiles, tiles, down, across).swapaxes(1, 2)
    return mixed.reshape(down * tiles, across * tiles)


def _phases(film: Grey, rng: Rng) -> Grey:
    """Keep how strong each frequency is, and nothing of where."""
    strength = np.abs(np.fft.rfft2(film))
    drawn = np.fft.rfft2(rng.standard_normal(film.shape))
    wave = np.fft.irfft2(strength * drawn / np.maximum(np.abs(drawn), 1e-9), film.shape)
    wave = (wave - wave.mean()) / max(wave.std(), 1e-9)
    return np.asarray(np.clip(128 + 50 * wave, 0, 255), np.uint8)


def _swirled(film: Grey, rng: Rng) -> Grey:
    """Wind it around a place."""
    height, width = film.shape
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    far = np.hypot(down, across)
    angle = rng.choice((-1, 1)) * rng.uniform(2.5, 7) * np.exp(-far * rng.uniform(0.5, 2))
    y = np.sin(angle) * across + np.cos(angle) * down
    x = np.cos(angle) * across - np.sin(angle) * down
    rows, columns = (
        np.clip((place + 1) / 2 * (side - 1), 0, side - 1).astype(int)
        for place, side in ((y, height), (x, width))
    )
    return film[rows, columns]


def _blurred(film: Grey, rng: Rng) -> Grey:
    radius = _RADIUS * rng.uniform(1.5, 3)
    return np.asarray(Image.fromarray(film).filter(ImageFilter.GaussianBlur(radius)))


def _sheet(film: Grey, rng: Rng) -> Grey:
    """Put several small ones on one sheet."""
    down, across = ((1, 2), (2, 1), (2, 2), (2, 3), (3, 3), (1, 3))[int(rng.integers(6))]
    height, width = (max(8, side // 2) for side in film.shape)
    small = Image.fromarray(film).resize((width, height), Image.Resampling.BOX)
    one = np.asarray(small)
    rows = [
        np.hstack([one[:, ::-1] if rng.random() < 0.5 else one for _ in range(across)])
        for _ in range(down)
    ]
    return np.vstack(rows)


_SPOILING: dict[str, Change] = {
    "part of a film": _zoomed,
    "half a film": _halved,
    "tiles of a film": _shuffled,
    "noise like a film": _phases,
    "swirled film": _swirled,
    "blurred film": _blurred,
    "sheet of films": _sheet,
}
SPOILS = tuple(_SPOILING)
