"""The parts that pages have in common: classes, pictures, mistakes, parts, audit, how it ran."""

from collections.abc import Iterable, Sequence

from spark_cxr.errors import REASONS
from spark_cxr.metrics import Averages, LearningPoint, Metrics, Overlap, Part, wording
from spark_cxr.metrics.checks import FAIL, NOT_APPLICABLE, PASS, STATUSES, WARN, Check
from spark_cxr.metrics.finding_records import FindingLearningPoint
from spark_cxr.metrics.matrix_films import MatrixFilms
from spark_cxr.metrics.results import (
    AuditSummary,
    Mistake,
    PartTable,
    QuarantineCount,
    Row,
    RunSummary,
)
from spark_cxr.metrics.wording import decimal, decimal_range, percent, percent_range
from spark_cxr.report import dots, plots
from spark_cxr.report.html import (
    Html,
    element,
    facts,
    figure,
    join,
    on_screen,
    picture,
    section,
    table,
)
from spark_cxr.report.matrix_films import linked_cells
from spark_cxr.report.plots import draw_confusion
from spark_cxr.report.roc_axes import LOGARITHMIC, RocAxes

NOTICE = "Research use only. Not for diagnosis."
NOTHING = Html("")
STATUS_WORDS = {
    FAIL: "✕ fails",
    WARN: "! warning",
    PASS: "✓ passes",
    NOT_APPLICABLE: "– not applicable",
}
"""The sign says it without colour."""


def notice() -> Html:
    """Say at the very top what the page is not for."""
    return element("p", NOTICE, class_="notice", role="note")


def caveats(sentences: tuple[str, ...], found: AuditSummary | None = None) -> Html:
    """Say prominently what a reader must know before relying on a figure, and what failed."""
    failed = [check for check in found.checks if check.status == FAIL] if found else []
    warnings = [*sentences, *(check.sentence for check in failed)]
    if not warnings:
        return NOTHING
    lines = element("ul", *(element("li", sentence) for sentence in warnings))
    return element("aside", element("h2", "Before you rely on this"), lines, class_="caveats")


def beside(pages: Iterable[Row]) -> Html:
    """Link the pages that lie in the same folder; nothing where there are none."""
    links = [element("a", words, href=name) for name, words in pages]
    if not links:
        return NOTHING
    parts = (part for link in links for part in (" · ", link))
    return element("p", "Beside this page", *parts, class_="eyebrow beside")


def overlaps(found: Iterable[Overlap]) -> Html:
    """Say above a figure which of its films a network was trained on; nothing where none was."""
    warnings = [wording.overlap_warning(each) for each in found if each.learned]
    if not warnings:
        return NOTHING
    lines = (element("p", element("strong", sentence)) for sentence in warnings)
    return element("aside", *lines, class_="caveats", role="note")


def tiles(found: Metrics) -> Html:
    """Show the four figures that most people look for."""
    between = found.intervals
    sureness = f"Brier score {decimal(found.brier)}, log loss {decimal(found.log_loss)}"
    rows = (
        ("Accuracy", percent(found.accuracy), percent_range(between.accuracy)),
        ("Macro F1", decimal(found.f1_macro), decimal_range(between.f1_macro)),
        ("Macro AUC", decimal(found.auc_macro), decimal_range(between.auc_macro)),
        ("Calibration error (ECE)", percent(found.ece), sureness),
    )
    boxes = (
        element("div", element("dt", name), element("dd", value, small(note)))
        for name, value, note in rows
    )
    return element("dl", *boxes, class_="tiles")


def classes(found: Metrics, heading: str = "Class by class") -> Html:
    """Give the measures of each class, with intervals, as a classification report does."""
    at = wording.percent_sign(f"{found.specificity:.0%}")
    headings = (
        "Class",
        "Precision",
        "Recall (sensitivity)",
        "F1",
        "AUC",
        f"Sensitivity at {at} specificity",
        "Test images",
    )
    between = found.intervals
    rows = [_class_row(found, place) for place in range(len(found.labels))]
    ends = (decimal_range(between.f1_macro), decimal_range(between.auc_macro))
    rows += [
        _average_row("Mean of the classes", found.macro, found, ends),
        _average_row("Weighted by test images", found.weighted, None),
    ]
    level = wording.percent_sign(f"{between.level:.0%}")
    caption = f"Each class against the rest, with {level} intervals"
    return section(heading, table(caption, headings, rows))


