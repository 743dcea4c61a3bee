"""What a run can answer of a reporting sheet, each answer with the place where its value stands.

Nothing is answered of which the run has left nothing: a function gives None, and its item is for
the user to write or was not done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spark_cxr.metrics.finding_parts import FindingPartTable
from spark_cxr.metrics.finding_records import FindingMetrics
from spark_cxr.metrics.results import PartTable
from spark_cxr.metrics.subgroup_wording import gaps_in_words
from spark_cxr.metrics.wording import (
    audit_in_words,
    counted,
    decimal,
    decimal_range,
    leak,
    overlap_in_words,
    percent,
    percent_range,
    percent_sign,
)
from spark_cxr.report.card_record import PAGE, RUN, ModelCard
from spark_cxr.report.model_card import verdict

MOST_LABELS = 8
"""Up to how many classes or findings are written out; the card has all."""
TREES = ("rf", "gbt")
SHARED = "test_images_with_patient_or_twin_in_training"


@dataclass(frozen=True)
class Place:
    """Where a value stands: a file of the run, and the keys that lead to it, or a heading."""

    file: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class SheetAnswer:
    """What the run says of an item."""

    text: str
    places: tuple[Place, ...]


def _at(card: ModelCard, *keys: str) -> Any:
    """Read a value of the figures' file; None where it is not there."""
    value: Any = card.figures
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _in_figures(card: ModelCard, text: str, *paths: str) -> SheetAnswer | None:
    """SheetAnswer with values of the figures' file, all of which must be there."""
    split = tuple(tuple(path.split("/")) for path in paths)
    if any(_at(card, *keys) is None for keys in split):
        return None
    return SheetAnswer(text, tuple(Place(card.figures_file, keys) for keys in split))


def _in_model(card: ModelCard, text: str, *paths: str) -> SheetAnswer:
    return SheetAnswer(
        text, tuple(Place(card.model_file, tuple(path.split("/"))) for path in paths)
    )


def _on_page(text: str, heading: str) -> SheetAnswer:
    return SheetAnswer(text, (Place(PAGE, (heading,)),))


def headline(card: ModelCard) -> SheetAnswer | None:
    """Give the figure that stands first."""
    name = "auc_macro" if card.is_of_findings else "accuracy"
    return _in_figures(card, verdict(card), name, f"intervals/{name}", "n", "groups")


def by_label(card: ModelCard) -> SheetAnswer | None:
    """Give a figure of each class or finding, with its interval."""
    found = card.metrics
    if isinstance(found, FindingMetrics):
        each = [
            f"{row.finding} {decimal(row.figures.auc.value)}"
            f"{_between(decimal_range(row.figures.auc.interval))}"
            for row in found.rows
        ]
        return _in_figures(card, f"AUC: {_few(each)}.", "auc", "intervals/auc")
    ends = map(percent_range, found.intervals.recall)
    zipped = zip(found.labels, found.recall, ends, strict=True)
    each = [f"{label} {percent(value)}{_between(end)}" for label, value, end in zipped]
    return _in_figures(card, f"Sensitivity: {_few(each)}.", "recall", "intervals/recall")


def _between(ends: str) -> str:
    return f" ({ends})" if ends else ""


def _few(each: list[str]) -> str:
    rest = len(each) - MOST_LABELS
    return ", ".join([*each[:MOST_LABELS], *([f"and {rest} more"] if rest > 0 else [])])


def confusion(card: ModelCard) -> SheetAnswer | None:
    """Give the answers by the truth."""
    found = card.metrics
    if isinstance(found, FindingMetrics):
        text = "True and false answers of each finding at its operating point, as counts."
        return _in_figures(card, text, "by_finding")
    right = [
        f"{label} {row[place]:,} of {sum(row):,} right"
        for place, (label, row) in enumerate(zip(found.labels, found.confusion, strict=True))
    ]
    return _in_figures(card, f"Rows truth, columns answers: {_few(right)}.", "confusion")


def statistics(card: ModelCard) -> SheetAnswer | None:
    """Say how intervals were made."""
    level, resamples, seed = (_at(card, "intervals", k) for k in ("level", "resamples", "seed"))
    if level is None:
        return None
    text = (
        f"{percent_sign(f'{level:.0%}')} percentile intervals from {resamples:,} resamples of "
        f"whole groups, seed {seed}; Wilson’s interval where no resample shows a mistake."
    )
    return _in_figures(card, text, "intervals/level", "intervals/resamples", "intervals/seed")


