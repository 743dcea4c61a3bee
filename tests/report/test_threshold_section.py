"""The slider's data and the table beside it are the figures of the test."""

import dataclasses
import html
import json
import re

import numpy as np
import pytest

from spark_cxr.metrics import measure
from spark_cxr.report.findings import findings_page
from spark_cxr.report.thresholds import threshold_section
from tests.report.finding_fields import FindingFilms, findings_report
from tests.report.outline import read


def data_of(page):
    """Read what the script of a page reads."""
    return json.loads(html.unescape(re.search(r'data-tables="([^"]*)"', page)[1]))


def two_classes(label="ill"):
    rng = np.random.default_rng(8)
    truth = np.arange(120) % 2
    share = 1 / (1 + np.exp(-rng.normal(size=120) - truth))
    named = [(label, "well")[1 - each] for each in truth]
    groups = [f"p{row // 2}" for row in range(120)]
    return measure(named, np.c_[share, 1 - share], (label, "well"), groups, resamples=100), share


def test_the_data_of_two_classes_count_the_test():
    metrics, share = two_classes()
    ill, well = data_of(threshold_section(metrics))
    truth = np.arange(120) % 2 == 1
    assert (ill["label"], well["label"]) == ("ill", "well")
    for threshold, hits, alarms in ill["rows"]:
        yes = share >= threshold
        assert [hits, alarms] == [(yes & truth).sum(), (yes & ~truth).sum()]
    threshold, hits, alarms = ill["rows"][ill["own"]]
    assert threshold == 0.5
    assert hits / ill["positives"] == metrics.recall[0]
    assert 1 - alarms / ill["negatives"] == pytest.approx(metrics.recall[1])


def test_the_data_of_findings_agree_with_their_figures_and_have_their_intervals():
    metrics = FindingFilms().measured()
    tables = {each["label"]: each for each in data_of(threshold_section(metrics))}
    assert set(tables) == set(metrics.findings)
    for row in metrics.rows:
        table = tables[row.finding]
        threshold, hits, alarms = table["rows"][table["own"]]
        assert (threshold, hits, alarms) == (
            row.threshold,
            row.true_positives,
            row.false_positives,
        )
        interval = row.figures.sensitivity.interval
        low, high = (f"{100 * end:.1f}" for end in (interval.low, interval.high))
        assert table["ends"][0] == f"{low} to {high}\u202f%"


def test_without_script_a_table_has_some_points():
    metrics, _ = two_classes()
    text = read(threshold_section(metrics)).text
    hits = round(metrics.recall[0] * metrics.support[0])
    share = f"{100 * metrics.recall[0]:.1f} %"
    assert f"ill as it answers now 50.0 % {share} {hits} of {metrics.support[0]}" in text
    assert "sensitivity of 99 % or more" in text


def test_points_that_are_one_are_listed_once():
    """Of one film with a finding, every sensitivity is all or nothing."""
    metrics = FindingFilms().measured()
    rare = next(row for row in metrics.rows if row.finding == "Hernia")
    assert rare.positives < 10
    page = threshold_section(dataclasses.replace(metrics, rows=(rare,)))
    assert page.count("or more") == 1


def test_three_classes_have_no_slider(metrics):
    assert threshold_section(metrics) == ""


def test_the_page_of_findings_has_the_section():
    page = findings_page(findings_report(FindingFilms().measured()))
    assert "What another threshold leads to" in page
    assert len(data_of(page)) == 4


def test_a_hostile_label_stays_text():
    evil = "<script>alert(1)</script>\"'&"
    page = threshold_section(two_classes(evil)[0])
    assert "<script" not in page
    assert data_of(page)[0]["label"] == evil
