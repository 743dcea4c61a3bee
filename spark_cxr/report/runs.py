"""The page of a folder of runs: one row each, the newest first, with links to their pages."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from spark_cxr.metrics.run_index import RunLine
from spark_cxr.report import sections
from spark_cxr.report.html import Html, element, page, section, table
from spark_cxr.report.sections import with_small

PAGE = "runs.html"
HEADINGS = ("Run", "Verb", "Begun (UTC)", "Data", "Network, head", "Figure", "Films", "Status")
HOW_TO_READ = (
    "Figures of different data, splits or settings are not to be ranked: a run's own page says "
    "what its figure stands for. Intervals hold 95 % of the resamples, where the run has them."
)


def runs_page(folder: str, runs: Sequence[RunLine]) -> str:
    """Write the page: one HTML document, the same bytes for the same runs."""
    title = f"Runs in {folder}"
    rows = [_row(run) for run in sorted(runs, key=lambda run: (run.started, run.place))[::-1]]
    return page(
        title,
        sections.notice(),
        element("p", "spark_cxr · runs", class_="eyebrow"),
        element("h1", title),
        element("p", HOW_TO_READ, class_="remarks"),
        section(
            f"{len(runs):,} runs", table("What each has come to", HEADINGS, rows, 8, "wide dense")
        ),
        element("footer", element("p", sections.NOTICE)),
    )


def _row(run: RunLine) -> tuple[str | Html, ...]:
    link: str | Html = run.place
    if run.page:
        link = element("a", run.place, href=quote(f"{run.place}/{run.page}"))
    of = ", ".join(filter(None, (run.network, run.head)))
    figure = with_small(run.figure, run.interval) if run.interval else run.figure
    films = f"{run.films:,}" if run.films is not None else ""
    return (link, run.verb, run.started, run.data, of, figure, films, run.status)