def measures(card: ModelCard) -> SheetAnswer | None:
    """Name what was measured."""
    if card.is_of_findings:
        text = (
            "AUC, average precision, sensitivity, specificity, PPV, NPV, F1, Brier score and "
            "calibration error of each finding; curves on the page."
        )
        return _in_figures(card, text, "auc", "average_precision", "sensitivity", "brier")
    text = (
        "Accuracy, precision, recall, F1, AUC, average precision, log loss, Brier score and "
        "calibration error; ROC, precision and recall, and calibration as curves on the page."
    )
    return _in_figures(card, text, "accuracy", "recall", "auc", "log_loss", "brier", "ece")


def calibration(card: ModelCard) -> SheetAnswer | None:
    """Say how honest the probabilities are."""
    found = card.metrics
    if isinstance(found, FindingMetrics):
        text = f"Calibration error {percent(found.micro_ece)} over all answers."
        return _in_figures(card, text, "micro/ece")
    text = f"Calibration error {percent(found.ece)}, Brier score {decimal(found.brier)}."
    return _in_figures(card, text, "ece", "brier")


def cutoffs(card: ModelCard) -> SheetAnswer | None:
    """Say from where on an answer is given, and how that was chosen."""
    model = card.model
    if model.decision:
        text = "Operating points, recalibration and sets as the model carries them (see the card)."
        return _in_model(card, text, "decision")
    if model.thresholds:
        points = [f"{name} {decimal(model.thresholds[name])}" for name in model.labels]
        text = f"Yes from a probability of: {_few(points)}. Set before the test, without its films."
        return _in_model(card, text, "thresholds")
    text = f"The most probable of {len(model.labels)} classes is the answer; there is no threshold."
    return _in_model(card, text, "labels")


def data(card: ModelCard) -> SheetAnswer | None:
    """Say what went in."""
    given = card.data
    people = "patients not known" if given.patients is None else counted(given.patients, "patient")
    text = f"Data: {given.name}, {given.images:,} films of {given.files:,} files, {people}."
    return _in_figures(card, text, "data", "images", "files") or _on_page(text, "Data")


def origin(card: ModelCard) -> SheetAnswer | None:
    """Give licence and citation of a known data set."""
    notes = [f"{name}: {value}" for name, value in card.data.notes if value]
    return _on_page(" ".join(notes), "Data") if notes else None


def missing(card: ModelCard) -> SheetAnswer | None:
    """Say what was set aside or not known."""
    found, aside = card.metrics, sum(each.count for each in card.data.quarantined)
    text = f"{counted(aside, 'file')} set aside, each with its reason."
    if not isinstance(found, FindingMetrics):
        return _in_figures(card, text, "quarantined") or _on_page(text, "Data")
    unknown = sum(row.unknowns for row in found.rows)
    text += f" {unknown:,} unknown answers of the test counted neither for nor against a finding."
    return _in_figures(card, text, "quarantined", "by_finding")


def preprocessing(card: ModelCard) -> SheetAnswer | None:
    """Say how a film becomes the network's input."""
    text = (
        f"Each film is decoded, resized and normalised by recipe {card.model.preprocessing} of "
        f"spark_cxr {card.model.version}, the same in training and in use."
    )
    return _in_model(card, text, "preprocessing", "versions/spark_cxr")


def model(card: ModelCard) -> SheetAnswer | None:
    """Say what the model is."""
    each = card.model
    text = (
        f"Head {each.head} on {each.features:,} features a film of {each.network} ({each.weights}, "
        f"SHA-256 {each.weights_sha256[:12]}…); {each.identity}."
    )
    return _in_model(card, text, "head", "backbone", "weights/origin", "weights/sha256", "features")


def software(card: ModelCard) -> SheetAnswer | None:
    """Name the versions that ran."""
    text = ", ".join(f"{name} {version}" for name, version in card.run.versions)
    return SheetAnswer(
        f"Versions: {text}.", (Place(card.model_file, ("versions",)), Place(RUN, ("versions",)))
    )


def split(card: ModelCard) -> SheetAnswer | None:
    """Say how the test was set apart, and whether patients are on both sides."""
    if card.split is None:
        return None
    given = card.split
    how = ": ".join(filter(None, (given.method, given.patients)))
    none = f"No test film has its {given.unit or 'group'} in training."
    sides = f"{given.n_train:,} films train, {given.n_test:,} test"
    text = f"{how[:1].upper()}{how[1:]}: {sides}. {leak(given) or none}"
    return _in_figures(card, text, "split", "n_train", "n_test", SHARED)


