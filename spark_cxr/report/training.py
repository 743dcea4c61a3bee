"""The page of one training run: the verdict first, then what it rests on."""

from spark_cxr.errors import REASONS
from spark_cxr.metrics import Metrics
from spark_cxr.report import plots, wording
from spark_cxr.report.html import Html, element, facts, figure, join, page, picture, section, table
from spark_cxr.report.matrix import draw_confusion
from spark_cxr.report.records import DataSummary, Mistake, RunSummary, SplitSummary, TrainingReport
from spark_cxr.report.wording import decimal, decimal_range, percent, percent_range

NOTICE = "Research use only. Not for diagnosis."


def training_page(report: TrainingReport) -> str:
    """Write the page of a training run: one HTML document, the same bytes for the same report."""
    return page(
        f"{report.title}: {percent(report.metrics.accuracy)} on {report.data.name}",
        element("p", NOTICE, class_="notice", role="note"),
        element("p", f"spark_cxr · {report.job} · {report.data.name}", class_="eyebrow"),
        element("h1", report.title),
        _verdict(report),
        _caveats(report.caveats),
        _tiles(report.metrics),
        _classes(report.metrics),
        _pictures(report.metrics),
        _mistakes(report.mistakes),
        _data(report.data),
        _split(report.split, report.metrics),
        section("Model", facts(report.model)),
        _run(report.run),
        _footer(report.metrics),
    )


def _verdict(report: TrainingReport) -> Html:
    return join(
        [
            element(
                "p",
                f"{wording.setting(report)}, ",
                element("strong", wording.finding(report)),
                f" ({wording.finding_range(report)}).",
                class_="verdict",
            ),
            element("p", " ".join(wording.remarks(report)), class_="remarks"),
        ]
    )


def _caveats(caveats: tuple[str, ...]) -> Html:
    if not caveats:
        return Html("")
    lines = element("ul", *(element("li", caveat) for caveat in caveats))
    return element("aside", element("h2", "Before you rely on this"), lines, class_="caveats")


def _tiles(found: Metrics) -> Html:
    between = found.intervals
    rows = (
        ("Accuracy", percent(found.accuracy), percent_range(between.accuracy)),
        ("Macro F1", decimal(found.f1_macro), decimal_range(between.f1_macro)),
        ("Macro AUC", decimal(found.auc_macro), decimal_range(between.auc_macro)),
        ("Calibration error (ECE)", percent(found.ece), f"Brier score {decimal(found.brier)}"),
    )
    tiles = (
        element("div", element("dt", name), element("dd", value, _small(note)))
        for name, value, note in rows
    )
    return element("dl", *tiles, class_="tiles")


def _classes(found: Metrics) -> Html:
    headings = (
        "Class",
        "Precision",
        "Recall (sensitivity)",
        "F1",
        "AUC",
        f"Sensitivity at {found.specificity:.0%} specificity".replace("%", f"{wording.THIN}%"),
        "Test images",
    )
    rows = (_class_row(found, place) for place in range(len(found.labels)))
    level = f"{found.intervals.level:.0%}".replace("%", f"{wording.THIN}%")
    return section(
        "Class by class",
        table(f"Each class against the rest, with {level} intervals", headings, rows),
    )


def _class_row(found: Metrics, place: int) -> tuple[str, ...]:
    between = found.intervals
    return (
        found.labels[place],
        _with_small(percent(found.precision[place]), percent_range(between.precision[place])),
        _with_small(percent(found.recall[place]), percent_range(between.recall[place])),
        _with_small(decimal(found.f1[place]), decimal_range(between.f1[place])),
        _with_small(decimal(found.auc[place]), decimal_range(between.auc[place])),
        percent(found.sensitivity[place]),
        f"{found.support[place]:,}",
    )


def _film(mistake: Mistake) -> Html:
    words = f"true class {mistake.true}, predicted {mistake.predicted}"
    image = picture(mistake.image, f"Test image, {words}") if mistake.image else Html("")
    caption = join(
        [
            element("b", mistake.true),
            f" taken for {mistake.predicted}, {percent(mistake.probability)} sure",
            element("code", mistake.path),
        ]
    )
    return figure(image, caption, class_="film")


def _pictures(found: Metrics) -> Html:
    drawings = (
        (
            draw_confusion(found),
            "Rows are the true classes and add up to 100 %. Blue was right, orange was not.",
        ),
        (
            plots.draw_reliability(found),
            "Calibration: below the diagonal the classifier is surer than it is right.",
        ),
        (
            plots.draw_roc(found),
            "ROC: the further towards the top left, the better; the diagonal is guessing.",
        ),
        (
            plots.draw_precision_recall(found),
            "Precision and recall; the faint level lines are guessing.",
        ),
    )
    figures = (figure(Html(drawing), caption) for drawing, caption in drawings)
    return section("In pictures", element("div", *figures, class_="plots"))


def _mistakes(mistakes: tuple[Mistake, ...]) -> Html:
    if not mistakes:
        return Html("")
    films = element("div", *(_film(each) for each in mistakes), class_="films")
    return section("Some test images that were named wrongly", films)


def _data(data: DataSummary) -> Html:
    patients = "not known" if data.patients is None else f"{data.patients:,}"
    rows = (
        ("Data", data.name),
        ("Source", data.source),
        ("Files seen", f"{data.files:,}"),
        ("Images used", f"{data.images:,}"),
        ("Patients", patients),
        *data.notes,
    )
    counts = ((each.label, f"{each.train:,}", f"{each.test:,}") for each in data.classes)
    classes = table("Images of each class", ("Class", "Training", "Test"), counts)
    return section("Data", facts(rows), classes, _quarantine(data))


def _quarantine(data: DataSummary) -> Html:
    if not data.quarantined:
        return element("p", "No file had to be set aside.")
    rows = (
        (each.reason, REASONS.get(each.reason, ""), f"{each.count:,}") for each in data.quarantined
    )
    return table("Files set aside", ("Reason", "Meaning", "Files"), rows, numbers_from=2)


def _split(split: SplitSummary, found: Metrics) -> Html:
    shared = "not known" if split.shared is None else f"{split.shared:,}"
    rows = (
        ("Split by", split.method),
        ("Training images", f"{split.n_train:,}"),
        ("Test images", f"{split.n_test:,}"),
        ("Test groups", f"{found.groups:,}"),
        (f"Test images whose {split.unit or 'group'} is in training", shared),
        *split.notes,
    )
    return section("Split", facts(rows))


def _run(run: RunSummary) -> Html:
    speed = "" if run.images_per_second is None else f"{run.images_per_second:,.1f} images/s"
    rows = [("Time", wording.duration(run.seconds)), *([("Speed", speed)] if speed else [])]
    return section(
        "To run it again",
        element("pre", element("code", "\n".join(run.commands))),
        facts([*rows, *run.config]),
        element("h3", "Versions"),
        facts(run.versions),
    )


def _footer(found: Metrics) -> Html:
    between = found.intervals
    return element(
        "footer",
        element(
            "p",
            f"Intervals: percentiles of {between.resamples:,} resamples of whole test groups "
            f"({found.groups:,} of them, seed {between.seed}); Wilson's interval with groups for "
            "trials where no resample shows a mistake. They say how much the figures could move "
            "with other patients from the same source, and nothing about another hospital.",
        ),
        element("p", NOTICE),
    )


def _with_small(value: str, note: str) -> Html:
    return join([value, _small(note)])


def _small(note: str) -> Html:
    return element("small", note) if note else Html("")
