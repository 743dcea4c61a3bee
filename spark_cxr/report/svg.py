"""A matplotlib figure as SVG text that lives inside a page: same input, same bytes.

Text stays text (small, selectable, in the page's own font). What is drawn in `INK` takes the
colour of the surrounding text, so one drawing serves light, dark and print. Over the drawing lie
`Spot`s, which say their value to a pointer without any script.
"""

import html
import io
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spark_cxr.errors import SetupError
from spark_cxr.metrics.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#010203"
"""Stands for currentColor, which matplotlib does not know."""

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "spark_cxr",
    "text.parse_math": False,  # a label may hold a dollar sign
    "axes.unicode_minus": True,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so lengths are the same everywhere
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
}


REACH = 5.0
"""Points around a value from where a pointer is told of it."""


@dataclass(frozen=True)
class Spot:
    """A place of a drawing that says its value when a pointer rests on it."""

    axes: "Axes"
    x: float
    y: float
    words: str
    to: tuple[float, float] | None = None
    """The other corner, where it is a box; otherwise it is a point."""
    link: str = ""
    """Where a click leads on the same page: #cell-0-1."""

    def markup(self, height: float) -> str:
        """Write it as SVG for a drawing of so many points in height."""
        words = f"<title>{html.escape(printable(self.words))}</title>"
        (left, top), box = self._at(self.x, self.y, height), self.to
        if box is None:
            shape = f'<circle class="spot" cx="{left:.1f}" cy="{top:.1f}" r="{REACH}">'
            return f"{shape}{words}</circle>"
        right, bottom = self._at(*box, height)
        corner = f'x="{min(left, right):.1f}" y="{min(top, bottom):.1f}"'
        area = f'width="{abs(right - left):.1f}" height="{abs(bottom - top):.1f}"'
        shape = f'<rect class="spot" {corner} {area}>{words}</rect>'
        if not self.link:
            return shape
        name = html.escape(printable(self.words))
        return f'<a href="{self.link}" aria-label="{name}">{shape}</a>'

    def _at(self, x: float, y: float, height: float) -> tuple[float, float]:
        """Give a place in points from the upper left corner."""
        across, up = self.axes.transData.transform((x, y)) * (72 / self.axes.figure.dpi)
        return float(across), float(height - up)


def spots_along(
    axes: "Axes", across: Sequence[float], up: Sequence[float], words: Sequence[str], most: int = 24
) -> list[Spot]:
    """Put spots on some points of a curve: all of them, or `most` at even steps."""
    many = len(across)
    chosen = {round(step * (many - 1) / (most - 1)) for step in range(most)}
    places = range(many) if many <= most else sorted(chosen)
    return [Spot(axes, across[place], up[place], words[place]) for place in places]


def draw(
    name: str,
    title: str,
    description: str,
    size: tuple[float, float],
    pen: Callable[..., Iterable[Spot] | None],
) -> str:
    """Draw a figure and return it as one <svg> element.

    Args:
        name: Prefix of every id in the drawing; unique on its page.
        title: What a screen reader says first.
        description: What it says to whoever cannot see the drawing.
        size: Width and height in points.
        pen: Is handed the empty figure and draws on it; gives the spots to lay over it.

    Raises:
        SetupError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SetupError(
            "matplotlib for the pictures of a report",
            "none",
            "Install it with: pip install 'spark-cxr[report]'",
        ) from error
    with rc_context(_SETTINGS), warnings.catch_warnings():
        # The page's font draws the text: what matplotlib's own font lacks is no fault.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(size[0] / 72, size[1] / 72))
        spots = [each.markup(size[1]) for each in pen(figure) or ()]
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _embed(file.getvalue(), name, title, description, "".join(spots))


def _embed(text: str, name: str, title: str, description: str, spots: str) -> str:
    """Turn a stand-alone file into an element that leaves the rest of the page alone."""
    _, _, body = text[text.index("<svg") :].partition(">")
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<[^>]*>", lambda tag: _rewrite(tag[0], name), body)
    body = f"{body.strip().removesuffix('</svg>')}{spots}</svg>"
    box = re.search(r'viewBox="[^"]*"', text)
    # What can be reached inside an image is hidden from who cannot see it.
    role = "group" if "<a " in spots else "img"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{box[0] if box else ""} role="{role}" aria-labelledby="{name}-title {name}-text" '
        'style="stroke-linejoin:round;stroke-linecap:butt">'
        f'<title id="{name}-title">{html.escape(printable(title))}</title>'
        f'<desc id="{name}-text">{html.escape(printable(description))}</desc>{body}'
    )


def _rewrite(tag: str, name: str) -> str:
    """Take ink and font from the page, and keep ids apart from those of other drawings.

    Only what is referred to keeps its id: matplotlib calls those by a hash behind m or p.
    """
    tag = re.sub(r" font-family: [^;\"]*;?", "", tag.replace(INK, "currentColor"))
    tag = re.sub(r' id="(?![mp][0-9a-f]{10}")[^"]*"', "", tag)
    return re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", tag)