def _class_row(found: Metrics, place: int) -> tuple[str, ...]:
    between = found.intervals
    return (
        found.labels[place],
        with_small(percent(found.precision[place]), percent_range(between.precision[place])),
        with_small(percent(found.recall[place]), percent_range(between.recall[place])),
        with_small(decimal(found.f1[place]), decimal_range(between.f1[place])),
        with_small(decimal(found.auc[place]), decimal_range(between.auc[place])),
        percent(found.sensitivity[place]),
        f"{found.support[place]:,}",
    )


def _average_row(
    name: str, average: Averages, found: Metrics | None, ends: tuple[str, str] = ("", "")
) -> tuple[str, ...]:
    return (
        name,
        percent(average.precision),
        percent(average.recall),
        with_small(decimal(average.f1), ends[0]),
        with_small(decimal(found.auc_macro), ends[1]) if found else "",
        "",
        f"{found.n:,}" if found else "",
    )


def pictures(
    found: Metrics, matrix: MatrixFilms | None = None, heading: str = "In pictures"
) -> Html:
    """Draw confusion, calibration, ROC and precision against recall."""
    linked = linked_cells(matrix, found.labels)
    click = " A cell leads to its films." if linked else ""
    shaded = _shades_in_words(found)
    sureness = f"ECE {percent(found.ece)}, Brier score {decimal(found.brier)}"
    drawings = (
        (
            draw_confusion(found, linked),
            "Rows are the true classes and add up to 100 %. Blue was right, orange was not."
            f"{click}",
        ),
        (
            plots.draw_reliability(found),
            "Calibration: below the diagonal the classifier is more confident than it is right. "
            f"{sureness}; 0 is best for both.",
        ),
        (
            plots.draw_roc(found),
            f"ROC: the further towards the top left, the better; the faint line is guessing. "
            f"{_roc_in_words(found)}",
        ),
        (
            plots.draw_precision_recall(found),
            f"Precision and recall; the faint level lines are guessing.{shaded}",
        ),
    )
    figures = (figure(Html(drawing), caption) for drawing, caption in drawings)
    return section(heading, element("div", *figures, class_="plots"))


def _roc_in_words(found: Metrics) -> str:
    """Say how the axes run, or what is shaded."""
    if RocAxes.of(found.curves.roc, found.auc).is_logarithmic:
        return LOGARITHMIC
    return _shades_in_words(found).strip()


def _shades_in_words(found: Metrics) -> str:
    """Explain the shades, where there are any."""
    banded = any(curve is not None and curve.band is not None for curve in found.curves.roc)
    if not banded or len(found.labels) > plots.SHADED:
        return ""
    level = wording.percent_sign(f"{found.intervals.level:.0%}")
    return f" Shaded: {level} of the resamples."


def mistakes(films: tuple[Mistake, ...]) -> Html:
    """Show misclassified films, the most confident mistakes first."""
    if not films:
        return NOTHING
    lead = element("p", "Misclassified test images, the most confident mistakes first.")
    return section("The hardest mistakes", lead, element("div", *map(_film, films), class_="films"))


def _film(mistake: Mistake) -> Html:
    words = f"true class {mistake.true}, predicted {mistake.predicted}"
    image = picture(mistake.image, f"Test image, {words}") if mistake.image else NOTHING
    caption = join(
        [
            element("b", mistake.true),
            f" taken for {mistake.predicted}, {percent(mistake.probability)} sure",
            element("code", mistake.path),
        ]
    )
    return figure(image, caption, class_="film")


def parts(tables: tuple[PartTable, ...]) -> Html:
    """Show how good the classifier is on each source, view and the like."""
    if not tables:
        return NOTHING
    lead = "One figure for all films hides how they differ: by place, by machine, by view."
    if any(len(part.labels) == 1 for each in tables for part in each.parts):
        lead += " In a part with a single class, the accuracy is how often that class was found."
    return on_screen(section("Part by part", element("p", lead), *map(_part_table, tables)))


