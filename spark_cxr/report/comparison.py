"""The page of a comparison: which is ahead and whether that is shown, the ranking, the details."""

from spark_cxr.metrics import Difference, wording
from spark_cxr.metrics.comparison_results import (
    ComparisonOutcome,
    ComparisonReport,
    ComparisonRow,
    FoldSummary,
)
from spark_cxr.metrics.wording import (
    counted,
    decimal,
    decimal_range,
    percent,
    percent_range,
    points,
    points_range,
)
from spark_cxr.report import comparison_wording as words
from spark_cxr.report import dots, sections
from spark_cxr.report.html import (
    Html,
    element,
    facts,
    figure,
    join,
    on_screen,
    page,
    section,
    table,
)
from spark_cxr.report.matrix_films import matrix_films
from spark_cxr.report.sections import NOTHING, with_small
from spark_cxr.report.sources import by_source
from spark_cxr.report.subgroups import missed_by_group
from spark_cxr.report.vector_maps import vector_maps


def comparison_page(report: ComparisonReport) -> str:
    """Write the page of a comparison: one HTML document, the same bytes for the same report."""
    best = report.best.outcome.metrics
    return page(
        f"{report.title}: {report.best.name} first on {report.data.name}",
        sections.notice(),
        element("p", f"spark_cxr · {report.job} · {report.data.name}", class_="eyebrow"),
        element("h1", report.title),
        sections.overlaps(report.overlaps),
        by_source(report.by_source),
        _verdict(report),
        sections.caveats(report.caveats, report.audit),
        _ranking(report),
        _duel(report),
        on_screen(_folds(report), vector_maps(report.maps)),
        sections.classes(best, f"Class by class: {report.best.name}"),
        sections.pictures(best, report.matrix, f"In pictures: {report.best.name}"),
        sections.parts(report.parts),
        missed_by_group(report.missed),
        on_screen(
            sections.mistakes(report.mistakes),
            matrix_films(report.matrix, best.labels),
            _published(report),
            _data(report),
        ),
        _splits(report),
        on_screen(
            sections.audit(report.audit),
            section("What ran", facts(report.setup)) if report.setup else NOTHING,
            sections.how_it_ran(report.run),
        ),
        sections.footer(best),
    )


def _verdict(report: ComparisonReport) -> Html:
    interval = wording.finding_range(report.best.outcome.metrics)
    duel, remarks = words.duel(report), words.remarks(report)
    said = [
        f"{words.setting(report)}, ",
        element("strong", words.finding(report)),
        f" ({interval}). ",
        *([element("strong", duel)] if duel else []),
    ]
    return join(
        [
            element("p", *said, class_="verdict"),
            element("ul", *(element("li", each) for each in remarks), class_="remarks"),
        ]
    )


def _ranking(report: ComparisonReport) -> Html:
    both = bool(report.gaps)
    by = report.split.method
    headings = (
        "Rank, head, backbone",
        *(("Films the backbone was trained on",) if report.overlaps else ()),
        f"Accuracy by {by}",
        *(("Accuracy by image", f"Image minus {by}, points") if both else ()),
        "Behind the best, points",
        "F1 (macro)",
        "Precision (macro)",
        "Recall (macro)",
        "AUC, one against the rest",
        "Log loss",
        "Fit,\u00a0s",
        "Films/s",
    )
    rows = (
        _row(place, row, both, bool(report.overlaps))
        for place, row in enumerate(report.rows, start=1)
    )
    caption = f"All but the second accuracy by {by}" if both else f"Split by {by}"
    caption += ", with 95 % intervals from resampling whole groups"
    ranking = table(caption, headings, rows, class_="wide dense")
    strokes = " Small strokes: the folds one by one." if report.split.folds > 1 else ""
    key = f"Dot: accuracy on all films together. Line: its interval.{strokes}"
    return section("Ranking", figure(Html(_lanes(report)), key), ranking)


def _row(place: int, row: ComparisonRow, both: bool, lists: bool) -> tuple[str, ...]:
    found, between = row.outcome.metrics, row.outcome.metrics.intervals
    count = row.overlap.learned if row.overlap else None
    learned = "not known" if count is None else f"{count:,}"
    return (
        with_small(f"{place}. {row.head}", row.backbone),
        *((learned,) if lists else ()),
        _accuracy(row.outcome),
        *((_accuracy(row.by_image), _gap(row)) if both else ()),
        _difference(row.behind.accuracy) if row.behind else "",
        with_small(decimal(found.f1_macro), decimal_range(between.f1_macro)),
        percent(found.macro.precision),
        percent(found.macro.recall),
        with_small(decimal(found.auc_macro), decimal_range(between.auc_macro)),
        with_small(decimal(found.log_loss), decimal_range(between.log_loss)),
        f"{row.outcome.fit_seconds:,.1f}",
        wording.NOT_DEFINED if row.images_per_second is None else f"{row.images_per_second:,.1f}",
    )


def _accuracy(outcome: ComparisonOutcome | None) -> str:
    if outcome is None:
        return wording.NOT_DEFINED
    found = outcome.metrics
    return with_small(percent(found.accuracy), percent_range(found.intervals.accuracy))


