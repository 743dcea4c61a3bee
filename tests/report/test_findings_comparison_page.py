"""The page of a comparison of findings: the ranking, each finding with each, what is shown."""

import dataclasses
import json
import re

import pytest

from spark_cxr.metrics import measure_findings
from spark_cxr.metrics.finding_results import FindingsComparison
from spark_cxr.metrics.finding_wording import findings_ranking_table
from spark_cxr.report.findings_comparison import (
    findings_comparison_page,
    findings_heat,
    findings_ranking,
)
from tests.report.finding_fields import FindingFilms, findings_comparison
from tests.report.outline import Outline, read


@pytest.fixture(scope="module")
def field() -> FindingsComparison:
    return findings_comparison(FindingFilms())


@pytest.fixture(scope="module")
def page(field: FindingsComparison) -> str:
    return findings_comparison_page(field)


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return read(page)


def test_rows_are_ranked_by_macro_auc(field: FindingsComparison) -> None:
    heads = [row.head for row in field.rows]
    assert heads == ["Logistic regression", "Random forest", "Decision tree"]
    aucs = [row.metrics.macro.auc.value for row in field.rows]
    assert aucs == sorted(aucs, reverse=True)


def test_the_verdict_names_the_best_and_whether_it_is_ahead(
    field: FindingsComparison, outline: Outline
) -> None:
    auc, ahead = field.best.metrics.macro.auc, field.rows[1].behind.auc_macro
    verdict = (
        "On 240 films (made-up films) of 120 patients, each tested once, in 5 folds, by a "
        "classifier that never saw its patient, Logistic regression on CXRNet comes first : the "
        f"mean AUC over 4 findings was {auc.value:.3f} (95 % interval {auc.interval.low:.3f} to "
    )
    assert verdict in outline.text
    assert f"It is ahead of Random forest on CXRNet by {ahead.value:.3f}" in outline.text


def test_a_difference_that_may_be_chance_is_said_to_be_none(field: FindingsComparison) -> None:
    paired = field.rows[1].behind
    interval = dataclasses.replace(paired.auc_macro.interval, low=-0.001)
    even = dataclasses.replace(
        paired, auc_macro=dataclasses.replace(paired.auc_macro, interval=interval)
    )
    second = dataclasses.replace(field.rows[1], behind=even)
    page = findings_comparison_page(dataclasses.replace(field, rows=(field.rows[0], second)))
    assert "includes zero: no difference is shown." in read(page).text


def test_every_classifier_has_its_row(field: FindingsComparison, outline: Outline) -> None:
    for place, row in enumerate(field.rows, start=1):
        auc = row.metrics.macro.auc
        ends = f"{auc.interval.low:.3f} to {auc.interval.high:.3f}"
        assert f"{place}. {row.head} CXRNet {auc.value:.3f} {ends}" in outline.text
    caption = "Means over 4 of 4 findings"
    assert caption in outline.text


def test_each_finding_has_a_tinted_cell_with_each_classifier(field: FindingsComparison) -> None:
    heat = findings_heat(field.rows)
    tints = [int(each) for each in re.findall(r"--heat: (\d+)%", heat)]
    assert len(tints) == 4 * 3
    best = field.best.metrics.rows[0]
    deepest = round(45 * (2 * best.figures.auc.value - 1))
    assert deepest in tints
    for row in field.rows:
        for each in row.metrics.rows:
            assert f"{each.figures.auc.value:.3f}" in heat
    counts = f"{best.positives:,} of {best.known:,}"
    assert counts in read(heat).text


def test_a_cell_is_marked_where_it_is_behind_the_best_by_more_than_chance(
    field: FindingsComparison,
) -> None:
    pairs = [
        each
        for row in field.rows[1:]
        for each, of in zip(row.behind.auc, row.metrics.rows, strict=True)
        if of.positives >= 20
    ]
    assert len(pairs) == 2 * 3  # Hernia is on too few films to be marked
    behind = [each for each in pairs if each.interval.low > 0]
    ahead = [each for each in pairs if each.interval.high < 0]
    cells = findings_heat(field.rows).partition("<table")[2]
    assert behind
    assert cells.count("▼ ") == len(behind)
    assert cells.count("▲ ") == len(ahead)


def test_the_page_is_whole(outline: Outline, page: str) -> None:
    assert all(address.startswith(("data:image/", "#")) for address in outline.addresses)
    assert len(outline.ids) == len(set(outline.ids))
    assert "None" not in outline.text
    assert "nan" not in outline.text
    notice = '<p class="notice" role="note">Research'
    assert page.partition("<body>")[2].startswith(f"<main>{notice}")


def test_below_guessing_is_explained_where_folds_are_pooled(field: FindingsComparison) -> None:
    films = FindingFilms(n=80)
    turned = measure_findings(
        films.truth, 1 - films.answers(3.0), films.findings, films.groups, [0.5] * 4, resamples=100
    )
    row = dataclasses.replace(field.rows[0], metrics=turned)
    folded = dataclasses.replace(field, rows=(row,))
    single = dataclasses.replace(folded, split=dataclasses.replace(field.split, folds=1))
    assert "Below guessing: Effusion" in findings_comparison_page(folded)
    assert "Below guessing" not in findings_comparison_page(single)


def test_a_single_classifier_is_not_compared(field: FindingsComparison) -> None:
    alone = dataclasses.replace(field, rows=field.rows[:1])
    text = read(findings_comparison_page(alone)).text
    assert "comes first" not in text
    assert "ahead of" not in text
    assert "in 5 folds, by a classifier that never saw its patient, the mean AUC" in text


def test_without_any_auc_there_is_a_ranking_and_no_drawing(field: FindingsComparison) -> None:
    films = FindingFilms(n=20)
    films.truth[:] = 0
    row = dataclasses.replace(field.rows[0], metrics=films.measured())
    assert "<svg" not in findings_ranking((row,))


def test_json_has_every_row(field: FindingsComparison) -> None:
    said = field.to_json()
    assert said["best"] == "Logistic regression on CXRNet"
    assert [row["head"] for row in said["ranking"]] == [row.head for row in field.rows]
    assert said["ranking"][0]["behind_the_best"] is None
    assert set(said["ranking"][1]["behind_the_best"]["auc"]) == set(field.best.metrics.findings)
    assert json.loads(json.dumps(said, allow_nan=False))["ranking"] == said["ranking"]


def test_the_console_has_a_line_a_classifier(field: FindingsComparison) -> None:
    lines = findings_ranking_table(field.rows)
    assert len(lines) == 4
    assert lines[1].startswith("1. Logistic regression on CXRNet")
    assert f"{field.best.metrics.macro.auc.value:.3f}" in lines[1]
    assert len({len(line) for line in lines}) == 1
