"""The page of one training run: the verdict first, then what it rests on, and how it learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from spark_cxr.metrics import wording
from spark_cxr.metrics.epoch_wording import headline_in_words
from spark_cxr.metrics.finding_results import FindingsReport
from spark_cxr.metrics.results import DataSummary, EpochPoint, LearningSummary, TrainingReport
from spark_cxr.metrics.wording import decimal, percent
from spark_cxr.report import contact, sections
from spark_cxr.report.decisions import decision_section
from spark_cxr.report.html import (
    Html,
    element,
    facts,
    figure,
    join,
    on_screen,
    page,
    picture,
    section,
    table,
)
from spark_cxr.report.matrix_films import matrix_films
from spark_cxr.report.net_benefit import net_benefit_section
from spark_cxr.report.plots import BOTTOM, COLOURS, DASHES, LEFT, WIDTH, add_axes
from spark_cxr.report.subgroups import missed_by_group
from spark_cxr.report.svg import INK, Spot, draw
from spark_cxr.report.thresholds import threshold_section
from spark_cxr.report.vector_maps import vector_maps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEYS = ("Training", "Validation")
HEIGHT = 235.0
LOSS = (
    "Training on films that change from epoch to epoch, validation on films as they are. Where the "
    "one falls and the other rises, the network learns its films by heart."
)
SEEN = (
    "Above: films as they are. Below them the same as the network saw them, and others. What tells "
    "the classes apart must still be there, and what only tells the sources apart should not."
)


def training_page(report: TrainingReport) -> str:
    """Write the page of a training run: one HTML document, the same bytes for the same report."""
    return page(
        f"{report.title}: {percent(report.metrics.accuracy)} on {report.data.name}",
        sections.notice(),
        element("p", f"spark_cxr · {report.job} · {report.data.name}", class_="eyebrow"),
        element("h1", report.title),
        sections.beside(report.run.beside),
        sections.overlaps([report.overlap] if report.overlap else []),
        _verdict(report),
        sections.caveats(report.caveats, report.audit),
        sections.tiles(report.metrics),
        sections.classes(report.metrics),
        sections.pictures(report.metrics, report.matrix),
        threshold_section(report.metrics),
        on_screen(
            matrix_films(report.matrix, report.metrics.labels),
            decision_section(report.decision),
            net_benefit_section(report.net_benefit),
        ),
        sections.parts(report.parts),
        missed_by_group(report.missed),
        how_it_learned(report.learned, f"right on {percent(report.metrics.accuracy)} of the test"),
        sections.mistakes(report.mistakes),
        on_screen(
            sections.learning(report.learning),
            vector_maps([report.map] if report.map else []),
            contact.training_panels(report.panels, report.heat),
            _data(report.data),
        ),
        split_section(report),
        on_screen(
            sections.audit(report.audit),
            section("Model", facts(report.model)),
            sections.how_it_ran(report.run),
        ),
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


def data_facts(data: DataSummary) -> Html:
    """Say what went in."""
    patients = "not known" if data.patients is None else f"{data.patients:,}"
    rows = (
        ("Data", data.name),
        ("Source", data.source),
        ("Files seen", f"{data.files:,}"),
        ("Images used", f"{data.images:,}"),
        ("Patients", patients),
        *data.notes,
    )
    return facts(rows)


def _data(data: DataSummary) -> Html:
    counts = ((each.label, f"{each.train:,}", f"{each.test:,}") for each in data.classes)
    classes = table("Images of each class", ("Class", "Training", "Test"), counts)
    return section("Data", data_facts(data), classes, sections.quarantine(data.quarantined))


def split_section(report: TrainingReport | FindingsReport) -> Html:
    """Say how the test was set apart, and what that leaves open."""
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


def draw_loss(epochs: Sequence[EpochPoint], best: int) -> str:
    """Draw the loss of training and validation, with the best epoch marked."""
    pairs = [(each.loss, each.val_loss) for each in epochs]
    return _draw("loss", "Loss, epoch by epoch", "Loss", epochs, pairs, best, decimal)


def draw_accuracy(epochs: Sequence[EpochPoint], best: int) -> str:
    """Draw the accuracy, with the best epoch marked."""
    pairs = [(each.accuracy, each.val_accuracy) for each in epochs]
    title = "Accuracy, epoch by epoch"
    return _draw("accuracy", title, "Accuracy, %", epochs, pairs, best, percent, 100)


def how_it_learned(found: LearningSummary | None, headline: str) -> Html:
    """Show how the network learned, and what that says of the headline; nothing where none did."""
    if found is None or not found.epochs:
        return sections.NOTHING
    best = found.epochs[found.best - 1]
    drawn = (
        figure(Html(draw_loss(found.epochs, found.best)), LOSS),
        figure(
            Html(draw_accuracy(found.epochs, found.best)),
            f"{percent(best.val_accuracy)} of {found.n_val:,} validation films were classified "
            f"correctly after epoch {found.best}, whose weights were kept.",
        ),
    )
    words = element("p", " ".join(headline_in_words(found, headline)))
    plots = element("div", *drawn, class_="plots")
    return join(
        [
            section("How it learned", words, plots, _table(found)),
            on_screen(_augmented(found.sheet)),
        ]
    )


def _draw(
    name: str,
    title: str,
    what: str,
    epochs: Sequence[EpochPoint],
    pairs: Sequence[tuple[float, float]],
    best: int,
    word: Callable[[float | None], str],
    unit: float = 1,
) -> str:
    """Draw two curves over the epochs."""
    size = (WIDTH, HEIGHT)
    words = [
        f"epoch {each.number}: training {word(train)}, validation {word(val)}"
        for each, (train, val) in zip(epochs, pairs, strict=True)
    ]

    def pen(figure: Figure) -> list[Spot]:
        axes = add_axes(figure, size, left=LEFT + 6, bottom=BOTTOM)
        across = [each.number for each in epochs]
        for place, line in enumerate(zip(*pairs, strict=True)):
            style: dict[str, Any] = {
                "color": COLOURS[place],
                "linestyle": DASHES[place],
                "linewidth": 1.8,
            }
            shown = [unit * value for value in line]
            axes.plot(across, shown, marker="o", markersize=3.5, label=KEYS[place], **style)
        axes.axvline(best, color=INK, alpha=0.4, linewidth=0.8)
        axes.set(ylabel=what)
        axes.set_xlabel(f"Epoch; the line marks the best, {best}")
        axes.set_xticks(across[:: max(1, -(-len(across) // 12))])  # a dozen epochs at most
        axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)
        axes.legend(frameon=False, fontsize=9.5)
        return [
            Spot(axes, number, unit * value, said)
            for number, pair, said in zip(across, pairs, words, strict=True)
            for value in pair
        ]

    return draw(name, title, "; ".join(words), size, pen)


def _table(found: LearningSummary) -> Html:
    headings = (
        *("Epoch", "Phase", "Learning rate", "Loss", "Accuracy"),
        *("Validation loss", "Validation accuracy", "Images/s"),
    )
    rows = (
        (
            f"{each.number}{' (kept)' if each.number == found.best else ''}",
            each.phase,
            f"{each.learning_rate:.2g}",
            decimal(each.loss),
            percent(each.accuracy),
            decimal(each.val_loss),
            percent(each.val_accuracy),
            f"{each.images_per_second:,.1f}",
        )
        for each in found.epochs
    )
    return table("Epoch by epoch", headings, rows, numbers_from=2, class_="wide dense")


def _augmented(sheet: bytes) -> Html:
    if not sheet:
        return sections.NOTHING
    shown = figure(picture(sheet, "Films as they are and as the network saw them"), SEEN, "sheet")
    return section("What the network saw", shown)