def overlap(card: ModelCard) -> SheetAnswer | None:
    """Say what of the test the network itself was trained on."""
    if card.overlap is None:
        return None
    return _in_figures(card, f"{overlap_in_words(card.overlap)}.", "overlap")


def sizes(card: ModelCard) -> SheetAnswer | None:
    """Give the films of each use."""
    trained, tested = _at(card, "n_train"), card.metrics
    if trained is None:
        return None
    validated = _at(card, "n_val")
    between = f"{validated:,} chose the best epoch, " if validated is not None else ""
    text = f"{trained:,} films train, {between}{tested.n:,} of {tested.groups:,} groups test."
    return _in_figures(card, text, "n_train", "n", "groups", *(["n_val"] if between else []))


def counts(card: ModelCard) -> SheetAnswer | None:
    """Give the films of each class or finding."""
    found = card.metrics
    if isinstance(found, FindingMetrics):
        each = [f"{row.finding} {row.positives:,} of {row.known:,}" for row in found.rows]
        return _in_figures(card, f"Test films that have it: {_few(each)}.", "by_finding")
    pairs = zip(found.labels, found.support, strict=True)
    each = [f"{label} {count:,}" for label, count in pairs]
    return _in_figures(card, f"Test films: {_few(each)}.", "support")


def balance(card: ModelCard) -> SheetAnswer | None:
    """Say whether rare classes were weighed."""
    given = _at(card, "balance")
    weighed = given not in (False, "none")
    text = (
        "Films were weighed or drawn so that each answer counts the same." if weighed else "None."
    )
    return _in_figures(card, text, "balance")


def training(card: ModelCard) -> SheetAnswer | None:
    """Say how head or network learned."""
    if card.learned:
        text = (
            f"The network learned for {counted(len(card.learned.epochs), 'epoch')}; every setting "
            "stands in the recipe, and each epoch in the history."
        )
        return _in_figures(card, text, "recipe", "history", "started_from")
    settings = _at(card, "setting") or {}
    words = ", ".join(f"{name} {value:g}" for name, value in settings.items()) or "no settings"
    text = f"The network stays as it is; the head {card.model.head} was fitted with {words}."
    return _in_figures(card, text, "head", "setting")


def selection(card: ModelCard) -> SheetAnswer | None:
    """Say how settings or the epoch were chosen."""
    if card.learned:
        text = (
            f"Epoch {card.learned.best} did best on {card.learned.n_val:,} validation films, "
            "which are not those of the test."
        )
        return _in_figures(card, text, "best_epoch", "n_val")
    if _at(card, "tuned") is not None:
        text = "Settings were tried over folds of the training patients."
        return _in_figures(card, text, "tuned")
    text = "One head with fixed settings: nothing was chosen among several."
    return _in_figures(card, text, "setting")


def initial(card: ModelCard) -> SheetAnswer | None:
    """Say which weights the network began with."""
    if card.learned:
        return _in_figures(card, f"From {_at(card, 'started_from')}.", "started_from")
    return _in_model(card, f"Weights of the network: {card.model.weights}.", "weights/origin")


def ensemble(card: ModelCard) -> SheetAnswer | None:
    """Say whether answers of several are combined."""
    if card.model.head in TREES:
        return _in_model(card, "The head combines trees; their number is in its settings.", "head")
    return _in_model(card, "One network and one head: no models are combined.", "head")


def parts(card: ModelCard) -> SheetAnswer | None:
    """Give the figure of each source, view and the like."""
    return _by(card, "")


def people(card: ModelCard) -> SheetAnswer | None:
    """Give the same by sex and age alone."""
    return _by(card, "sex", "age")


def missed(card: ModelCard) -> SheetAnswer | None:
    """Say whether disease is missed more often in one group than in others."""
    if card.missed is None or not card.missed.rows:
        return None
    return _in_figures(card, gaps_in_words(card.missed), "subgroups")


def places(card: ModelCard) -> SheetAnswer | None:
    """Give the same by source alone."""
    return _by(card, "source")


def _by(card: ModelCard, *kinds: str) -> SheetAnswer | None:
    """Give the figure of each part by whatever begins with one of these words."""
    said = [f"by {each.by}: {_of_parts(each)}" for each in card.parts if each.by.startswith(kinds)]
    figure = "Macro AUC" if card.is_of_findings else "Accuracy"
    return _on_page(f"{figure} {'; '.join(said)}.", "Part by part") if said else None


