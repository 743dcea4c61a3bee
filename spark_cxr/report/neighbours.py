"""The page of nearest films: each film, and beside it those whose vectors are most like its own."""

from __future__ import annotations

from spark_cxr.metrics.neighbours import FilmNeighbours, NeighbourPicture, NeighboursReport
from spark_cxr.metrics.wording import counted
from spark_cxr.report import sections
from spark_cxr.report.html import Html, element, facts, figure, join, page, picture, section

HOW_TO_READ = (
    "Films are compared by the cosine of their vectors: 1 is the same direction. Near is what the "
    "network takes for near: hospital, machine, letters and view count as well as disease, and "
    "other films of the same patient may be among the nearest."
)


def neighbours_page(report: NeighboursReport) -> str:
    """Write the page: one HTML document, the same bytes for the same report."""
    what = counted(len(report.films), "film") if len(report.films) > 1 else report.films[0].name
    title = f"Films most like {what}"
    return page(
        title,
        sections.notice(),
        element("p", "spark_cxr · similar", class_="eyebrow"),
        element("h1", title),
        element("p", HOW_TO_READ, class_="remarks"),
        sections.caveats(report.caveats),
        *map(_film, report.films),
        section("How it was made", facts(report.setup)),
        element("footer", element("p", sections.NOTICE)),
    )


def _film(found: FilmNeighbours) -> Html:
    said = ", ".join(f"{count} {label}" for label, count in found.labels) or "none has a label"
    lead = f"Among the {len(found.neighbours)} nearest: {said}."
    if found.itself:
        verb = "is" if found.itself == 1 else "are"
        lead += f" {counted(found.itself, 'film')} with its very bytes {verb} left out."
    own = figure(
        picture(found.image, "The film") if found.image else sections.NOTHING,
        element("b", "This film"),
        class_="film own",
    )
    shown = element("div", own, *map(_neighbour, found.neighbours), class_="films")
    return section(found.name, element("p", lead), shown)


def _neighbour(found: NeighbourPicture) -> Html:
    label = found.label or "no label"
    words = f"{label}, cosine {found.cosine:.4f}"
    caption = join(
        [
            element("b", label),
            f" cosine {found.cosine:.4f}",
            f"; {found.source}" if found.source else "",
            element("code", found.name),
        ]
    )
    image = picture(found.image, words) if found.image else sections.NOTHING
    return figure(image, caption, class_="film")
