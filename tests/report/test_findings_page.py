"""The page of several findings: what it says first, a row a finding, no figure without a count."""

import dataclasses
import itertools
import re

import numpy as np
import pytest

from spark_cxr.metrics import measure_findings
from spark_cxr.metrics.finding_parts import FindingPartTable, measure_finding_parts
from spark_cxr.metrics.finding_records import finding_learning_curve
from spark_cxr.metrics.finding_results import FindingsReport
from spark_cxr.metrics.net_benefit import decision_curves
from spark_cxr.report.finding_sections import curves_section, findings_section, pairs_section
from spark_cxr.report.findings import findings_page
from tests.report.finding_fields import FindingFilms, findings_report
from tests.report.outline import Outline, read


@pytest.fixture(scope="module")
def findings() -> FindingsReport:
    return findings_report(FindingFilms().measured())


@pytest.fixture(scope="module")
def page(findings: FindingsReport) -> str:
    return findings_page(findings)


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return read(page)


def test_same_answers_same_bytes(findings: FindingsReport, page: str) -> None:
    assert findings_page(findings) == page


def test_the_verdict_is_the_mean_auc_over_the_findings_that_have_one(
    findings: FindingsReport, outline: Outline
) -> None:
    auc = findings.metrics.macro.auc
    verdict = (
        "On 240 test images (made-up films) of 120 patients never seen in training, split by "
        f"patient, the mean AUC over 4 findings was {auc.value:.3f} (95 % interval "
        f"{auc.interval.low:.3f} to {auc.interval.high:.3f})."
    )
    assert verdict in outline.text
    assert outline.text.index(verdict) < outline.text.index("Finding by finding")


def test_the_notice_stands_before_everything_else(page: str) -> None:
    body = page.partition("<body>")[2]
    notice = '<p class="notice" role="note">Research use only. Not for diag'
    assert body.startswith(f"<main>{notice}")


def test_each_finding_has_a_row_with_its_counts_and_intervals(
    findings: FindingsReport, outline: Outline
) -> None:
    for row in findings.metrics.rows:
        auc, brier = row.figures.auc, row.figures.brier
        unknown = f"; {row.unknowns} unknown" if row.unknowns else ""
        frequency = f"{row.positives} of {row.known}: {100 * row.prevalence:.1f} %{unknown}"
        ends = f"{auc.interval.low:.3f} to {auc.interval.high:.3f}"
        assert f"{row.finding} {frequency} {auc.value:.3f} {ends}" in outline.text
        assert f"{brier.value:.3f} {brier.interval.low:.3f} to" in outline.text


def test_findings_of_too_few_films_come_last_and_are_named_above(outline: Outline) -> None:
    text = outline.text
    table = text[text.index("In the order of their AUC") :]
    places = [table.index(f" {name} ") for name in ("Effusion", "Pneumothorax", "Hernia")]
    assert places == sorted(places)
    assert "Fewer than 20 test films with the finding: Hernia" in text
    assert text.index("Fewer than 20") < text.index("Finding by finding")
    assert "Recognised least is Hernia" not in text


def test_macro_and_micro_stand_under_the_findings_and_are_defined(
    findings: FindingsReport, outline: Outline
) -> None:
    found = findings.metrics
    assert f"Macro mean of 4 findings {found.macro.auc.value:.3f}" in outline.text
    pool = f"Micro all known answers: {found.positives} of {found.known},"
    assert pool in outline.text
    assert "a rare finding counts as much as a frequent one" in outline.text
    assert "no measure of recognition" in outline.text


def test_unknown_answers_are_counted_above_the_figures(
    findings: FindingsReport, outline: Outline
) -> None:
    unknown = sum(row.unknowns for row in findings.metrics.rows)
    assert f"{100 * unknown / 960:.1f} % of the answers are unknown" in outline.text


def test_every_finding_has_its_curves_with_its_counts(
    findings: FindingsReport, outline: Outline
) -> None:
    for row in findings.metrics.rows:
        assert f"Curves of {row.finding}" in outline.text
        many = f"{row.positives} of {row.known} films ({row.positive_groups} patient"
        assert many in outline.text


def test_pairs_are_counted_on_the_films_and_in_the_answers(
    findings: FindingsReport, outline: Outline
) -> None:
    truth, answers = findings.metrics.truth.counts, findings.metrics.answers.counts
    row = f"{truth[0][1]} {truth[0][0]} {truth[1][1]} {answers[0][1]} {answers[0][0]}"
    assert f"Effusion and Atelectasis {row} {answers[1][1]}" in outline.text


@pytest.mark.parametrize(
    "expected",
    [
        "Pneumoperitoneum 3 positive training films, 10 are needed",
        "Effusion, missed: 1 film 2.0 % a.png",
        "Effusion, false alarm: 1 film 97.0 % b.png",
        "truncated the file ends before its pixels do 3",
        "Effusion 77 700",
        "Backbone CXRNet",
        "spark-submit jobs/train_lr.py --findings",
        "200 resamples of whole test groups (120 of them, seed 0)",
    ],
)
def test_what_the_page_rests_on_is_said(outline: Outline, expected: str) -> None:
    assert expected in outline.text