def _part_table(each: PartTable) -> Html:
    headings = (each.by.capitalize(), "Accuracy", "Macro AUC", "Classes", "Test images", "Groups")
    whole = table(f"By {each.by}", headings, map(_part_row, each.parts))
    if not each.unknown:
        return whole
    unknown = wording.counted(each.unknown, "test image")
    return join([whole, element("p", f"The {each.by} of {unknown} is not known.")])


def _part_row(part: Part) -> tuple[str, ...]:
    sizes = (f"{len(part.labels)}", f"{part.n:,}", f"{part.groups:,}")
    if part.is_too_small:
        return (part.name, "too few", "too few", *sizes)
    auc = with_small(decimal(part.auc_macro), decimal_range(part.auc_interval))
    accuracy = with_small(percent(part.accuracy), percent_range(part.accuracy_interval))
    return (part.name, accuracy, auc, *sizes)


def learning(curve: tuple[LearningPoint, ...]) -> Html:
    """Draw accuracy over the size of the training set, if there are two sizes or more."""
    if len(curve) < 2:
        return NOTHING
    return learning_section(curve, "Accuracy", dots.ACCURACY, wording.learning_remark(curve))


def learning_section(
    curve: Sequence[LearningPoint | FindingLearningPoint], what: str, axis: dots.Axis, remark: str
) -> Html:
    """Draw a figure over the size of the training set, and say what its last step brought."""
    rows = (
        (f"{each.n_train:,}", axis.word(each.value), axis.ends(each.interval)) for each in curve
    )
    caption = f"{what} on the same test images after training on more and more of the rest"
    figures = table(caption, ("Training images", what, "Interval"), rows)
    drawn = figure(
        Html(dots.draw_learning(curve, what, axis)), "Lines across the points: their intervals."
    )
    both = element("div", drawn, figures, class_="plots")
    return section("Would more films help?", element("p", remark), both)


def audit(found: AuditSummary | None) -> Html:
    """Sum up what an audit of the data found, the worst first."""
    if found is None or not found.checks:
        return NOTHING
    lines = sorted(found.checks, key=lambda check: STATUSES.index(check.status))
    where = element("p", f"All of it: {found.where}") if found.where else NOTHING
    return section(
        "What an audit of the data found",
        element("p", wording.audit_in_words(found.checks)),
        element("ul", *map(_check, lines), class_="checks"),
        where,
    )


def _check(check: Check) -> Html:
    status = element("span", STATUS_WORDS[check.status], class_=f"status {check.status}")
    return element("li", status, element("b", check.title), element("span", check.sentence))


def quarantine(counts: tuple[QuarantineCount, ...]) -> Html:
    """Say how many files were set aside, and why."""
    if not counts:
        return element("p", "No file had to be set aside.")
    rows = ((each.reason, REASONS.get(each.reason, ""), f"{each.count:,}") for each in counts)
    return table("Files set aside", ("Reason", "Meaning", "Files"), rows, numbers_from=2)


def how_it_ran(run: RunSummary) -> Html:
    """Give all that is needed to run it again."""
    speed = "" if run.images_per_second is None else f"{run.images_per_second:,.1f} images/s"
    rows = [("Time", wording.duration(run.seconds)), *([("Speed", speed)] if speed else [])]
    return section(
        "To run it again",
        element("pre", element("code", "\n".join(run.commands))),
        facts([*rows, *run.spent, *run.config]),
        element("h3", "Versions"),
        facts(run.versions),
    )


def footer(found: Metrics) -> Html:
    """Say what an interval is, and once more what the page is not for."""
    between = found.intervals
    return interval_footer(between.resamples, found.groups, between.seed)


def interval_footer(resamples: int, groups: int, seed: int) -> Html:
    """Say the same of whatever was resampled."""
    return element(
        "footer",
        element(
            "p",
            f"Intervals: percentiles of {resamples:,} resamples of whole test groups "
            f"({groups:,} of them, seed {seed}); Wilson's interval with groups for "
            "trials where no resample shows a mistake. They say how much the figures could move "
            "with other patients from the same source, and nothing about another hospital.",
        ),
        element("p", NOTICE),
    )


def with_small(value: str, note: str) -> Html:
    """Put a value above what qualifies it."""
    return join([value, small(note)])


def small(note: str) -> Html:
    """Write what qualifies a value; nothing if it is empty."""
    return element("small", note) if note else NOTHING
