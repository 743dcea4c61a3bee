"""The contact sheet: films with the heat of their decisions, class by class."""

from __future__ import annotations

from spark_cxr.metrics.boxes import BoxReport
from spark_cxr.metrics.results import ClassPanels, ContactSheet, Panel, Shelf
from spark_cxr.metrics.wording import counted, percent
from spark_cxr.report import sections
from spark_cxr.report.boxes import box_section
from spark_cxr.report.html import Html, element, facts, figure, join, page, picture, section

HOW_TO_READ = (
    "Left the film, right the same film with heat. Orange is evidence for the class of the "
    "heading, blue for the most likely of the other classes; no colour is evidence for neither. "
    "All films share one scale, so any two can be compared."
)
HOW_TO_READ_FINDINGS = (
    "Left the film, right the same film with heat. Orange is evidence for the finding of the "
    "heading, blue is evidence against it; no colour is evidence for neither. A film stands under "
    "one finding, however many it is said to have. All films share one scale, so any two can be "
    "compared."
)
NO_PROOF = (
    "Heat shows where the numbers behind a decision come from. It does not show that a reader "
    "would look there, or that the decision is right. Heat on letters, corners and borders is a "
    "warning."
)


def contact_page(sheet: ContactSheet, boxes: BoxReport | None = None) -> str:
    """Write the page: one self-contained HTML document."""
    films = sum(each.films for each in sheet.classes)
    kind = "finding" if sheet.is_of_findings else "class"
    rows = (
        ("Model", sheet.model),
        ("Network", sheet.backbone),
        ("Method", sheet.method),
        ("Strongest colour", f"{sheet.scale:g} for the {kind}, -{sheet.scale:g} against it"),
        ("Films", f"{films:,}"),
    )
    return page(
        f"Why: {sheet.model} on {counted(films, 'film')}",
        sections.notice(),
        element("p", "spark_cxr · explain", class_="eyebrow"),
        element("h1", f"Where the decisions on {counted(films, 'film')} come from"),
        element("p", _how_to_read(sheet.is_of_findings), class_="remarks"),
        element("p", NO_PROOF, class_="remarks"),
        sections.caveats((f"{sheet.caveat}.",) if sheet.caveat else ()),
        *([box_section(boxes)] if boxes else []),
        *(
            section(f"{each.label}, {counted(each.films, 'film')}", _shelves(each.shelves))
            for each in sheet.classes
        ),
        section("How it was made", facts(rows)),
        element("footer", element("p", sections.NOTICE)),
    )


def training_panels(found: tuple[ClassPanels, ...], how: str, is_of_findings: bool = False) -> Html:
    """Show some test films of each class or finding with their heat."""
    if not any(shelf.panels for each in found for shelf in each.shelves):
        return sections.NOTHING
    parts = (join([element("h3", each.label), _shelves(each.shelves, "h4")]) for each in found)
    reading = _how_to_read(is_of_findings)
    lead = [element("p", words) for words in (reading, f"{how}. {NO_PROOF}")]
    return section("Where decisions come from", *lead, *parts)


def _how_to_read(is_of_findings: bool) -> str:
    return HOW_TO_READ_FINDINGS if is_of_findings else HOW_TO_READ


def _shelves(found: tuple[Shelf, ...], heading: str = "h3") -> Html:
    """Show films shelf by shelf; an empty shelf is left out."""
    return join(
        join(
            [
                element(heading, shelf.heading),
                element("div", *map(_panel, shelf.panels), class_="panels"),
            ]
        )
        for shelf in found
        if shelf.panels
    )


def _beside(panel: Panel) -> str:
    """Say what a probability is to be held against: the other class, or the operating point."""
    if panel.threshold is None:
        return f", rather than {panel.contrast} {percent(panel.contrast_probability)}"
    side = "below" if panel.probability < panel.threshold else "above"
    return f", {side} its operating point of {percent(panel.threshold)}"


def _panel(panel: Panel) -> Html:
    labels = panel.true if panel.threshold is None else panel.true.replace("|", ", ")
    truth = f"labelled {labels}, " if labels else ""
    words = f"film, and the film with heat: {truth}{panel.label} rather than {panel.contrast}"
    image = picture(panel.image, words) if panel.image else sections.NOTHING
    caption = join(
        [
            element("b", f"{panel.label} {percent(panel.probability)}"),
            _beside(panel),
            f"; labelled {labels}" if labels else "",
            f"; margin {panel.margin:+.3g}",
            element("code", panel.path),
        ]
    )
    return figure(image, caption, class_="film panel")
