"""Letters in the corners of a film, from a bitmap font of our own: no font file can change them."""

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint16]

_GLYPHS = {
    "A": (".###.", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "C": (".####", "#....", "#....", "#....", "#....", "#....", ".####"),
    "H": ("#...#", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "L": ("#....", "#....", "#....", "#....", "#....", "#....", "#####"),
    "M": ("#...#", "##.##", "#.#.#", "#.#.#", "#...#", "#...#", "#...#"),
    "N": ("#...#", "##..#", "##..#", "#.#.#", "#..##", "#..##", "#...#"),
    "O": (".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."),
    "P": ("####.", "#...#", "#...#", "####.", "#....", "#....", "#...."),
    "R": ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"),
    "T": ("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."),
}


def stamp(film: Grey, text: str, scale: int, *, bottom: bool, right: bool) -> None:
    """Write `text` into a corner of the film, white with a dark rim, readable on any ground."""
    letters = _bitmap(text, scale)
    rim = _grown(letters, max(1, scale // 2))
    height, width = letters.shape
    margin = max(2, min(film.shape) // 40)
    top = film.shape[0] - margin - height if bottom else margin
    left = film.shape[1] - margin - width if right else margin
    ground = film[top : top + height, left : left + width]
    ground[rim] >>= 2
    ground[letters] = 4000


def _bitmap(text: str, scale: int) -> NDArray[np.bool_]:
    """Set `text` one pixel apart with one empty pixel around, each pixel `scale` wide."""
    rows = [".".join(_GLYPHS[letter][row] for letter in text) for row in range(7)]
    dots = np.array([[dot == "#" for dot in row] for row in rows])
    return np.pad(dots, 1).repeat(scale, axis=0).repeat(scale, axis=1)


def _grown(letters: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return the letters thickened by `steps` pixels on every side."""
    grown = letters.copy()
    for axis in (0, 1):
        thin = grown.copy()
        for step in range(1, steps + 1):
            grown |= np.roll(thin, step, axis) | np.roll(thin, -step, axis)
    return grown
