"""The card of a model: what it is, what it is for and what not, its figures and its limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spark_cxr.metrics.checks import FAIL, WARN
from spark_cxr.metrics.finding_records import FindingMetrics
from spark_cxr.metrics.finding_wording import macro_range, macro_verdict
from spark_cxr.metrics.results import Row
from spark_cxr.metrics.subgroup_wording import gap_warnings
from spark_cxr.metrics.wording import (
    counted,
    leak,
    overlap_in_words,
    overlap_warning,
    percent,
    percent_range,
    percent_sign,
)
from spark_cxr.report.card_decision import decision_blocks
from spark_cxr.report.card_figures import figure_blocks, part_blocks
from spark_cxr.report.card_record import PAGE, SHEETS, ModelCard
from spark_cxr.report.document import (
    Block,
    Bullets,
    Chapter,
    Commands,
    Document,
    DocumentTable,
    Pairs,
    Paragraph,
    grid_rows,
)
from spark_cxr.settings import Gate

LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "BSD-3-Clause": "bsd-3-clause"}
"""The licences of networks of the catalog, as model hubs call them."""
FOR = (
    "Research on chest X-rays like those that it was trained on: comparing networks and heads, "
    "finding doubtful labels, choosing films for a study."
)
NOT_FOR = (
    "Diagnosis, triage, or any other decision about a patient: it is no medical device, and nobody "
    "has tested it in care.",
    "Films of a hospital, of machines or of patients that it was not trained on, before it was "
    "tested on labelled films from there.",
    "Pictures that are no plain chest film, and diseases that are not among its labels: it can "
    "name nothing else.",
)
HOLDS = (
    "This card was made by the run that it describes, from the same records as its report. What "
    "only people know stands in the sheets under “for you to write”."
)


def card_document(card: ModelCard) -> Document:
    """Write the card in blocks, for a page or for Markdown."""
    return Document(
        title=f"Model card: {card.title}",
        eyebrow=f"spark_cxr · {card.job} · {card.data.name}",
        verdict=verdict(card),
        warnings=_warnings(card),
        beside=((PAGE, "report"), (SHEETS, "reporting sheets")),
        ending=HOLDS,
        chapters=(
            Chapter("What it is", (Pairs(_identity(card)),)),
            Chapter("What it is for", (Paragraph(FOR),)),
            Chapter("What it is not for", (Bullets(NOT_FOR),)),
            Chapter("Figures", figure_blocks(card)),
            Chapter("Part by part", part_blocks(card)),
            Chapter("How an answer is reached", decision_blocks(card.model)),
            Chapter("What it refuses", _gate(card)),
            Chapter("Data", _data(card)),
            Chapter("How the test was set apart", _split(card)),
            Chapter("Known limits", (Bullets(limits(card)),)),
            Chapter("Tested elsewhere", _external(card)),
            Chapter("To make it again", _run(card)),
        ),
    )


def front_of(card: ModelCard) -> dict[str, Any]:
    """Give what model hubs read before a card; nothing where one of its values is not known."""
    licence = LICENCES.get(card.model.licence.partition(" ")[0])
    if not licence or not any(name == "Licence" for name, _ in card.data.notes):
        return {}
    kind = "multi-label" if card.is_of_findings else "one-label"
    return {
        "license": licence,
        "library_name": "spark_cxr",
        "pipeline_tag": "image-classification",
        "tags": ["chest-x-ray", "spark_cxr", kind, card.model.head],
        "metrics": ["roc_auc"] if card.is_of_findings else ["accuracy", "f1", "roc_auc"],
    }


def verdict(card: ModelCard) -> str:
    """Say the figure, with its interval and what it rests on."""
    found = card.metrics
    unit = (card.split and card.split.unit) or "group"
    tested = f"On {counted(found.n, 'test film')} of {counted(found.groups, unit)}"
    if isinstance(found, FindingMetrics):
        return f"{tested}, {macro_verdict(found)} ({macro_range(found)})."
    between = percent_range(found.intervals.accuracy)
    level = percent_sign(f"{found.intervals.level:.0%}")
    ends = f"{level} interval {between}" if between else "too few groups for an interval"
    return f"{tested}, it was right on {percent(found.accuracy)} ({ends})."


def _warnings(card: ModelCard) -> tuple[str, ...]:
    shared = leak(card.split) if card.split else ""
    learned = overlap_warning(card.overlap) if card.overlap and card.overlap.learned else ""
    failed = [check.sentence for check in checks_of(card, FAIL)]
    return (*filter(None, (learned, shared)), *card.caveats, *failed)


def checks_of(card: ModelCard, *statuses: str) -> list[Any]:
    """Give the checks of the audit that ended so."""
    return [check for check in card.audit.checks if check.status in statuses] if card.audit else []


def _identity(card: ModelCard) -> tuple[Row, ...]:
    model = card.model
    kind = (
        f"{counted(len(model.labels), 'finding')}, each of which a film has or has not"
        if card.is_of_findings
        else f"one of {len(model.labels):,} classes"
    )
    return (
        ("Name", model.name),
        ("Fingerprint", model.identity),
        ("Answers", f"{kind}: {', '.join(model.labels)}"),
        ("Head", model.head),
        ("Network", model.network if model.takes_films else f"{model.network}, made elsewhere"),
        ("Weights of the network", f"{model.weights}; SHA-256 {model.weights_sha256}"),
        ("Licence of the network", model.licence or "not known"),
        ("Engine", model.engine),
        ("Features of a film", f"{model.features:,}"),
        ("Fingerprint of films, labels and split", model.data),
        *([("Films inside", _inside(model.examples))] if model.examples else []),
        ("Made by", f"spark_cxr {model.version}"),
    )


def _inside(films: int) -> str:
    return (
        f"{counted(films, 'film')} of its test, as pictures with what is known of them, in "
        "model/examples: whoever gets the model gets them"
    )


def _gate(card: ModelCard) -> tuple[Block, ...]:
    if card.gate is None:
        return (Paragraph("As the card of its training says."),)
    gate = card.gate
    counts = (
        "The figures above count every film of the test: they are those of the head. In use, a "
        "refused film gets no answer, and it counts as none."
    )
    lines = (
        "A picture that is no frontal chest film gets no answer (not_an_xray). This is asked of "
        "the picture alone, by a network that ships with spark_cxr: its card, GATE.md, says what "
        "it was learned from, and how often it errs on sources that it has not learned.",
        "A film that lies further from the training films than all but "
        f"{percent(gate.false_alarms)} of these lie from the others is answered, and marked: "
        "not_like_training.",
        *_refused(gate),
    )
    return Bullets(lines), Paragraph(counts)


def _refused(gate: Gate) -> Iterator[str]:
    """Say what the settings of the training refuse besides."""
    if "unlike" in gate.refuse:
        yield f"From {gate.far:g} times that distance it gets no answer (refused_as_unlike)."
    if gate.colour < 1:
        yield f"Nor does a picture of which more than {percent(gate.colour)} is clearly coloured."


def _data(card: ModelCard) -> tuple[Block, ...]:
    data = card.data
    patients = "not known" if data.patients is None else f"{data.patients:,}"
    rows: tuple[Row, ...] = (
        ("Data", data.name),
        ("Source", data.source),
        ("Files", f"{data.files:,}"),
        ("Films used", f"{data.images:,}"),
        ("Patients", patients),
        *data.notes,
    )
    blocks: list[Block] = [Pairs(rows)]
    if data.classes:
        cells = tuple((each.label, f"{each.train:,}", f"{each.test:,}") for each in data.classes)
        headings = ("Class", "Training", "Test")
        blocks.append(DocumentTable("Films of each class", headings, grid_rows(cells)))
    if data.quarantined:
        aside = tuple((each.reason, f"{each.count:,}") for each in data.quarantined)
        blocks.append(DocumentTable("Files set aside", ("Reason", "Files"), grid_rows(aside)))
    return tuple(blocks)


def _split(card: ModelCard) -> tuple[Block, ...]:
    split = card.split
    if split is None:
        return (Paragraph("All of these films test; none of them trained the head."),)
    shared = "not known" if split.shared is None else f"{split.shared:,}"
    rows = (
        ("Method", ": ".join(filter(None, (split.method, split.patients)))),
        ("Training films", f"{split.n_train:,}"),
        ("Test films", f"{split.n_test:,}"),
        (f"Test films whose {split.unit or 'group'} is in training", shared),
        *([("Trained on by the network", overlap_in_words(card.overlap))] if card.overlap else []),
        *split.notes,
    )
    return (Pairs(rows),)


def limits(card: ModelCard) -> tuple[str, ...]:
    """Say what is known to be wrong, missing or not looked at."""
    return (
        *gap_warnings(card.missed),
        *_unknown(card),
        *(check.sentence for check in checks_of(card, WARN)),
    )


def _unknown(card: ModelCard) -> list[str]:
    known = {each.by for each in card.parts}
    missing = [name for name in ("source", "view", "sex", "age") if not _has(known, name)]
    lines = []
    if card.data.patients is None:
        lines.append("Patients are not known: films of one may be on both sides of the split.")
    if missing:
        lines.append(
            f"There are no figures by {', '.join(missing)}: the test has one kind only, or does "
            "not say."
        )
    if card.overlap is None or card.overlap.learned is None:
        lines.append("Which films the network was trained on is not known.")
    if card.missed is None or not card.missed.rows:
        lines.append("Whether disease is missed more often in one group was not measured.")
    lines += [f"{each.finding} has no head: {each.reason}." for each in card.omitted]
    if not card.external:
        lines.append("It has not been tested on films of another place.")
    return [*lines, "Intervals say how figures move with other patients of the same source only."]


def _has(known: set[str], name: str) -> bool:
    return any(by.startswith(name) for by in known)


def _external(card: ModelCard) -> tuple[Block, ...]:
    how = Paragraph("To test it on labelled films of your own place:")
    command = "spark-cxr evaluate --model model --images FILMS --labels LABELS.csv --out E"
    if not card.external:
        nothing = Paragraph("Not done. A figure from home says little about another hospital.")
        return nothing, how, Commands((command,))
    tests = tuple(
        Pairs(
            (
                ("Films of", each.place),
                ("Films", f"{each.films:,} of {each.groups:,} groups"),
                *each.figures,
                ("All of it", each.where),
            )
        )
        for each in card.external
    )
    return (*tests, how, Commands((command,)))


def _run(card: ModelCard) -> tuple[Block, ...]:
    rows = (*card.run.versions, *card.run.config)
    return Commands(card.run.commands), Pairs(rows)