def _gap(row: ComparisonRow) -> str:
    if row.leak is not None:
        return _difference(row.leak.accuracy)
    return wording.NOT_DEFINED if row.gap is None else points(row.gap)


def _difference(found: Difference) -> str:
    return with_small(points(found.value), points_range(found.interval))


def _lanes(report: ComparisonReport) -> str:
    both = bool(report.gaps)
    kinds = (f"by {report.split.method}", *(("by image",) if both else ()))
    lanes = [
        dots.Lane(row.name, tuple(map(_dot, (row.outcome, *((row.by_image,) if both else ())))))
        for row in report.rows
    ]
    return dots.draw_lanes(lanes, kinds)


def _dot(outcome: ComparisonOutcome | None) -> dots.Dot | None:
    if outcome is None:
        return None
    found = outcome.metrics
    return dots.Dot(found.accuracy, found.intervals.accuracy, outcome.folds)


def _duel(report: ComparisonReport) -> Html:
    """Hold the best two against each other film by film."""
    paired = report.rows[1].behind if len(report.rows) > 1 else None
    if paired is None:
        return NOTHING
    first, second = (row.name for row in report.rows[:2])
    rows = (
        ("Accuracy, points", _difference(paired.accuracy), percent(paired.accuracy.ahead)),
        ("Macro F1, points", _difference(paired.f1_macro), percent(paired.f1_macro.ahead)),
    )
    headings = ("First minus second", "Difference", "Resamples with the first ahead")
    films = (
        f"{counted(paired.only_first, 'film')} only the first classified correctly, "
        f"{counted(paired.only_second, 'film')} only the second. Counted film by film, as if each "
        f"had a patient of its own, McNemar's exact test gives p = {paired.mcnemar_p:.3g}; the "
        "intervals above resample whole groups, so prefer them."
    )
    lead = f"First: {first}. Second: {second}. Both were asked about the same films."
    caption = f"{paired.resamples:,} resamples of {counted(paired.groups, 'group')}"
    return section(
        "The best two, film by film",
        element("p", lead),
        table(caption, headings, rows),
        element("p", films),
    )


def _folds(report: ComparisonReport) -> Html:
    many = max(len(row.outcome.folds) for row in report.rows)
    if many < 2:
        return NOTHING
    headings = (
        "Head, backbone",
        *(f"Fold {number}" for number in range(1, many + 1)),
        "Lowest to highest",
        "Standard deviation, points",
    )
    rows = (_fold_row(row, many) for row in report.rows)
    caption = f"Accuracy in each fold, split by {report.split.method}"
    return section("Fold by fold", table(caption, headings, rows, class_="wide dense"))


def _fold_row(row: ComparisonRow, many: int) -> tuple[str, ...]:
    folds, spread = row.outcome.folds, row.outcome.spread
    shown = [percent(each) for each in folds]
    shown += [wording.NOT_DEFINED] * (many - len(folds))
    ends = f"{percent(min(folds))} to {percent(max(folds))}" if folds else wording.NOT_DEFINED
    deviation = wording.NOT_DEFINED if spread is None else points(spread)
    return (with_small(row.head, row.backbone), *shown, ends, deviation)


def _published(report: ComparisonReport) -> Html:
    if not report.published:
        return NOTHING
    lead = (
        "Figures that others reported on this set or a version of it. They come from other splits, "
        "so they have no rank in the table above; compare a figure by image with those by image "
        "only."
    )
    headings = ("Who", "Task", "Split", "Source", "Accuracy")
    rows = (
        (each.who, each.task, each.split, each.source, percent(each.accuracy))
        for each in report.published
    )
    figures = table("Published figures", headings, rows, numbers_from=4)
    return section("What others found", element("p", lead), figures)


def _data(report: ComparisonReport) -> Html:
    data, found = report.data, report.best.outcome.metrics
    rows = (
        ("Data", data.name),
        ("Source", data.source),
        ("Files seen", f"{data.files:,}"),
        ("Images used", f"{data.images:,}"),
        ("Patients", "not known" if data.patients is None else f"{data.patients:,}"),
        *data.notes,
    )
    counts = zip(found.labels, (f"{each:,}" for each in found.support), strict=True)
    classes = table("Films tested of each class", ("Class", "Films"), counts)
    return section("Data", facts(rows), classes, sections.quarantine(data.quarantined))


def _splits(report: ComparisonReport) -> Html:
    tested = report.best.outcome.metrics.n
    known = [split for split in (report.split, report.image_split) if split is not None]
    return section("Splits", *(part for split in known for part in _split(split, tested)))


def _split(split: FoldSummary, tested: int) -> tuple[Html, ...]:
    unit = split.unit or "group"
    shared = "not known" if split.shared is None else f"{split.shared:,} of {tested:,}"
    rows = (
        ("Folds", f"{split.folds}" if split.folds > 1 else "one test set"),
        (f"Films tested with their {unit} or a twin in training", shared),
        *((("Patients", split.patients),) if split.patients else ()),
        *split.notes,
    )
    return element("h3", f"By {split.method}"), facts(rows)
