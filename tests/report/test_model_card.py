"""The card of a model: the figures of its training, what is not known, and no word of its own."""

import dataclasses

import pytest

from spark_cxr.metrics.results import PartTable
from spark_cxr.metrics.wording import decimal, percent, percent_range
from spark_cxr.report.card_record import ExternalTest
from spark_cxr.report.document import document_page
from spark_cxr.report.markdown import document_text
from spark_cxr.report.model_card import card_document, front_of
from tests.report.card_fields import card_of
from tests.report.finding_fields import FindingFilms, findings_report
from tests.report.outline import read, rendered

DECISION = {
    "recalibration": {"kind": "temperature", "temperature": [1.31], "shift": [], "steps": []},
    "points": [
        {
            "label": "Pneumonia",
            "threshold": 0.25,
            "wanted": 0.95,
            "reached": {"value": 0.96, "interval": {"low": 0.9, "high": 0.99}},
            "groups": None,
        }
    ],
    "sets": {
        "coverage": 0.9,
        "limits": {"Pneumonia": 0.125, "COVID-19": None},
        "counts": {"Pneumonia": 55, "COVID-19": 3},
        "absent": {},
    },
    "films": 1310,
    "steps": list(range(20)),
}


@pytest.fixture(scope="module")
def findings():
    return findings_report(FindingFilms().measured())


def both(card):
    """Give page and Markdown as the text that a reader sees."""
    document = card_document(card)
    return read(document_page(document)).text, document_text(document).replace("\u202f", " ")


def test_page_and_markdown_have_the_figures_with_their_intervals(full):
    found = full.metrics
    between = percent_range(found.intervals.accuracy).replace("\u202f", " ")
    nih = full.parts[0].parts[0]
    accuracy, of_nih = (percent(x).replace("\u202f", " ") for x in (found.accuracy, nih.accuracy))
    for text in both(card_of(full)):
        assert f"On 90 test films of 30 patients, it was right on {accuracy}" in text
        assert between in text
        for place, label in enumerate(found.labels):
            assert label in text
            assert decimal(found.auc[place]) in text
        assert nih.name == "NIH" and of_nih in text


def test_findings_have_theirs_with_counts(findings):
    for text in both(card_of(findings)):
        for row in findings.metrics.rows:
            assert decimal(row.figures.auc.value) in text
            assert f"{row.positives:,} of {row.known:,}" in text
            assert decimal(row.threshold) in text
        assert "4 findings, each of which a film has or has not" in text
        assert "Pneumoperitoneum has no head: 3 positive training films" in text


def test_what_failed_stands_before_the_figures(full):
    page, text = both(card_of(full))
    for words in (page, text):
        assert words.index("All COVID-19 films are of one source.") < words.index("Macro F1")
        assert words.index("The films are drawn phantoms") < words.index("Macro F1")
        assert "The border alone reaches 71.2 %." in words[words.index("Known limits") :]


def test_what_is_not_known_is_said(report):
    unknown = dataclasses.replace(report.data, patients=None)
    split = dataclasses.replace(report.split, shared=None, unit=None)
    for text in both(card_of(dataclasses.replace(report, data=unknown, split=split))):
        assert "Patients not known" in text or "| Patients | not known |" in text
        assert "films of one may be on both sides of the split" in text
        assert "no figures by source, view, sex, age" in text
        assert "has not been tested on films of another place" in text
        assert "None" not in text


def test_parts_by_whatever_the_films_name_are_shown_and_not_missed(full):
    by_sex = PartTable("sex", full.parts[0].parts)
    for text in both(card_of(dataclasses.replace(full, parts=(*full.parts, by_sex)))):
        assert "By sex" in text
        assert "no figures by age" in text


def test_a_decision_of_any_shape_is_written_out(full):
    for text in both(card_of(full, decision=DECISION)):
        for words in (
            "kind: temperature, temperature: 1.31",
            "0.25",
            "0.9 to 0.99",
            "0.125",
            "1,310",
        ):
            assert words in text
        assert "20 values" in text
        assert "Sets that are to hold the truth: coverage" in text
        assert "shift" not in text
        assert "nothing was recalibrated" not in text
    for text in both(card_of(full)):
        assert "nothing was recalibrated" in text


def test_a_test_elsewhere_takes_the_place_of_its_absence(full):
    test = ExternalTest("Kermany", 275, 275, (("Accuracy", "22.0 %"),), "evaluation.json")
    for text in both(dataclasses.replace(card_of(full), external=(test,))):
        assert "Kermany" in text
        assert "22.0 %" in text
        assert "Not done." not in text
        assert "has not been tested" not in text


def test_it_says_how_to_make_it_again_and_how_to_check_it(full):
    for text in both(card_of(full)):
        assert "spark-submit jobs/train_lr.py --seed 7" in text
        assert "spark-cxr evaluate --model" in text
        assert "Not for diagnosis" in text
        assert "no medical device" in text


def test_hubs_read_of_it_only_what_is_known(report):
    noted = dataclasses.replace(report.data, notes=(("Licence", "CC BY 4.0"),))
    known = dataclasses.replace(report, data=noted)

    assert front_of(card_of(known))["license"] == "apache-2.0"
    assert front_of(card_of(known))["metrics"] == ["accuracy", "f1", "roc_auc"]
    assert front_of(card_of(report)) == {}
    assert front_of(card_of(known, licence="as its owner says")) == {}
    assert front_of(card_of(known, licence="")) == {}


def test_hostile_text_stays_text(hostile):
    evil = hostile.title
    card = card_of(
        hostile, name=evil, weights=evil, decision={evil: {evil: 1.0}, "points": [{evil: evil}]}
    )
    page = document_page(card_document(card))

    assert page.count("<script") == 1  # the page's own
    assert page.count("&lt;script&gt;") > 20
    assert "script" not in read(rendered(document_text(card_document(card)))).tags
    page.encode("utf-8")


def test_the_page_loads_nothing_and_links_only_its_neighbours(full):
    assert read(document_page(card_document(card_of(full)))).addresses == [
        "report.html",
        "sheets.html",
    ]


def test_intervals_that_are_missing_leave_no_gap(report):
    bare = dataclasses.replace(
        report.metrics, intervals=dataclasses.replace(report.metrics.intervals, accuracy=None)
    )
    for text in both(card_of(dataclasses.replace(report, metrics=bare))):
        assert "(too few groups for an interval)." in text
