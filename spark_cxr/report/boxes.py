"""Heat against radiologists' boxes, as a section of a page and as lines of a console."""

from __future__ import annotations

from spark_cxr.metrics.boxes import BoxMeasure, BoxMetrics, BoxReport
from spark_cxr.metrics.wording import (
    decimal,
    decimal_range,
    percent,
    percent_range,
    percent_sign,
)
from spark_cxr.report.html import Content, Html, element, section, table
from spark_cxr.report.sections import small, with_small

HEADINGS = (
    "Finding",
    "Films",
    "Hottest point in a box",
    "By chance",
    "Heat in boxes",
    "Times chance",
    "Overlap (IoU)",
)


def box_section(found: BoxReport) -> Html:
    """Show where heat lies in a table, a row a finding, and say what its columns mean."""
    level = percent_sign(f"{found.level:.0%}")
    hot = percent_sign(f"{found.overlap_at:.0%}")
    lead = (
        "Readers drew boxes around these findings. A finding on a film counts once, with all its "
        "boxes. Heat in boxes is the share of the heat above 0; by chance, it and the hottest "
        "point would be in a box as often as boxes cover the film. Overlap is intersection over "
        f"union of the boxes and of all that has at least {hot} of the film's strongest heat. "
        f"Intervals ({level}) draw patients, or films where the patient is not known."
    )
    coarse = (
        "Maps have few cells: a box smaller than a cell can be missed by a map that points to it."
    )
    rows = [_row(each) for each in found.rows]
    caption = f"Heat ({found.method}) against boxes, with {level} intervals"
    words = (element("p", each) for each in (lead, coarse))
    return section("Heat against readers' boxes", *words, table(caption, HEADINGS, rows))


def _row(found: BoxMetrics) -> tuple[Content, ...]:
    patients = f", patients {found.groups:,}" if found.groups < found.films else ""
    who = f"boxes {found.boxes:,}{patients}"
    hit, times = found.hit_rate, found.concentration
    where_named = f"{percent(found.hit_rate_named)} of {found.named:,} that the model names"
    return (
        found.finding,
        with_small(f"{found.films:,}", who),
        element("span", percent(hit.value), small(percent_range(hit.interval)), small(where_named)),
        percent(found.area),
        with_small(percent(found.inside.value), percent_range(found.inside.interval)),
        _decimals(times) if times else "",
        _decimals(found.overlap),
    )


def _decimals(measure: BoxMeasure) -> Html:
    return with_small(decimal(measure.value), decimal_range(measure.interval))


def box_lines(found: BoxReport) -> list[str]:
    """Say the same on a console."""
    width = max(len(each.finding) for each in found.rows)
    return [
        f"heat against boxes, {found.level:.0%} intervals:",
        *(_line(each, width) for each in found.rows),
    ]


def _line(found: BoxMetrics, width: int) -> str:
    """Write one finding in a line; a share without an interval has too few patients for one."""
    inside, overlap = found.inside, found.overlap
    return (
        f"  {found.finding:<{width}} {found.films:>6,} films: hottest point in a box "
        f"{_share(found.hit_rate)}, heat in boxes {_share(inside)} (by chance {found.area:.1%}), "
        f"overlap {overlap.value:.3f}"
    )


def _share(measure: BoxMeasure) -> str:
    between = measure.interval
    ends = f" ({between.low:.1%} to {between.high:.1%})" if between else ""
    return f"{measure.value:.1%}{ends}"
