"""Maps of vectors: the same films by class, by source, and by whether the best head is right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spark_cxr.metrics.vector_map import NEAREST, Likeness, VectorMap
from spark_cxr.metrics.wording import counted, percent, printable
from spark_cxr.report.html import Html, element, figure, join, section
from spark_cxr.report.names import shortened
from spark_cxr.report.plots import COLOURS, add_axes
from spark_cxr.report.svg import draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "^", "s", "D", "v", "P")
MOST_KINDS = 12
"""Kinds with a sign of their own: six colours, each twice."""
REST = "#7a7a7a"
RIGHT, WRONG = "right", "wrong"
SIDE, LEGEND_LINE, LONGEST = 250.0, 14.0, 19
"""Points: of a map and of a line of its legend; letters of a name there, two names a line."""
AIR = 0.03
"""Around the films, where the longer side of the map is 1."""
LEAD = (
    "Each dot is a film. Films whose vectors have nearly the same direction lie close together "
    "(an exact t-SNE of cosines, from the first two principal components). Read which films are "
    "neighbours and nothing else: distances between heaps, their sizes and the axes mean nothing, "
    "and a map squeezes out of many numbers only what fits into two."
)


@dataclass(frozen=True)
class _Kind:
    """Films that have one sign."""

    name: str
    colour: str
    marker: str
    places: tuple[tuple[float, float], ...]
    size: float = 3.2
    opacity: float = 0.75


def vector_maps(maps: Sequence[VectorMap]) -> Html:
    """Show the maps of all networks; nothing where there is none."""
    if not maps:
        return Html("")
    return section(
        "Maps of the vectors", element("p", LEAD), *(_network(*each) for each in enumerate(maps))
    )


def _network(number: int, found: VectorMap) -> Html:
    """Draw the films of one network, once for each question; what has one answer is left out."""
    questions = {"class": ("By class", _kinds(found, found.labels))}
    if len(set(found.sources)) > 1:
        sources = [source or "not known" for source in found.sources]
        questions["source"] = ("By source", _kinds(found, sources))
    if found.predicted:
        questions["mistakes"] = (f"Mistakes of {found.head}", _mistakes(found))
    lines = max(-(-len(kinds) // 2) for _, kinds in questions.values())
    panels = (
        figure(Html(_draw(f"map{number}-{name}", title, kinds, lines)), title)
        for name, (title, kinds) in questions.items()
    )
    return join(
        [
            element("h3", found.backbone),
            element("div", *panels, class_="maps"),
            element("p", _in_words(found), class_="remarks"),
        ]
    )


def _in_words(found: VectorMap) -> str:
    """Say how many films are drawn, and what is near to what in all numbers of the vectors."""
    shown = len(found.places)
    of = " of the test" if found.predicted else ""
    drawn = f"All {counted(found.films, 'film')}{of}"
    if shown < found.films:
        drawn = (
            f"{shown:,} of the {found.films:,} films{of} ({percent(shown / found.films)}), "
            "drawn by hash, the same for each network"
        )
    most = min(NEAREST, shown - 1)
    near = [_likeness(each) for each in found.near if each.by_chance]
    words = (
        f" Of the {most} films nearest by cosine, {' and '.join(near)}." if near and most else ""
    )
    kept = (
        f" The map keeps {percent(found.kept)} of them among the {most} nearest." if words else ""
    )
    return f"{drawn}.{words}{kept}"


def _likeness(found: Likeness) -> str:
    chance = percent(found.by_chance)
    return f"{percent(found.share)} have the film's own {found.by} ({chance} by chance)"


def _kinds(found: VectorMap, values: Sequence[str]) -> list[_Kind]:
    """Give each value its sign, the commonest first, so that rare films are drawn above them."""
    counts = Counter(values)
    names = sorted(counts, key=lambda name: (-counts[name], name))
    own = names if len(names) <= MOST_KINDS else names[: MOST_KINDS - 1]
    signs = {name: number for number, name in enumerate(sorted(own))}
    kinds = [
        _Kind(
            f"{name} {counts[name]:,}",
            COLOURS[signs[name] % len(COLOURS)],
            MARKERS[(signs[name] + signs[name] // len(COLOURS)) % len(MARKERS)],
            _places(found, [value == name for value in values]),
        )
        for name in own
    ]
    if rest := set(names) - set(own):
        places = _places(found, [value in rest for value in values])
        kinds.append(_Kind(f"{len(rest)} others {len(places):,}", REST, "x", places))
    return kinds


def _mistakes(found: VectorMap) -> list[_Kind]:
    wrong = [true != said for true, said in zip(found.labels, found.predicted, strict=True)]
    right = _places(found, [not each for each in wrong])
    missed = _places(found, wrong)
    return [
        _Kind(f"{RIGHT} {len(right):,}", REST, "o", right, 2.6, 0.4),
        _Kind(f"{WRONG} {len(missed):,}", COLOURS[1], "X", missed, 4.6, 0.9),
    ]


def _places(found: VectorMap, chosen: Sequence[bool]) -> tuple[tuple[float, float], ...]:
    return tuple(place for place, is_in in zip(found.places, chosen, strict=True) if is_in)


def _draw(name: str, title: str, kinds: Sequence[_Kind], lines: int) -> str:
    """Draw the films, with their legend in two columns below."""
    heights = [up for kind in kinds for _, up in kind.places]
    low, high = min(heights) - AIR, max(heights) + AIR
    below = LEGEND_LINE * lines + 10
    size = (SIDE, below + 3 + (SIDE - 6) * (high - low) / (1 + 2 * AIR))

    def pen(figure: Figure) -> None:
        axes = add_axes(figure, size, left=3, right=3, top=3, bottom=below)
        axes.set(xlim=(-AIR, 1 + AIR), ylim=(low, high), xticks=[], yticks=[])
        axes.spines[["top", "right"]].set_visible(True)
        for spine in axes.spines.values():
            spine.set_alpha(0.25)
        for number, kind in enumerate(kinds):
            _draw_kind(axes, kind)
            left, height = 8 + (SIDE / 2) * (number % 2), LEGEND_LINE * (lines - number // 2) - 4
            at = (left / size[0], height / size[1])
            mark = axes.plot(*([each] for each in at), markersize=5, **_style(kind))
            mark[0].set(transform=figure.transFigure, clip_on=False)
            name_at = (left + 9) / size[0]
            figure.text(name_at, at[1], _short(kind.name), va="center", fontsize=8.5)

    drawn = draw(name, title, "; ".join(kind.name for kind in kinds), size, pen)
    return re.sub(r"<use[^>]*>", _rounded, drawn)


def _rounded(tag: re.Match[str]) -> str:
    """Give the place of a film to a hundredth of a point, which is enough."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0])


def _draw_kind(axes: Axes, kind: _Kind) -> None:
    across, up = zip(*kind.places, strict=True) if kind.places else ((), ())
    style = {**_style(kind), "alpha": kind.opacity}
    axes.plot(across, up, markersize=kind.size, **style)


def _style(kind: _Kind) -> dict[str, Any]:
    edge = 0.8 if kind.marker == "x" else 0.0  # a cross is all edge
    return {
        "color": kind.colour,
        "marker": kind.marker,
        "linestyle": "none",
        "markeredgewidth": edge,
    }


def _short(name: str) -> str:
    """Cut a name so that its count stays."""
    words, _, count = printable(name).rpartition(" ")
    return f"{shortened(words, LONGEST - len(count) - 1)} {count}"
