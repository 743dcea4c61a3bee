"""The page of an audit: the verdict, then one line for each check, then the details."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spark_cxr.metrics import wording
from spark_cxr.metrics.checks import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    STATUSES,
    WARN,
    Check,
    Pair,
    Side,
    count_statuses,
)
from spark_cxr.metrics.results import Row, RunSummary
from spark_cxr.metrics.wording import percent, printable
from spark_cxr.report.html import Html, element, facts, figure, join, page, picture, section, table
from spark_cxr.report.sections import NOTICE, STATUS_WORDS, caveats, how_it_ran, notice
from spark_cxr.report.svg import INK, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = {
    "bytes": "the same file",
    "pixels": "the same pixels",
    "looks": "the same picture, or one of the same patient a moment later",
    "inverted": "negatives of each other",
    "mirrored": "mirror images of each other",
    "mirrored_inverted": "mirrored negatives of each other",
}

WIDTH, LINE, TOP, BOTTOM = 440.0, 24.0, 22.0, 36.0
LEFT = 0.3
"""Share of the width for names."""
REAL = "Your classifier"
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#7a7a7a"


@dataclass(frozen=True)
class AuditReport:
    """All that the page of an audit shows."""

    name: str
    """Of the data, as a sentence names them."""
    checks: tuple[Check, ...]
    data: tuple[Row, ...]
    method: tuple[Row, ...]
    run: RunSummary
    caveats: tuple[str, ...] = ()


def audit_page(report: AuditReport) -> str:
    """Write the page of an audit: one HTML document, the same bytes for the same report."""
    checks = _worst_first(report.checks)
    return page(
        f"Data audit of {report.name}",
        notice(),
        element("p", f"spark_cxr · audit · {report.name}", class_="eyebrow"),
        element("h1", "What a good figure on these films is worth"),
        element("p", verdict(checks), class_="verdict"),
        _fails(checks),
        _overview(checks),
        _reach(report.checks),
        *(_details(check) for check in checks if _has_more(check)),
        _sentences("What passes", checks, PASS),
        _sentences("What could not be checked", checks, NOT_APPLICABLE),
        caveats(report.caveats),
        section("Data", facts(report.data)),
        section("How it was checked", facts(report.method)),
        how_it_ran(report.run),
        element("footer", element("p", NOTICE)),
    )


def verdict(checks: Sequence[Check]) -> str:
    """Say in a sentence what the checks come to."""
    counts = count_statuses(checks)
    done = len(checks) - counts[NOT_APPLICABLE]
    fails, warnings = counts[FAIL], wording.counted(counts[WARN], "warning")
    if fails:
        also = f", and there {_are(counts[WARN])} {warnings}" if counts[WARN] else ""
        return (
            f"Do not trust a good figure on these films as they are: {fails} of {done} checks "
            f"{'fails' if fails == 1 else 'fail'}{also}."
        )
    if counts[WARN]:
        return (
            f"Read figures on these films with care: none of {done} checks fails, and there "
            f"{_are(counts[WARN])} {warnings}."
        )
    return (
        f"None of {done} checks finds a problem with these films. That does not prove that a "
        "figure holds at another hospital."
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _worst_first(checks: Sequence[Check]) -> list[Check]:
    return sorted(checks, key=lambda check: STATUSES.index(check.status))


def _fails(checks: Sequence[Check]) -> Html:
    """Give the words of each failed check at the top."""
    fails = [check for check in checks if check.status == FAIL]
    if not fails:
        return Html("")
    lines = (
        element("li", element("b", f"{check.title}."), f" {check.sentence}") for check in fails
    )
    return element("aside", element("h2", "What fails"), element("ul", *lines), class_="caveats")


def _overview(checks: Sequence[Check]) -> Html:
    rows = ((check.title, _status(check.status), check.brief) for check in _worst_first(checks))
    headings = ("Check", "Result", "In short")
    return section(
        "All checks",
        table("One line for each check, the worst first", headings, rows, numbers_from=3),
    )


def _status(status: str) -> Html:
    return element("span", STATUS_WORDS[status], class_=f"status {status}")


def _reach(checks: Sequence[Check]) -> Html:
    drawing = draw_reach(checks)
    if not drawing:
        return Html("")
    caption = (
        "Each bar is a classifier of the same kind, on the same films and split, that sees "
        "only what its name says. Blue: the whole film, with its interval as a band. Orange: too "
        "close to it, or dependent on the border. The dashed line needs no look at the film."
    )
    return section("What a classifier needs to see", figure(Html(drawing), caption))


def _has_more(check: Check) -> bool:
    """Tell whether a check needs a section of its own; the words of a fail stand above."""
    return check.status == WARN or bool(check.grid or check.pairs)


def _details(check: Check) -> Html:
    parts = [element("p", _status(check.status))]
    if check.status != FAIL:
        parts.append(element("p", check.sentence))
    if check.grid:
        grid = check.grid
        parts.append(table(grid.caption, grid.headings, grid.rows, grid.numbers_from))
    if check.pairs:
        parts.append(element("div", *map(_pair, check.pairs), class_="plots"))
    return section(check.title, *parts)


def _sentences(heading: str, checks: Sequence[Check], status: str) -> Html:
    """List the checks of one status that have no section of their own."""
    chosen = [c for c in checks if c.status == status and not _has_more(c)]
    if not chosen:
        return Html("")
    return section(heading, facts((check.title, check.sentence) for check in chosen))


def _pair(pair: Pair) -> Html:
    films = element(
        "div",
        _film(pair.a),
        _film(pair.b),
        class_="films",
        style="grid-template-columns: 1fr 1fr; gap: 1rem; max-width: 26rem",
    )
    kind = _KINDS.get(pair.kind, "copies by way of a third film")
    caption = element("small", f"These are {kind}.")
    return element("div", films, caption, style="break-inside: avoid")


def _film(side: Side) -> Html:
    said = f"{side.label or 'no label'}, {side.source or 'source unknown'}"
    image = picture(side.image, f"Film with label {said}") if side.image else Html("")
    caption = join(
        [
            element("b", side.label or "no label"),
            f" {side.source or ''}",
            element("code", "/".join(side.path.rsplit("/", 3)[-3:])),
        ]
    )
    return figure(image, caption, class_="film")


def draw_reach(checks: Sequence[Check]) -> str:
    """Draw the accuracy of each check that has one beside the real one; empty if there is none."""
    shown = [check for check in checks if "real_accuracy" in dict(check.numbers)]
    if not shown:
        return ""
    found = dict(shown[0].numbers)
    bars = [(REAL, found["real_accuracy"] or 0.0, _BLUE)]
    bars += [
        (
            c.title,
            dict(c.numbers)["accuracy"] or 0.0,
            _ORANGE if c.status in (FAIL, WARN) else _GREY,
        )
        for c in shown
    ]
    size = (WIDTH, TOP + BOTTOM + LINE * len(bars))

    def pen(figure: "Figure") -> None:
        box = (LEFT, BOTTOM / size[1], 0.97 - LEFT - 0.1, 1 - (TOP + BOTTOM) / size[1])
        axes = figure.add_axes(box)
        _bars(axes, bars)
        _lines(axes, found)

    words = "; ".join(f"{name} {percent(share)}" for name, share, _ in bars)
    return draw("reach", "What classifiers reach that see less", words, size, pen)


def _bars(axes: "Axes", bars: Sequence[tuple[str, float, str]]) -> None:
    places = range(len(bars))
    axes.barh(places, [share for _, share, _ in bars], color=[c for *_, c in bars], height=0.62)
    for place, (_, share, _) in zip(places, bars, strict=True):
        axes.text(share + 0.015, place, percent(share), va="center", fontsize=9)
    axes.set_yticks(list(places), [printable(name) for name, *_ in bars])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100\u202f%"])
    axes.set_xlabel("Test films classified correctly")
    axes.tick_params(axis="y", length=0)


def _lines(axes: "Axes", found: dict[str, float | int | None]) -> None:
    """Mark chance by a line, and the interval of the real result by a band."""
    chance, low, high = found["majority"], found["real_low"], found["real_high"]
    if chance is not None:
        axes.axvline(chance, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
        axes.text(chance, -0.55, "commonest label", va="bottom", ha="center", fontsize=9)
    if low is not None and high is not None:
        axes.axvspan(low, high, color=_BLUE, alpha=0.14, linewidth=0)
