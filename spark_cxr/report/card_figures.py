"""The figures of a card in tables: the whole, each class or finding, each part."""

from __future__ import annotations

from spark_cxr.metrics import Part
from spark_cxr.metrics.finding_parts import FindingPart, FindingPartTable
from spark_cxr.metrics.finding_records import FindingFigures, FindingMetrics
from spark_cxr.metrics.records import Interval, Metrics
from spark_cxr.metrics.results import PartTable
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.metrics.subgroup_wording import gaps_in_words, judged
from spark_cxr.metrics.wording import (
    counted,
    decimal,
    decimal_range,
    percent,
    percent_range,
    percent_sign,
)
from spark_cxr.report.card_record import ModelCard
from spark_cxr.report.document import Block, Cell, DocumentTable, Paragraph

SHARES = ("sensitivity", "specificity", "ppv", "npv")
Cells = tuple[Cell, ...]


def figure_blocks(card: ModelCard) -> tuple[Block, ...]:
    """Give the figures of the whole test, then those of each class or finding."""
    found = card.metrics
    return _findings(found) if isinstance(found, FindingMetrics) else _classes(found)


def _share(value: float | None, interval: Interval | None) -> Cell:
    return Cell(percent(value), percent_range(interval))


def _number(value: float | None, interval: Interval | None) -> Cell:
    return Cell(decimal(value), decimal_range(interval))


def _classes(found: Metrics) -> tuple[Block, ...]:
    between = found.intervals
    rows: tuple[Cells, ...] = (
        (Cell("Accuracy"), _share(found.accuracy, between.accuracy)),
        (Cell("Naming the commonest class always"), Cell(percent(found.majority))),
        (Cell("Macro F1"), _number(found.f1_macro, between.f1_macro)),
        (Cell("Macro AUC"), _number(found.auc_macro, between.auc_macro)),
        (Cell("Log loss"), _number(found.log_loss, between.log_loss)),
        (Cell("Brier score"), _number(found.brier, between.brier)),
        (Cell("Calibration error (ECE)"), Cell(percent(found.ece))),
    )
    at = percent_sign(f"{found.specificity:.0%}")
    headings = ("Class", "Precision", "Recall", "F1", "AUC", f"Sensitivity at {at} specificity")
    return (
        _whole(found, between.level, between.resamples, rows),
        DocumentTable(
            "Each class against the rest",
            (*headings, "Test films"),
            tuple(_class(found, place) for place in range(len(found.labels))),
        ),
    )


def _whole(
    found: Metrics | FindingMetrics, level: float, resamples: int, rows: tuple[Cells, ...]
) -> DocumentTable:
    caption = (
        f"{counted(found.n, 'test film')} of {counted(found.groups, 'group')}, with "
        f"{percent_sign(f'{level:.0%}')} intervals from {resamples:,} resamples of whole groups"
    )
    return DocumentTable(caption, ("Figure", "Value"), rows)


def _class(found: Metrics, place: int) -> Cells:
    between = found.intervals
    return (
        Cell(found.labels[place]),
        _share(found.precision[place], between.precision[place]),
        _share(found.recall[place], between.recall[place]),
        _number(found.f1[place], between.f1[place]),
        _number(found.auc[place], between.auc[place]),
        Cell(percent(found.sensitivity[place])),
        Cell(f"{found.support[place]:,}"),
    )


def _findings(found: FindingMetrics) -> tuple[Block, ...]:
    auc, precision, pool = found.macro.auc, found.macro.average_precision, found.micro.auc
    rows: tuple[Cells, ...] = (
        (Cell("Macro AUC"), _number(auc.value, auc.interval)),
        (Cell("Macro average precision"), _number(precision.value, precision.interval)),
        (Cell("Micro AUC"), _number(pool.value, pool.interval)),
        (Cell("Calibration error (ECE) of all answers"), Cell(percent(found.micro_ece))),
    )
    headings = ("Finding", "AUC", "Average precision", "Sensitivity", "Specificity", "PPV", "NPV")
    return (
        _whole(found, found.level, found.resamples, rows),
        DocumentTable(
            "Each finding over the films where it is known, at its operating point",
            (*headings, "Films with it"),
            tuple(map(_finding, found.rows)),
        ),
    )


def _finding(row: FindingFigures) -> Cells:
    shares = (getattr(row.figures, name) for name in SHARES)
    auc, precision = row.figures.auc, row.figures.average_precision
    return (
        Cell(row.finding),
        _number(auc.value, auc.interval),
        _number(precision.value, precision.interval),
        *(_share(each.value, each.interval) for each in shares),
        Cell(f"{row.positives:,} of {row.known:,}"),
    )


def part_blocks(card: ModelCard) -> tuple[Block, ...]:
    """Give the figures by source, view, and whatever else the films name."""
    if not card.parts:
        return (Paragraph("The test films name no two sources, views or other kinds."),)
    return (*map(_part_table, card.parts), *_missed(card.missed))


def _missed(found: SubgroupGaps | None) -> tuple[Block, ...]:
    """Give how much disease is missed in each group."""
    if found is None or not found.rows:
        return ()
    rows = tuple(
        (
            Cell(f"{row.by}: {row.name}"),
            _share(row.missed.value, row.missed.interval),
            Cell(judged(row)),
            Cell(f"{row.positives:,}"),
            Cell(f"{row.patients:,}"),
        )
        for row in found.rows
    )
    headings = ("Group", "Missed", "Against the others", "Films", "Patients")
    caption = f"Films with {found.label} that are missed, by group"
    return Paragraph(gaps_in_words(found)), DocumentTable(caption, headings, rows)


def _part_table(each: PartTable | FindingPartTable) -> DocumentTable:
    caption = f"By {each.by}"
    if each.unknown:
        caption += f"; of {counted(each.unknown, 'test film')} it is not known"
    if isinstance(each, FindingPartTable):
        headings = (each.by.capitalize(), "Macro AUC", "Findings measured", "Films", "Groups")
        return DocumentTable(caption, headings, tuple(map(_part_of_findings, each.parts)))
    headings = (each.by.capitalize(), "Accuracy", "Macro AUC", "Films", "Groups")
    return DocumentTable(caption, headings, tuple(map(_part, each.parts)))


def _part(part: Part) -> Cells:
    sizes = (Cell(f"{part.n:,}"), Cell(f"{part.groups:,}"))
    if part.is_too_small:
        return (Cell(part.name), Cell("too few"), Cell("too few"), *sizes)
    accuracy = _share(part.accuracy, part.accuracy_interval)
    return (Cell(part.name), accuracy, _number(part.auc_macro, part.auc_interval), *sizes)


def _part_of_findings(part: FindingPart) -> Cells:
    return (
        Cell(part.name),
        _number(part.auc_macro.value, part.auc_macro.interval),
        Cell(f"{part.measured:,}"),
        Cell(f"{part.n:,}"),
        Cell(f"{part.groups:,}"),
    )
