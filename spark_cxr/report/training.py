"""The page of one training run: the verdict first, then what it rests on."""

from spark_cxr.metrics import wording
from spark_cxr.metrics.report_records import DataSummary, TrainingReport
from spark_cxr.metrics.wording import percent
from spark_cxr.report import contact, epochs, sections
from spark_cxr.report.html import Html, element, facts, join, page, section, table


def training_page(report: TrainingReport) -> str:
    """Write the page of a training run: one HTML document, the same bytes for the same report."""
    return page(
        f"{report.title}: {percent(report.metrics.accuracy)} on {report.data.name}",
        sections.notice(),
        element("p", f"spark_cxr · {report.job} · {report.data.name}", class_="eyebrow"),
        element("h1", report.title),
        sections.overlaps([report.overlap] if report.overlap else []),
        _verdict(report),
        sections.caveats(report.caveats, report.audit),
        sections.tiles(report.metrics),
        sections.classes(report.metrics),
        sections.pictures(report.metrics),
        sections.parts(report.parts),
        epochs.learned(report.learned),
        sections.learning(report.learning),
        sections.mistakes(report.mistakes),
        contact.training_panels(report.panels, report.heat),
        _data(report.data),
        _split(report),
        sections.audit(report.audit),
        section("Model", facts(report.model)),
        sections.how_it_ran(report.run),
        sections.footer(report.metrics),
    )


def _verdict(report: TrainingReport) -> Html:
    return join(
        [
            element(
                "p",
                f"{wording.setting(report)}, ",
                element("strong", wording.finding(report)),
                f" ({wording.finding_range(report.metrics)}).",
                class_="verdict",
            ),
            element("p", " ".join(wording.remarks(report)), class_="remarks"),
        ]
    )


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
    return section("Data", facts(rows), classes, sections.quarantine(data.quarantined))


def _split(report: TrainingReport) -> Html:
    split, overlap = report.split, report.overlap
    shared = "not known" if split.shared is None else f"{split.shared:,}"
    rows = (
        ("Method", ": ".join(filter(None, (split.method, split.patients)))),
        ("Training images", f"{split.n_train:,}"),
        ("Test images", f"{split.n_test:,}"),
        ("Test groups", f"{report.metrics.groups:,}"),
        (f"Test images whose {split.unit or 'group'} is in training", shared),
        *([("Trained on by the network", wording.overlap_in_words(overlap))] if overlap else []),
        *split.notes,
    )
    return section("Split", facts(rows))
