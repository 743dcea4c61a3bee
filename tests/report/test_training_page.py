"""The page of a training run: what it says first, that it is whole, and that it stands alone."""

import dataclasses
import itertools
import re

import pytest

from spark_cxr.metrics import measure
from spark_cxr.report.training import training_page
from tests.report.outline import read


def outline(report):
    return read(training_page(report))


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

    notice = '<p class="notice" role="note">Research use only. Not for diag'
    assert body.startswith(f"<main>{notice}")


def test_caveats_stand_before_the_numbers(report):
    text = outline(report).text

    assert text.index("drawn phantoms, not patients") < text.index("Macro F1")


def test_a_leaking_split_claims_no_unseen_patients_and_warns(report):
    split = dataclasses.replace(report.split, method="split by image", shared=36)
    text = outline(dataclasses.replace(report, split=split)).text

    assert "never seen in training" not in text
    assert "36 of the 90 test images (40.0 %)" in text
    assert "have their patient in training too: expect less on new patients." in text


def test_the_verdict_says_what_is_true_of_patients(report):
    said = {"method": "split by film", "patients": "no patient is known", "unit": None}
    split = dataclasses.replace(report.split, shared=None, **said)
    text = outline(dataclasses.replace(report, split=split)).text

    verdict = "On 90 test images (drawn phantoms), split by film (no patient is known), the class"
    assert verdict in text
    assert "split by film: no patient is known" in text
    assert "by patient" not in text


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

    assert outline(hostile).tags.count("script") == page.count("<script") == 1  # the page's own
    assert page.count("&lt;script&gt;") > 20
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


def test_averages_stand_under_the_classes_as_in_a_classification_report(report):
    found, text = report.metrics, outline(report).text

    assert f"Mean of the classes {100 * found.macro.precision:.1f} %" in text
    assert f"Weighted by test images {100 * found.weighted.precision:.1f} %" in text


def test_parts_are_told_by_source_and_view(full):
    text = outline(full).text
    nih, _, few = full.parts[0].parts
    between = nih.accuracy_interval

    assert (
        f"NIH {100 * nih.accuracy:.1f} % {100 * between.low:.1f} to {100 * between.high:.1f} %"
    ) in text
    assert f"{few.name} too few too few 3 15 5" in text
    assert "The view of 86 test images is not known." in text


def test_a_part_of_one_class_is_explained(full):
    one = dataclasses.replace(full.parts[0].parts[0], labels=("COVID-19",), auc_macro=None)
    table = dataclasses.replace(full.parts[0], parts=(one,))
    explained = "In a part with a single class"

    assert explained in outline(dataclasses.replace(full, parts=(table,))).text
    assert explained not in outline(full).text


def test_the_learning_curve_says_what_its_last_step_brought(full):
    text, last = outline(full).text, full.learning[-1]

    assert "From 240 to 900 training images the accuracy went from" in text
    assert f"900 {100 * last.accuracy:.1f} % {100 * last.interval.low:.1f} to" in text


def test_one_size_of_training_is_no_curve(full):
    assert "Would more films" not in outline(dataclasses.replace(full, learning=())).text
    assert (
        "Would more films"
        not in outline(dataclasses.replace(full, learning=full.learning[:1])).text
    )


def test_the_audit_is_shown_with_the_worst_first(full):
    text = outline(full).text
    told = text[text.index("What an audit of the data found") :]
    order = [told.index(word) for word in ("✕ fails", "! warning", "✓ passes", "– not applicable")]

    assert "Of 3 checks, 1 failed, 1 warned, 1 passed." in told
    assert order == sorted(order)
    assert "All of it: audit/report.html" in told


def test_what_failed_the_audit_stands_before_the_numbers(full):
    text = outline(full).text

    assert text.index("All COVID-19 films are of one source.") < text.index("Macro F1")
    assert text.index("The border alone reaches") > text.index("Macro F1")


def test_the_full_page_is_whole_too(full):
    found = outline(full)

    assert all(address.startswith(("data:image/", "#")) for address in found.addresses)
    assert len(found.ids) == len(set(found.ids))
    assert "None" not in found.text


def test_shades_are_explained_only_where_there_are_any(report):
    one = measure(["a", "b"], [[0.9, 0.1], [0.2, 0.8]], "ab", ["p", "p"])

    assert "Shaded: 95 % of the resamples" in outline(report).text
    assert "Shaded" not in outline(dataclasses.replace(report, metrics=one)).text
