"""The page of a first look at films: how many of what, what they look like, what is odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from spark_cxr.metrics.first_look import CountTable, FilmOfPair, FirstLook, NearPair, SampledClass
from spark_cxr.metrics.wording import THIN, counted, percent
from spark_cxr.report import sections
from spark_cxr.report.html import (
    Html,
    element,
    facts,
    figure,
    join,
    page,
    picture,
    section,
    table,
)
from spark_cxr.report.plots import COLOURS, LEFT, WIDTH, add_axes
from spark_cxr.report.svg import INK, draw
from spark_cxr.report.vector_maps import vector_maps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LANE = 26.0
"""Points of a class in a drawing of brightness."""
BOTTOM = 40.0
LONGEST = 22
"""Letters of a class beside the axis."""
PAGE = "films.html"


def first_look_page(look: FirstLook) -> str:
    """Write the page: one HTML document, the same bytes for the same look."""
    title = f"A first look at {look.name}"
    return page(
        title,
        sections.notice(),
        element("p", "spark_cxr · look", class_="eyebrow"),
        element("h1", title),
        element("p", _verdict(look), class_="verdict"),
        sections.caveats(tuple(look.warnings())),
        section("How many", *map(_counts, look.tables), _sizes(look), _missing(look)),
        _montages(look.classes),
        _means(look),
        _brightness(look.classes),
        _patients(look),
        _pairs(look),
        vector_maps(look.maps),
        _quarantine(look),
        section("How it was looked at", facts(look.setup)),
        element("footer", element("p", sections.NOTICE)),
    )


def _verdict(look: FirstLook) -> str:
    classes = sum(1 for each in look.classes if not each.label.startswith("("))
    return (
        f"{counted(look.files, 'file')}: {counted(look.images, 'film')} of "
        f"{classes:,} classes, {look.files - look.images:,} set aside."
    )


def _counts(found: CountTable) -> Html:
    rows = [
        (label, *(f"{n:,}" if n else "–" for n in counts), f"{sum(counts):,}")
        for label, counts in found.rows
    ]
    headings = ("Class", *found.columns, "All")
    kind = "wide dense" if len(headings) > 6 else "wide"
    return table(f"Films by class and {found.by}", headings, rows, class_=kind)


def _sizes(look: FirstLook) -> Html:
    return table("Sizes in pixels", ("Class", "Median, and what there is"), look.sizes, 2)


def _missing(look: FirstLook) -> Html:
    rows = [
        (name, f"{n:,}", percent(n / look.images) if look.images else "")
        for name, n in look.missing
    ]
    return table("What is not known", ("Of a film", "Films", "Share"), rows)


def _montages(classes: Sequence[SampledClass]) -> Html:
    parts = []
    for each in classes:
        if each.montage:
            heading = element("h3", f"{each.label} ({counted(each.films, 'film')})")
            alt = f"A film of {each.label}"
            films = (
                element("figure", picture(image, alt), class_="film") for image in each.montage
            )
            parts.append(join([heading, element("div", *films, class_="films")]))
    return section("Some of each class", *parts) if parts else sections.NOTHING


def _means(look: FirstLook) -> Html:
    if not look.means:
        return sections.NOTHING
    lead = (
        "Films of a class and source laid over each other. What is sharp in a mean film stands at "
        "the same place in many: letters, rims, black margins, a collimator."
    )
    films = (
        figure(
            picture(each.image, f"Mean film of {each.label}, {each.source}"),
            join([element("b", each.label), f" {each.source}, {counted(each.films, 'film')}"]),
            class_="film",
        )
        for each in look.means
    )
    return section("Mean films", element("p", lead), element("div", *films, class_="films"))


def _brightness(classes: Sequence[SampledClass]) -> Html:
    known = [each for each in classes if len(each.brightness)]
    if not known:
        return sections.NOTHING
    drawings = (
        figure(Html(_drawn(known, what)), f"{what.capitalize()} of the films of each class: {how}.")
        for what, how in (
            ("brightness", "the mean grey level, from black to white"),
            ("contrast", "the standard deviation of the grey levels"),
        )
    )
    lead = element("p", "Bars hold the middle half of the films, lines all but a twentieth.")
    return section("Brightness and contrast", lead, element("div", *drawings, class_="plots"))


def _drawn(classes: Sequence[SampledClass], what: str) -> str:
    """Draw the spread of one number, a lane a class."""
    size = (WIDTH, BOTTOM + 10 + LANE * len(classes))
    spans = [_quantiles(each, what) for each in classes]
    words = "; ".join(
        f"{each.label}: median {100 * span[2]:.0f} %"
        for each, span in zip(classes, spans, strict=True)
    )

    def pen(drawing: Figure) -> None:
        axes = add_axes(drawing, size, left=LEFT + 80, bottom=BOTTOM)
        for lane, (low, first, middle, third, high) in enumerate(spans):
            colour = COLOURS[lane % len(COLOURS)]
            axes.plot([100 * low, 100 * high], [lane, lane], color=colour, linewidth=1)
            axes.plot(
                [100 * first, 100 * third], [lane, lane], color=colour, linewidth=7, alpha=0.6
            )
            axes.plot([100 * middle], [lane], "|", color=INK, markersize=12)
        axes.set_yticks(range(len(classes)), [each.label[:LONGEST] for each in classes])
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel(f"{what.capitalize()},{THIN}% of white")

    return draw(what, f"{what.capitalize()} by class", words, size, pen)


def _quantiles(of_class: SampledClass, what: str) -> tuple[float, ...]:
    values = getattr(of_class, what)
    return tuple(float(q) for q in np.quantile(values, (0.025, 0.25, 0.5, 0.75, 0.975)))


def _patients(look: FirstLook) -> Html:
    if not look.patients:
        text = "No patient is known: films of one patient may be on both sides of a split."
        return section("Patients", element("p", text))
    rows = (
        ("Patients", f"{look.patients:,}"),
        (
            "Films a patient, on average",
            f"{(look.images - look.without_patient) / look.patients:.2f}",
        ),
        ("Films of the patient who has the most", f"{look.most_of_patient:,}"),
        ("Films without a patient", f"{look.without_patient:,}"),
    )
    return section("Patients", facts(rows))


def _pairs(look: FirstLook) -> Html:
    if not look.n_pairs:
        return sections.NOTHING
    verb = "has" if look.n_conflicts == 1 else "have"
    lead = (
        f"{counted(look.n_pairs, 'pair')} of films are one and the same film; "
        f"{look.n_conflicts:,} of them {verb} two labels, and come first."
    )
    shown = (element("div", *_sides(pair), class_="films") for pair in look.pairs)
    return section("Near-duplicates side by side", element("p", lead), *shown)


def _sides(pair: NearPair) -> Iterator[Html]:
    likeness = "" if pair.likeness is None else f", likeness {pair.likeness:.3f}"
    for number, film in enumerate(pair.films):
        yield _side(film, f"{pair.kind}{likeness}" if number else "", is_odd=pair.is_conflict)


def _side(film: FilmOfPair, note: str, *, is_odd: bool) -> Html:
    label = film.label or "no label"
    image = picture(film.image, f"Film labelled {label}") if film.image else sections.NOTHING
    caption = join(
        [
            element("b", f"! {label}" if is_odd else label),
            f" {film.source or ''}",
            element("code", film.name),
            element("small", note) if note else sections.NOTHING,
        ]
    )
    return figure(image, caption, class_="film")


def _quarantine(look: FirstLook) -> Html:
    if not look.quarantine:
        return sections.NOTHING
    rows = [
        (
            each.reason,
            f"{each.files:,}",
            "; ".join(f"{name}: {why}" for name, why, _ in each.examples),
        )
        for each in look.quarantine
    ]
    drawn = [
        figure(picture(image, f"file {name}"), join([why, element("code", name)]), class_="film")
        for each in look.quarantine
        for name, why, image in each.examples
        if image
    ]
    headings = ("Reason", "Files", "The first few")
    counts = table("Files that are no films to work with", headings, rows, 1)
    return section("Set aside", counts, element("div", *drawn, class_="films") if drawn else "")
