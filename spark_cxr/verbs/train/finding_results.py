"""What a training of several findings leaves: metrics.json, lines for the console, the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pyspark.sql import DataFrame

from spark_cxr.images.sight import with_sight
from spark_cxr.metrics.decision_wording import decision_lines
from spark_cxr.metrics.finding_results import FindingCount, FindingsReport, OmittedFinding
from spark_cxr.metrics.finding_wording import findings_table
from spark_cxr.metrics.subgroup_wording import gap_warnings
from spark_cxr.metrics.wording import overlap_in_words
from spark_cxr.pipeline.data_summary import (
    audit_of,
    data_caveats,
    data_summary,
    engine_line,
    network_caveats,
    network_line,
)
from spark_cxr.pipeline.finding_counts import FindingTally
from spark_cxr.pipeline.matrix_films import films_of_findings
from spark_cxr.pipeline.trial import FindingResult, FindingsRun
from spark_cxr.verbs.train.results import (
    LEARNED,
    decision_entry,
    run_counts,
    run_summary,
    split_summary,
    vectors_entry,
)


def counts_of_findings(done: FindingsRun) -> dict[str, Any]:
    """Give the content of metrics.json."""
    result = done.result
    return {
        **result.metrics.to_json(),
        **run_counts(done),
        "learning_curve": [point.to_json() for point in result.learning],
        **decision_entry(done),
        "trained_on": {count.finding: _counts(count) for count in result.trained},
        "left_out": {count.finding: _counts(count) for count in result.left_out},
        **(
            {"tuned": {f: asdict(each) for f, each in result.tuned.items()}} if result.tuned else {}
        ),
        **({"subgroups": result.gaps.to_json()} if result.gaps else {}),
        "caveats": list(caveats_of(done)),
    }


def _counts(count: FindingTally) -> dict[str, int]:
    return {name: value for name, value in asdict(count).items() if name != "finding"}


def headline_of_findings(done: FindingsRun) -> dict[str, Any]:
    """Give the figures for the one line of JSON and run.json; metrics.json has them all."""
    names = ("auc_macro", "n_train", "n_test", "files", "images", "quarantined", LEARNED)
    figures = counts_of_findings(done)
    shown = {name: figures[name] for name in (*names, "images_per_second", "split", "engine")}
    found = {"findings": list(done.result.labels), "auc": figures["auc"]}
    return {**shown, **found, **vectors_entry(done.featurized), **done.ingested.pass_counts()}


def summary_of_findings(done: FindingsRun, report: str) -> str:
    """Give the small table for the console."""
    result = done.result
    lines = [
        *(f"warning: {sentence}" for sentence in gap_warnings(result.gaps)),
        *findings_table(result.metrics),
        f"{result.metrics.n:,} films of {result.metrics.groups:,} groups,"
        f" {result.split_words(done.cfg.train)}",
        network_line(done.featurized),
        *done.ingested.times.lines,
        *decision_lines(result.decision_figures),
        *(f"left out: {each.finding}, {each.reason}" for each in _omitted(done)),
        *(f"note: {caveat}" for caveat in caveats_of(done)),
        f"report: {report}",
    ]
    return "\n".join(lines)


def caveats_of(done: FindingsRun) -> Iterator[str]:
    """Say what a reader must know before relying on a figure."""
    result = done.result
    yield from data_caveats(done.ingested, done.drawn)
    yield from network_caveats(done.featurized)
    if result.overlap.learned:
        yield f"{overlap_in_words(result.overlap)}: the figures are too good."
    if result.partition.left_out:
        left_out = result.partition.left_out
        yield f"{left_out:,} films neither train nor test: the split leaves them out."
    if result.shared:
        yield (
            f"{result.shared:,} of {result.partition.n_test:,} test films have their patient or a "
            "twin in training, so the figures are too good."
        )
    yield from result.decision.notes


def findings_report(done: FindingsRun, predictions: DataFrame) -> FindingsReport:
    """Gather what the page of a training says."""
    cfg, result = done.cfg, done.result
    network = done.featurized.plan.network
    return FindingsReport(
        job=done.job,
        title=f"{result.head.title} a finding on {cfg.features.backbone} features",
        metrics=result.metrics,
        data=data_summary(cfg, done.ingested, done.drawn),
        split=split_summary(done),
        model=(
            ("Head", f"{result.head.title}, one for each of {len(result.labels)} findings"),
            ("Backbone", with_sight(cfg.features.backbone, network.see)),
            ("Weights", network.weights.origin),
            ("Engine", engine_line(done.featurized)),
            ("Operating point", _operating_point(cfg.train.balance, result)),
            ("Name", f"{result.head.name}-{result.fingerprint}"),
        ),
        run=run_summary(done, predictions.sparkSession),
        counts=tuple(
            FindingCount(each.finding, each.positive + each.negative, each.positive)
            for each in result.trained
        ),
        omitted=_omitted(done),
        caveats=tuple(caveats_of(done)),
        overlap=result.overlap,
        decision=result.decision_figures,
        matrix=films_of_findings(predictions, result.thresholds, done.ingested.has_films),
        parts=result.parts,
        learning=result.learning,
        net_benefit=result.net_benefit,
        missed=result.gaps,
        audit=audit_of(predictions.sparkSession, cfg, done.ingested),
    )


def _omitted(done: FindingsRun) -> tuple[OmittedFinding, ...]:
    return omitted(done.result.left_out, done.cfg.train.least_positives)


def omitted(left_out: Sequence[FindingTally], least: int) -> tuple[OmittedFinding, ...]:
    """Say why findings have no head."""
    return tuple(
        OmittedFinding(
            each.finding,
            "the network does not answer it"
            if each.is_enough(least)
            else f"{each.positive_groups:,} patients with it and {each.negative_groups:,} without; "
            f"{least:,} of each are needed",
        )
        for each in left_out
    )


def _operating_point(balance: bool, result: FindingResult) -> str:
    some = ", ".join(result.decision.decision.thresholds)
    others = f"; of {some} what its target takes" if some else ""
    if balance:
        return f"50 %: films are weighed so that both answers count the same{others}"
    share = "the share of training films with the finding, among those of which it is known"
    return f"{share}{others}"