def test_the_page_is_whole_and_asks_for_nothing_outside_itself(outline: Outline) -> None:
    levels = [int(tag[1]) for tag in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(address.startswith(("data:image/", "#")) for address in outline.addresses)
    assert len(outline.ids) == len(set(outline.ids))
    assert "None" not in outline.text
    assert "nan" not in outline.text


def test_parts_are_shown_with_their_counts_and_too_few_is_no_figure(
    findings: FindingsReport,
) -> None:
    films = FindingFilms()
    views = ["PA" if row < 200 else "AP" for row in range(240)]
    parts = measure_finding_parts(
        films.known(), films.answers(), films.findings, films.groups, views, resamples=200
    )
    whole = dataclasses.replace(findings, parts=(FindingPartTable("view", parts, 3),))
    text = read(findings_page(whole)).text
    first = parts[0].findings[0]
    cell = f"{first.auc.value:.3f} {first.auc.interval.low:.3f} to {first.auc.interval.high:.3f}"
    assert f"{cell}; {first.positives} of {first.known}" in text
    few = parts[1].findings[3]
    assert f"too few {few.positives} of {few.known}" in text
    assert "PA 200 films, 100 groups AP 40 films, 20 groups" in text
    assert "The view of 3 test films is not known." in text


def text_by_maker(findings: FindingsReport, makers: list[str]) -> str:
    films = FindingFilms()
    parts = measure_finding_parts(
        films.known(), films.answers(), films.findings, films.groups, makers, resamples=200
    )
    whole = dataclasses.replace(findings, parts=(FindingPartTable("maker", parts),))
    return read(findings_page(whole)).text


def test_parts_without_any_figure_are_a_sentence(findings: FindingsReport) -> None:
    text = text_by_maker(findings, [f"maker {row // 2 % 60}" for row in range(240)])
    assert "By maker: too few films of every finding to say anything (maker 0 4, maker 1 4" in text
    assert "AUC by maker" not in text


def test_the_mean_of_a_part_without_figures_says_over_how_many(findings: FindingsReport) -> None:
    text = text_by_maker(findings, ["large" if row < 232 else "small" for row in range(240)])
    assert "; 0 findings" not in text
    assert " 0 findings" in text


def test_many_findings_have_their_table_and_the_most_frequent_their_curves() -> None:
    rng = np.random.default_rng(0)
    names = [f"finding {place}" for place in range(26)]
    truth = (rng.random((60, 26)) < 0.3).astype(float)
    found = measure_findings(
        truth,
        rng.random((60, 26)),
        names,
        [f"p{row}" for row in range(60)],
        [0.5] * 26,
        resamples=100,
    )
    page = "".join([findings_section(found), curves_section(found, None), pairs_section(found)])
    assert page.count('<title id="curves-') == 24
    assert "the 24 most frequent of 26 findings" in page
    assert "The 16 most frequent of 26 findings." in page
    assert all(f">{name}<" in page for name in names)


def test_one_film_and_one_finding_make_a_page() -> None:
    one = measure_findings([[1]], [[0.7]], ["Mass"], ["p"], [0.5], resamples=100)
    bare = dataclasses.replace(findings_report(one), counts=(), omitted=(), caveats=(), matrix=None)
    found = read(findings_page(bare))
    assert "no AUC could be measured for any of 1 finding" in found.text
    assert (
        "No AUC for Mass: the test films where it is known all have it, or all lack it."
        in found.text
    )
    assert "None" not in found.text
    assert "Findings that go together" not in found.text


def test_a_finding_of_which_nothing_is_known_stays_in_the_table() -> None:
    nan = float("nan")
    truth = [[1, nan], [0, nan], [1, nan]]
    found = measure_findings(
        truth, [[0.9, 0.5]] * 3, ["Mass", "Edema"], ["p", "q", "r"], [0.5, 0.5], resamples=100
    )
    text = read(findings_page(findings_report(found))).text
    assert "Edema 0 of 0: –; 3 unknown – – –" in text
    assert "the mean AUC over 1 of 2 findings" in text
    assert "Curves of Edema" not in text


def test_hostile_names_stay_text() -> None:
    evil = "<script>alert(1)</script>\"'&$\\frac{x}{$ \udcff\u202e"
    films = FindingFilms(n=40, findings=(f"a{evil}", f"b{evil}"))
    report = findings_report(films.measured())
    page = findings_page(dataclasses.replace(report, title=evil, caveats=(evil,)))
    assert read(page).tags.count("script") == page.count("<script") == 1  # the page's own
    page.encode("utf-8")


def test_the_learning_curve_says_what_its_last_step_brought(findings: FindingsReport) -> None:
    films = FindingFilms()
    skill = {60: 0.1, 240: 0.5, 720: 1.0}
    curve = finding_learning_curve([(n, films.measured(by)) for n, by in skill.items()])
    text = read(findings_page(dataclasses.replace(findings, learning=curve))).text
    before, last = curve[-2:]
    change = f"{before.auc_macro:.3f} to {last.auc_macro:.3f}"
    assert f"From 240 to 720 training images the mean AUC went from {change}: " in text
    assert f"720 {last.auc_macro:.3f} {last.interval.low:.3f} to {last.interval.high:.3f}" in text
    assert "Mean AUC over training size" in text


def test_one_size_of_training_is_no_learning_curve(findings: FindingsReport) -> None:
    curve = finding_learning_curve([(720, findings.metrics)])
    assert curve[0].to_json()["auc_macro"] == findings.metrics.macro.auc.value
    page = findings_page(dataclasses.replace(findings, learning=curve))
    assert "Would more films" not in page


def test_what_acting_on_findings_is_worth_has_a_curve_for_each(findings: FindingsReport) -> None:
    films = FindingFilms()
    given = (films.known(), films.answers(), films.findings, films.groups)
    curves = decision_curves(*given, resamples=200, most=2)
    page = findings_page(dataclasses.replace(findings, net_benefit=curves))
    assert "What acting on the answers is worth" in read(page).text
    drawn = {finding for finding in films.findings if f"Decision curve of {finding}" in page}
    assert drawn == {curve.label for curve in curves} == {"Effusion", "Atelectasis"}
