"""The page of a table of scores: its days, and a queue of films whose label somebody may give.

Labels stay in the page until they are saved as a CSV file: it asks for nothing, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from spark_cxr.metrics import wording
from spark_cxr.metrics.course import MEAN
from spark_cxr.metrics.score_results import ScoredFilm, ScoredModel, ScoreReport
from spark_cxr.metrics.watch_results import written
from spark_cxr.report import sections
from spark_cxr.report.html import Html, element, figure, join, page, picture, section, table

PAGE = "_scores.html"
"""Readers of Parquet skip names with an underscore: it can lie within the table."""
MOST_DAYS = 60
NO_FINDING = "No Finding"
DAYS = (
    "By the day of scoring, in UTC. Refused: files that could not be read, and pictures that are "
    "no chest film. Whether a change is more than chance, spark-cxr watch says."
)
QUEUE = (
    "The films whose answers are least certain, the least certain first. Say what each shows, and "
    "save: the file holds path and label, and evaluate and train read it as --labels. "
    "Nothing leaves this page, and it forgets what was not saved. Labels of the least certain "
    "films say nothing of how often the model is right: they are the hardest."
)
SCRIPT = """
const queue = document.getElementById("queue");
const save = document.getElementById("save");
const films = [...queue.querySelectorAll("fieldset")];
const label = film => {
  const chosen = [...film.querySelectorAll("input:checked")].map(input => input.value);
  if (queue.dataset.several !== "yes") return chosen[0];
  const all = chosen.filter(Boolean).join("|");
  return film.querySelector(".done").checked ? all || queue.dataset.none : undefined;
};
const labelled = () => films.filter(film => label(film) !== undefined);
const quoted = text => '"' + text.replaceAll('"', '""') + '"';
const show = () => {
  save.textContent = `Save ${labelled().length} of ${films.length} labels`;
  save.disabled = !labelled().length;
};
queue.addEventListener("change", show);
save.addEventListener("click", () => {
  const rows = labelled().map(film => [film.dataset.path, label(film)].map(quoted).join(","));
  const file = new Blob([["path,label", ...rows, ""].join("\\n")], {type: "text/csv"});
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "labels.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
save.hidden = false;
show();
"""


def scores_page(report: ScoreReport) -> str:
    """Write the page: one HTML document, the same bytes for the same report."""
    title = "Scores day by day"
    films = sum(model.films for model in report.models)
    return page(
        title,
        sections.notice(),
        element("p", f"spark_cxr · {report.table}", class_="eyebrow"),
        element("h1", title),
        element("p", f"{wording.counted(films, 'file')}. {DAYS}", class_="remarks"),
        *(section(f"Model {model.model}", _days(model)) for model in report.models),
        _queue(report),
        element("footer", element("p", sections.NOTICE)),
        script=SCRIPT if report.queue else "",
    )


def _days(model: ScoredModel) -> Html:
    by_course = [dict(zip(each.days.tolist(), each.sums, strict=True)) for each in model.courses]
    days = sorted({day for course in by_course for day in course})[::-1]
    rows = (
        (
            date.fromordinal(day).isoformat(),
            f"{int(max(course[day][0] for course in by_course if day in course)):,}",
            *(
                _value(course[day], each.kind != MEAN) if day in course else wording.NOT_DEFINED
                for course, each in zip(by_course, model.courses, strict=True)
            ),
        )
        for day in days[:MOST_DAYS]
    )
    headings = ("Day", "Files", *(each.name for each in model.courses))
    shown = f"The newest {MOST_DAYS} of {len(days):,} days" if len(days) > MOST_DAYS else "All days"
    return table(f"{shown}, the last one first", headings, rows, class_="wide dense")


def _value(sums: object, is_share: bool) -> str | Html:
    films, total = sums[0], sums[1]  # type: ignore[index]
    if not films:
        return wording.NOT_DEFINED
    share = total / films
    text = written(share, is_share)
    if not is_share:
        return text
    return element("span", text, class_="heat", style=f"--heat:{round(45 * share)}%")


def _queue(report: ScoreReport) -> Html:
    if not report.queue:
        return sections.NOTHING
    several = report.is_of_findings
    data = {"data_several": "yes" if several else "no", "data_none": NO_FINDING}
    films = (_film(place, film, several) for place, film in enumerate(report.queue))
    return section(
        "Films to look at",
        element("p", QUEUE),
        element("noscript", element("p", "Saving labels needs this page's script.")),
        element("form", *films, id="queue", class_="films queue", **data),
        element("p", element("button", "Save", id="save", type="button", hidden="hidden")),
    )


def _film(place: int, film: ScoredFilm, several: bool) -> Html:
    name = film.path.rpartition("/")[2]
    image = picture(film.image, f"film {name}") if film.image else element("p", "No picture.")
    said = f"{film.prediction}, {wording.percent(film.confidence)}"
    flags = join([element("br"), ", ".join(film.flags)]) if film.flags else ""
    caption = join([element("b", said), flags, element("code", name)])
    fields = element(
        "fieldset",
        element("legend", "It shows"),
        *_choices(place, film, several),
        data_path=film.path,
    )
    return element("div", figure(image, caption, class_="film"), fields)


def _choices(place: int, film: ScoredFilm, several: bool) -> Iterator[Html]:
    """Offer the labels, those that the model gives first and marked."""
    said = set(film.prediction.split("|")) if several else {film.prediction}
    order = sorted(film.probabilities, key=lambda label: (label not in said, label))
    kind = "checkbox" if several else "radio"
    for label in order:
        words = f"{label} (as it says)" if label in said else label
        box = element("input", type=kind, name=f"film{place}", value=label)
        yield element("label", box, words)
    if several:
        box = element("input", type="checkbox", value="", class_="done")
        yield element("label", box, element("b", "looked at"))