def _of_parts(each: PartTable | FindingPartTable) -> str:
    if isinstance(each, FindingPartTable):
        return _few([f"{part.name} {decimal(part.auc_macro.value)}" for part in each.parts])
    return _few([f"{part.name} {percent(part.accuracy)}" for part in each.parts])


def audit(card: ModelCard) -> SheetAnswer | None:
    """Say how the checks of the data ended."""
    if card.audit is None or not card.audit.checks:
        return None
    return _on_page(audit_in_words(card.audit.checks), "What an audit of the data found")


def heat(card: ModelCard) -> SheetAnswer | None:
    """Say how decisions were drawn into films."""
    return _on_page(card.heat, "Where decisions come from") if card.heat else None


def curve(card: ModelCard) -> SheetAnswer | None:
    """Say what fewer films would have brought."""
    points = _at(card, "learning_curve")
    if not points:
        return None
    if "accuracy" in points[0]:
        what, shown = "Accuracy", [percent(point["accuracy"]) for point in points]
    else:
        what, shown = "Mean AUC", [decimal(point["auc_macro"]) for point in points]
    each = [f"{p['n_train']:,} films {value}" for p, value in zip(points, shown, strict=True)]
    return _in_figures(card, f"{what} after training on {_few(each)}.", "learning_curve")


def external(card: ModelCard) -> SheetAnswer | None:
    """Give the figures on films of other places."""
    if not card.external:
        return None
    said = (
        f"{test.place} ({test.films:,} films): "
        + ", ".join(f"{name} {value}" for name, value in test.figures)
        for test in card.external
    )
    where = tuple(dict.fromkeys(Place(test.where, ()) for test in card.external))
    return SheetAnswer(f"{'; '.join(said)}.", where)


def gate(card: ModelCard) -> SheetAnswer | None:
    """Say which films get no answer, and how they count."""
    if card.gate is None:
        text = "Films without an answer in use are counted; the figures here count every film."
        return _in_figures(card, text, "films/refused", "as_answered")
    unlike = (
        f", or that lies beyond {card.gate.far:g} times the limit of the training"
        if "unlike" in card.gate.refuse
        else ""
    )
    text = (
        f"In use, no answer for a picture that is no frontal chest film{unlike}; the figures here "
        "count every film of the test."
    )
    keys = ("refuse", "far", "colour", "false_alarms")
    return SheetAnswer(text, tuple(Place(RUN, ("config", "gate", key)) for key in keys))


def caveats(card: ModelCard) -> SheetAnswer | None:
    """Say what the run itself warns of."""
    own = _at(card, "caveats")
    return _in_figures(card, " ".join(own), "caveats") if own else None


def command(card: ModelCard) -> SheetAnswer | None:
    """Give the command line."""
    return SheetAnswer(" ; ".join(card.run.commands), (Place(RUN, ("config",)),))


def outputs(card: ModelCard) -> SheetAnswer | None:
    """Say what is kept of the answers."""
    text = (
        "Every answer about a test film is a row of predictions/; model.json has the digest of "
        "each file of the model."
    )
    return SheetAnswer(text, (Place("predictions/", ()), Place(card.model_file, ("files",))))


def licence(card: ModelCard) -> SheetAnswer | None:
    """Give the terms of the network's weights."""
    if not card.model.licence:
        return None
    text = f"Weights of {card.model.network}: {card.model.licence}. spark_cxr: Apache-2.0."
    return _in_model(card, text, "weights/licence")


def use(card: ModelCard) -> SheetAnswer | None:
    """Say how the model is run on new films."""
    text = (
        "The directory model/ is the whole recipe: spark_cxr.load_model, score and serve run it "
        "on new films."
    )
    return _in_model(card, text, "files", "name")


ANSWERS: Mapping[str, Callable[[ModelCard], SheetAnswer | None]] = {
    function.__name__: function
    for function in (
        *(headline, by_label, confusion, statistics, measures, calibration, cutoffs),
        *(data, origin, missing, preprocessing, model, software, split, overlap, sizes, counts),
        *(
            balance,
            training,
            selection,
            initial,
            ensemble,
            parts,
            people,
            missed,
            places,
            audit,
            heat,
        ),
        *(curve, external, gate, caveats, command, outputs, licence, use),
    )
}
"""What items of a sheet name under `run`."""
