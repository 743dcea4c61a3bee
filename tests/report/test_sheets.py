"""Reporting sheets: every item has its state, and no answer that the run has not left."""

import dataclasses

import pytest

from spark_cxr.metrics.evaluation_results import EvaluationCounts, EvaluationReport
from spark_cxr.metrics.results import EpochPoint, LearningSummary, PartTable
from spark_cxr.report.card_record import METRICS, MODEL, PAGE, RUN, ExternalTest, of_evaluation
from spark_cxr.report.document import document_page
from spark_cxr.report.markdown import document_text
from spark_cxr.report.model_card import card_document
from spark_cxr.report.sheet_answers import ANSWERS
from spark_cxr.report.sheets import (
    FILLED,
    UNDONE,
    YOURS,
    count_states,
    fill,
    read_sheets,
    sheets_document,
)
from tests.report.card_fields import card_of, places_in, summary
from tests.report.finding_fields import FindingFilms, findings_report
from tests.report.outline import read, rendered

ROWS = {"STARD-AI": (40, 48), "TRIPOD+AI": (27, 52), "CLAIM, update of 2024": (44, 44)}
"""The numbers of each published list, and the rows that they have with a, b and c."""


@pytest.fixture(scope="module")
def findings():
    return findings_report(FindingFilms().measured())


def states(card):
    """Give the state of each item."""
    return {
        (sheet.title, each.item.number): each.state
        for sheet in read_sheets()
        for each in fill(sheet, card)
    }


def test_each_list_has_all_its_numbers_in_order():
    for sheet in read_sheets():
        numbers = [item.number for item in sheet.items]
        whole = [int(number.rstrip("abcdefg")) for number in numbers]
        last, rows = ROWS[sheet.title]
        assert list(dict.fromkeys(whole)) == list(range(1, last + 1))
        assert len(set(numbers)) == len(numbers) == rows


def test_each_item_asks_something_and_says_what_to_do_where_the_run_is_silent(report):
    bare = dataclasses.replace(card_of(report), figures={})
    for sheet in read_sheets():
        for each in fill(sheet, bare):
            item = each.item
            assert item.asks
            assert set(item.run) <= set(ANSWERS)
            assert not (item.write and item.undone), "one or the other"
            if each.state == UNDONE and not item.run:
                assert item.undone


def test_every_answer_is_asked_for():
    assert {name for sheet in read_sheets() for item in sheet.items for name in item.run} == set(
        ANSWERS
    )


def test_what_only_people_know_is_never_filled(full):
    found = states(card_of(full))
    for item in (("STARD-AI", "6"), ("STARD-AI", "38"), ("TRIPOD+AI", "17"), ("TRIPOD+AI", "18a")):
        assert found[item] == YOURS
    assert found["CLAIM, update of 2024", "16"] == YOURS


def test_a_test_elsewhere_is_not_done_until_there_is_one(full):
    card = card_of(full)
    test = ExternalTest("Kermany", 275, 275, (("Accuracy", "22.0 %"),), "evaluation.json")
    tested = dataclasses.replace(card, external=(test,))
    for item in (("CLAIM, update of 2024", "33"), ("STARD-AI", "29")):
        assert states(card)[item] == UNDONE
        assert states(tested)[item] == FILLED
    assert "22.0 %" in document_text(sheets_document(tested)).replace("\u202f", " ")


def test_fairness_is_done_where_people_are_known(full):
    by_sex = PartTable("sex", full.parts[0].parts)
    item = ("STARD-AI", "23")
    assert states(card_of(full))[item] == UNDONE
    assert states(card_of(dataclasses.replace(full, parts=(by_sex,))))[item] == FILLED


@pytest.mark.parametrize("which", ["full", "findings"])
def test_each_answer_names_a_place_where_its_value_stands(which, request):
    card = card_of(request.getfixturevalue(which))
    for answer in filter(None, (function(card) for function in ANSWERS.values())):
        assert answer.text
        assert answer.places
        for place in answer.places:
            assert place.file in (METRICS, MODEL, RUN, PAGE, "predictions/")
            value = card.figures
            for key in place.keys if place.file == METRICS else ():
                value = value[key]
            assert value is not None


def test_an_evaluation_answers_from_its_own_file(full):
    report = EvaluationReport(
        job="evaluate",
        title="lr elsewhere",
        metrics=full.metrics,
        answered=full.metrics,
        counts=EvaluationCounts(measured=90, refused=7, unreadable=0, exact=2, near=1),
        training={"accuracy": 0.98},
        data=full.data,
        model=(),
        run=full.run,
        parts=full.parts,
    )
    card = of_evaluation(report, summary(full.metrics.labels))
    found = states(card)
    text = document_text(sheets_document(card)).replace("\u202f", " ")

    assert found["CLAIM, update of 2024", "33"] == FILLED
    assert found["CLAIM, update of 2024", "25"] == UNDONE  # how it was trained
    assert "evaluation.json: accuracy, intervals.accuracy" in text
    assert "metrics.json" not in text
    shown = document_text(card_document(card)).replace("\u202f", " ")
    assert "7 films (7.8 %) would have had no answer" in shown
    assert "3 films were left out" in shown


@pytest.mark.parametrize("which", ["full", "findings"])
def test_nothing_is_answered_without_the_figures_of_the_run(which, request):
    card = dataclasses.replace(card_of(request.getfixturevalue(which)), figures={})
    for function in ANSWERS.values():
        answer = function(card)
        assert answer is None or METRICS not in {place.file for place in answer.places}


def test_a_network_that_learned_says_how(full):
    epochs = tuple(EpochPoint(n, "all", 0.1, 1 / n, 0.8, 1 / n, 0.8, 3.0) for n in range(1, 4))
    learned = dataclasses.replace(full, learned=LearningSummary(epochs, 2, 55))
    card = card_of(learned)
    more = {"recipe": {}, "history": [], "started_from": "ImageNet", "best_epoch": 2, "n_val": 55}
    card = dataclasses.replace(card, figures={**card.figures, **more})
    text = document_text(sheets_document(card))

    assert "The network learned for 3 epochs" in text
    assert "Epoch 2 did best on 55 validation films" in text
    assert "From ImageNet." in text


def test_page_and_markdown_count_the_same(full):
    card = card_of(full)
    document = sheets_document(card)
    written, text = document_page(document), document_text(document)
    page = read(written)
    for sheet in read_sheets():
        counts = count_states(fill(sheet, card))
        assert sum(counts.values()) == len(sheet.items)
        said = ", ".join(f"{count} {state}" for state, count in counts.items())
        assert f"{len(sheet.items)}: {said}" in page.text
        assert f"{len(sheet.items)}: {said}" in text
    assert page.tags.count("li") == 144 + 1 + written.count('href="#part-')
    assert text.count("✎ for you") == page.text.count("✎ for you")
    assert ("metrics.json", "intervals.accuracy") in places_in(text)
    assert "publisher’s own form" in page.text


def test_hostile_text_stays_text(hostile):
    card = card_of(hostile)
    page = document_page(sheets_document(card))

    assert page.count("<script") == 1  # the page's own
    assert "&lt;script&gt;" in page
    assert "script" not in read(rendered(document_text(sheets_document(card)))).tags


def test_the_page_loads_nothing_and_links_only_its_neighbours(full):
    page = read(document_page(sheets_document(card_of(full))))
    assert page.addresses == ["report.html", "card.html"]
