"""The page of a training run: what it says first, that it is whole, and that it stands alone."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import pytest

from spark_cxr.metrics import measure
from spark_cxr.report.html import VOID
from spark_cxr.report.training import training_page


class Outline(HTMLParser):
    """Checks that elements close in order; keeps tags, addresses and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [
            value for name, value in attrs if name in ("src", "href", "xlink:href", "action")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += f"{data} "


def outline(report):
    found = Outline()
    found.feed(training_page(report))
    found.close()
    assert found.open == []
    found.text = re.sub(r"\s+", " ", found.text.replace("\u202f", " "))
    return found


def test_same_report_same_bytes(report):
    assert training_page(report) == training_page(report)


def test_the_verdict_comes_first_with_its_interval_data_and_split(report):
    found, between = report.metrics, report.metrics.intervals.accuracy
    text = outline(report).text
    verdict = (
        "On 90 test images (drawn phantoms) of 30 patients never seen in training, "
        f"split by patient, the classifier was right on {100 * found.accuracy:.1f} % "
        f"(95 % interval {100 * between.low:.1f} to {100 * between.high:.1f} %)."
    )

    assert verdict in text
    assert text.index(verdict) < text.index("Class by class")


def test_the_notice_stands_before_everything_else(report):
    body = training_page(report).partition("<body>")[2]

    assert body.startswith('<main><p class="notice" role="note">Research use only. Not for diag')


def test_caveats_stand_before_the_numbers(report):
    text = outline(report).text

    assert text.index("drawn phantoms, not patients") < text.index("Macro F1")


def test_a_leaking_split_claims_no_unseen_patients_and_warns(report):
    split = dataclasses.replace(report.split, method="image", shared=36)
    text = outline(dataclasses.replace(report, split=split)).text

    assert "never seen in training" not in text
    assert "36 of the 90 test images (40.0 %)" in text
    assert "have their patient in training too: expect less on new patients." in text


@pytest.mark.parametrize("unknown", [{"unit": None}, {"shared": None}])
def test_unknown_patients_are_said_to_be_unknown(report, unknown):
    split = dataclasses.replace(report.split, **unknown)
    text = outline(dataclasses.replace(report, split=split)).text

    assert "never seen in training" not in text
    assert "Patients are not known" in text


def test_a_classifier_no_better_than_the_commonest_class_is_said_to_be_none(report):
    guess = measure(["a", "a", "b"], [[0.9, 0.1]] * 3, "ab", ["p", "q", "r"])
    text = outline(dataclasses.replace(report, metrics=guess)).text

    assert "would be right on 66.7 %: nothing here shows that the classifier does better" in text


def test_every_measure_of_a_class_is_in_its_row(report):
    found, text = report.metrics, outline(report).text
    row = (
        f"Pneumonia {100 * found.precision[1]:.1f} % "
        f"{100 * found.intervals.precision[1].low:.1f} to "
    )

    assert row in text
    assert f"{found.auc[1]:.3f} {found.intervals.auc[1].low:.3f} to " in text


@pytest.mark.parametrize(
    "expected",
    [
        "truncated the file ends before its pixels do 3",
        "Files seen 403 Images used 400 Patients 130",
        "Backbone ResNet50",
        "spark-submit jobs/train_lr.py --seed 7",
        "Time 1 min 23 s Speed 61.2 images/s seed 7",
        "pyspark 4.0.1",
        "No_findings taken for Pneumonia, 90.0 % sure file:/phantoms/a.png",
    ],
)
def test_what_the_run_rests_on_is_told(report, expected):
    assert expected in outline(report).text


def test_hostile_text_stays_text(hostile):
    page = training_page(hostile)

    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 20
    assert "script" not in outline(hostile).tags
    page.encode("utf-8")


@pytest.mark.parametrize("which", ["report", "hostile"])
def test_the_page_asks_for_nothing_outside_itself(which, request):
    addresses = outline(request.getfixturevalue(which)).addresses

    assert addresses
    assert all(address.startswith(("data:image/", "#")) for address in addresses)
    assert "@import" not in training_page(request.getfixturevalue(which))


def test_headings_go_down_without_a_gap(report):
    levels = [int(tag[1]) for tag in outline(report).tags if re.fullmatch("h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_nothing_optional_is_needed(report):
    bare = dataclasses.replace(
        report,
        metrics=measure(["a"], [[1, 0]], "ab", ["p"]),
        data=dataclasses.replace(report.data, patients=None, quarantined=()),
        run=dataclasses.replace(report.run, images_per_second=None),
        caveats=(),
        mistakes=(),
    )
    found = outline(bare)

    assert "On 1 test image (drawn phantoms) of 1 patient never seen" in found.text
    assert "No file had to be set aside." in found.text
    assert "img" not in found.tags
    assert "None" not in found.text
    assert "nan" not in found.text


def test_a_mistake_may_come_without_a_picture(report):
    mistake = dataclasses.replace(report.mistakes[0], image=b"")
    found = outline(dataclasses.replace(report, mistakes=(mistake,)))

    assert "img" not in found.tags
    assert "file:/phantoms/a.png" in found.text
