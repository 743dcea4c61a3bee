"""The table of the field: networks and heads on the public sets, beside what others published.

    python -m benchmarks.field.table DIR

reads what conf/local/results.sh has left in DIR, run by run, and writes DIR/field.md and
DIR/field.json. A run that is not there is a line that says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.field.folds import joined
from benchmarks.field.published import ELSEWHERE
from spark_cxr import datasets
from spark_cxr.datasets import PublishedResult
from spark_cxr.metrics import Interval
from spark_cxr.metrics.wording import percent, percent_range

SQUEEZENET = "squeezenet11_imagenet"
EFFICIENTNET = "efficientnet_lite0_imagenet"
FROZEN = {
    "CXRNet": "CXRNet",
    SQUEEZENET: "SqueezeNet 1.1 (ImageNet)",
    EFFICIENTNET: "EfficientNet-Lite0 (ImageNet)",
}
TUNED = ("CXRNet", "ResNet50", "VGG16")
HEADS = {
    "lr": "Logistic regression",
    "rf": "Random forest",
    "dt": "Decision tree",
    "mlp": "Dense layers 512, 256, 64",
}
FOLDS = 5
TRAINING_RATE = "images_per_second_training"
"""What the job finetune says of its training; frozen networks have the rate of their features."""
MISSING = "not run"
SEEN = {"film": "the whole film", "lungs": "the box of the lungs", "lungs-only": "the lungs alone"}
SOURCES = ("Radiography", "Kermany", "NIH", "Cohen")
"""Of the test elsewhere; see `benchmarks/field/sources.py`."""
AT_HOME = "At home: heads learn from films of the very sources that test them."


@dataclass(frozen=True)
class Outcome:
    """What came of one network with one head."""

    accuracy: float
    interval: Interval | None
    """95 %, from resampling patients."""
    n: int
    f1_macro: float
    auc_macro: float | None
    seconds: float
    """Of fitting the head, or of training the network, all folds together."""
    images_per_second: float | None
    """Through the network, once for features or again and again while it learns."""
    learned: int | None = None
    """Films of the test that the network was trained on; None where that is not known."""


@dataclass(frozen=True)
class Line:
    """One network with one head, whether it ran or not."""

    network: str
    head: str
    outcome: Outcome | None


@dataclass(frozen=True)
class Task:
    """What was to be told apart on which films, and how they were split."""

    title: str
    lines: tuple[Line, ...]
    published: tuple[PublishedResult, ...]


@dataclass(frozen=True)
class Accuracy:
    """A share of films, and of how many."""

    accuracy: float
    interval: Interval | None
    n: int


@dataclass(frozen=True)
class Elsewhere:
    """Logistic regression on a frozen network, each source tested by what learned on the others."""

    network: str
    see: str
    whole: Accuracy
    """Of the films of all sources."""
    sources: Mapping[str, Accuracy]


def elsewhere(folder: Path) -> Iterator[Elsewhere]:
    """Read the comparisons by source below a folder."""
    for see in SEEN:
        found = (_read(folder / "elsewhere" / see / "comparison.json") or {}).get("by_source")
        rows = {row["backbone"]: row for row in found["ranking"]} if found else {}
        for network, title in FROZEN.items():
            if row := rows.get(network):
                ends = row["intervals"]["accuracy"]
                whole = Accuracy(row["accuracy"], Interval(*ends) if ends else None, row["n"])
                parts = {part["name"]: _of_source(part) for part in row["sources"]}
                yield Elsewhere(title, see, whole, parts)


def _of_source(part: Mapping[str, Any]) -> Accuracy:
    ends = part["accuracy_interval"]
    return Accuracy(part["accuracy"], Interval(**ends) if ends else None, part["n"])


def tasks(folder: Path) -> Iterator[Task]:
    """Read all runs below a folder, in the order of the page."""
    yield Task(
        "Radiography, four classes, the publisher's train to val",
        (*_frozen_apart(folder / "radiography"), *_tuned_apart(folder / "radiography")),
        datasets.get("radiography").published,
    )
    three, two = datasets.get("ozturk").published
    for name, told, published in (
        ("three", "three classes", three),
        ("two", "COVID-19 against no findings", two),
    ):
        for by in ("patient", "image"):
            yield Task(
                f"Ozturk, {told}, {FOLDS} folds by {by}",
                (
                    *_frozen_folds(folder / f"ozturk-{name}", by),
                    *_tuned_folds(folder / f"ozturk-{name}", by),
                ),
                (published,) if by == "image" else (),
            )
    yield Task("Published on other sets", (), ELSEWHERE)


def _frozen_apart(folder: Path) -> Iterator[Line]:
    for network, title in FROZEN.items():
        featurized = _read(folder / network / "run.json") or {}
        for head, named in HEADS.items():
            rate = featurized.get("images_per_second")
            yield Line(title, named, _trained(folder / f"{network}-{head}", rate))


def _tuned_apart(folder: Path) -> Iterator[Line]:
    for network in TUNED:
        yield Line(f"{network}, fine-tuned", "its own", _trained(folder / f"{network}-tuned"))


def _frozen_folds(folder: Path, by: str) -> Iterator[Line]:
    found = _read(folder / "frozen" / "comparison.json") or {"ranking": []}
    rows = {(row["backbone"], row["head"]): row for row in found["ranking"]}
    for network, title in FROZEN.items():
        for named in HEADS.values():
            row = rows.get((network, named))
            outcome = None
            if row:
                fared = row if by == "patient" else row["by_image"]
                outcome = _outcome(fared, row["images_per_second"])
            yield Line(title, named, outcome)


def _tuned_folds(folder: Path, by: str) -> Iterator[Line]:
    for network in TUNED:
        parts = [folder / f"{network}-tuned-by-{by}" / str(fold) for fold in range(FOLDS)]
        told = [_read(part / "metrics.json") for part in parts]
        made = [each for each in told if each]
        outcome = None
        if len(made) == FOLDS:
            seconds = sum(each["seconds_training"] for each in made)
            rates = [each[TRAINING_RATE] for each in made]
            learned = [_learned(each) for each in made]
            known = None if None in learned else sum(filter(None, learned))
            outcome = replace(_measured(parts, seconds, sum(rates) / FOLDS), learned=known)
        yield Line(f"{network}, fine-tuned", "its own", outcome)


def _trained(folder: Path, rate: float | None = None) -> Outcome | None:
    told = _read(folder / "metrics.json")
    if told is None:
        return None
    fared = {**told, "fit_seconds": told["seconds_training"]}
    return _outcome(fared, told.get(TRAINING_RATE, rate))


def _outcome(told: dict[str, Any], rate: float | None) -> Outcome:
    ends = told["intervals"]["accuracy"]
    return Outcome(
        told["accuracy"],
        Interval(*ends) if ends else None,
        told["n"],
        told["f1_macro"],
        told["auc_macro"],
        told["fit_seconds"],
        rate,
        _learned(told),
    )


def _learned(told: dict[str, Any]) -> int | None:
    found = (told.get("overlap") or {}).get("learned")
    return None if found is None else int(found)


def _measured(parts: list[Path], seconds: float, rate: float) -> Outcome:
    """Measure what was said in all folds together, as `compare` does."""
    found = joined(parts)
    return Outcome(
        *(found.accuracy, found.intervals.accuracy, found.n, found.f1_macro, found.auc_macro),
        *(seconds, rate),
    )


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def to_markdown(found: tuple[Task, ...], others: tuple[Elsewhere, ...], ran_on: str) -> str:
    """Write the page."""
    missing = sum(line.outcome is None for task in found for line in task.lines)
    lines = [
        "# The table of the field",
        "",
        "Research use only, not for diagnosis. Intervals are of 95 %, from resampling patients."
        " Published figures were found on other splits and versions of the sets: they stand"
        " beside, not in the ranking. Trained on: films of the test that the network itself was"
        " trained on, or near-duplicates of such; where there are many the figure is too good."
        " Seconds: fitting the head, or training the network, all"
        " folds together. Images/s: from file to vector, of the first network of a comparison with"
        " the ingest; of a network that is trained, while it trains.",
        "",
        ran_on,
        *(f"{missing} lines were not run." for _ in range(missing > 0)),
    ]
    at_home = (row for task in found for row in _rows(task))
    return "\n".join([*lines, *_others(others), "", AT_HOME, *at_home, ""])


def _others(found: tuple[Elsewhere, ...]) -> Iterator[str]:
    yield from ("", "## Elsewhere: each source tested by a head that has learned on the others", "")
    yield (
        "Normal, pneumonia and COVID, as far as a source has them; logistic regression on frozen"
        " networks. CXRNet itself has learned from films of Radiography, and Kermany's viral ones."
    )
    if not found:
        yield from ("", f"{MISSING.capitalize()}.")
        return
    yield from ("", f"| network | shown | all | {' | '.join(SOURCES)} |")
    yield f"|{'---|' * (3 + len(SOURCES))}"
    for row in found:
        cells = (_share(row.sources.get(name)) for name in SOURCES)
        yield f"| {row.network} | {SEEN[row.see]} | {_share(row.whole)} | {' | '.join(cells)} |"


def _share(found: Accuracy | None) -> str:
    if found is None:
        return ""
    return f"{percent(found.accuracy)} ({percent_range(found.interval)}) of {found.n:,}"


def _rows(task: Task) -> Iterator[str]:
    yield from ("", f"## {task.title}", "")
    yield (
        "| network | head | accuracy | 95 % interval | films | F1 | AUC | seconds | images/s "
        "| trained on |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for line in task.lines:
        yield f"| {line.network} | {line.head} | {' | '.join(_cells(line.outcome))} |"
    for each in task.published:
        told = f"{each.task}; {each.split}"
        yield f"| *{each.who}* | *{told}* | *{percent(each.accuracy)}* | | | | | | | |"


def _cells(outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is None:
        return (MISSING, *[""] * 7)
    auc = "" if outcome.auc_macro is None else f"{outcome.auc_macro:.3f}"
    rate = "" if outcome.images_per_second is None else f"{outcome.images_per_second:,.0f}"
    learned = "not known" if outcome.learned is None else f"{outcome.learned:,}"
    return (
        *(percent(outcome.accuracy), percent_range(outcome.interval), f"{outcome.n:,}"),
        *(f"{outcome.f1_macro:.3f}", auc, f"{outcome.seconds:,.1f}", rate, learned),
    )


def _ran_on(folder: Path) -> str:
    """Say which machine and versions the first run names; seconds of others may differ."""
    told = _read(folder / "radiography" / "CXRNet" / "run.json") or {}
    used, versions = told.get("used"), told.get("versions", {})
    if not used:
        return ""
    numbers = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"Ran on {used['device']}, {used['engine']} in {used['precision']} ({numbers})."


def main() -> None:
    """Write the table of the runs below a folder."""
    folder = Path(sys.argv[1])
    found, others = tuple(tasks(folder)), tuple(elsewhere(folder))
    page = to_markdown(found, others, _ran_on(folder))
    (folder / "field.md").write_text(page, encoding="utf-8")
    told = {"elsewhere": [*map(asdict, others)], "at_home": [*map(asdict, found)]}
    (folder / "field.json").write_text(json.dumps(told, indent=1))
    print(page)


if __name__ == "__main__":
    main()
