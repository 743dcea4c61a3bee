"""The page of a comparison: the verdict first, a row for each, and everything it rests on."""

import dataclasses
import itertools
import json
import re

import pytest

from spark_cxr.metrics.comparison_results import ranked
from spark_cxr.metrics.results import Mistake
from spark_cxr.report.comparison import comparison_page
from tests.report.outline import read


def outline(report):
    return read(comparison_page(report))


def alone(report):
    """Leave one classifier, split one way, and nothing that is optional."""
    row = dataclasses.replace(
        report.rows[0], by_image=None, leak=None, behind=None, images_per_second=None
    )
    return dataclasses.replace(
        report,
        rows=(row,),
        image_split=None,
        setup=(),
        caveats=(),
        audit=None,
        published=(),
        parts=(),
        mistakes=(),
    )


def test_same_report_same_bytes(field):
    assert comparison_page(field) == comparison_page(field)


def test_the_verdict_comes_first_with_its_interval_data_and_split(field):
    best, text = field.best.outcome.metrics, outline(field).text
    between = best.intervals.accuracy
    verdict = (
        "On 300 films (made-up films) of 100 patients, each tested once, in 5 folds, by a "
        f"classifier that never saw its patient, {field.best.name} comes first, right on "
        f"{100 * best.accuracy:.1f} % (95 % interval {100 * between.low:.1f} to "
        f"{100 * between.high:.1f} %). It is ahead of {field.rows[1].name} by"
    )

    assert verdict in text
    assert text.index(verdict) < text.index("Ranking")


def test_the_notice_stands_before_everything_else(field):
    body = comparison_page(field).partition("<body>")[2]

    notice = '<p class="notice" role="note">Research use only. Not for diag'
    assert body.startswith(f"<main>{notice}")


def test_rows_are_ranked_and_numbered(field):
    text = outline(field).text
    table = text[text.index("Rank, head, backbone") :]
    places = [table.index(f"{n}. {row.head} {row.backbone}") for n, row in enumerate(field.rows, 1)]

    assert places == sorted(places)
    assert list(field.rows) == list(ranked(reversed(field.rows)))
    accuracies = [row.outcome.metrics.accuracy for row in field.rows]
    assert accuracies == sorted(accuracies, reverse=True)


def test_a_row_has_both_accuracies_side_by_side_with_intervals_and_the_gap(field):
    row = field.rows[1]
    cells = []
    for outcome in (row.outcome, row.by_image):
        found = outcome.metrics
        low, high = (100 * x for x in dataclasses.astuple(found.intervals.accuracy))
        cells.append(f"{100 * found.accuracy:.1f} % {low:.1f} to {high:.1f} %")
    gap = 100 * (row.by_image.metrics.accuracy - row.outcome.metrics.accuracy)

    assert f"{row.backbone} {cells[0]} {cells[1]} {gap:.1f} " in outline(field).text


def test_a_row_ends_with_losses_and_speed(field):
    found = field.rows[0].outcome.metrics
    low, high = dataclasses.astuple(found.intervals.log_loss)

    assert f"{found.log_loss:.3f} {low:.3f} to {high:.3f} 3.2 61.2" in outline(field).text


def test_the_best_two_are_held_against_each_other_film_by_film(field):
    paired, text = field.rows[1].behind, outline(field).text

    assert f"{paired.only_first} films only the first classified correctly" in text
    assert f"p = {paired.mcnemar_p:.3g}" in text
    assert f"{100 * paired.accuracy.ahead:.1f} %" in text


def test_folds_are_told_one_by_one(field):
    row = field.rows[0]
    told = " ".join(f"{100 * each:.1f} %" for each in row.outcome.folds)
    low, high = 100 * min(row.outcome.folds), 100 * max(row.outcome.folds)

    assert f"{row.backbone} {told} {low:.1f} % to {high:.1f} %" in outline(field).text


@pytest.mark.parametrize(
    "expected",
    [
        "The films are made up.",
        "truncated the file ends before its pixels do 2",
        "Files seen 302 Images used 300 Patients 100",
        "Films tested of each class Class Films No_findings 100 Pneumonia 100 COVID-19 100",
        "By patient Folds 5 Films tested with their patient or a twin in training 0 of 300 Seed 7",
        "By image Folds 5 Films tested with their patient or a twin in training 187 of 300",
        "Somebody 2020 three classes by image A Journal 87.0 %",
        "compare a figure by image with those by image only",
        "spark-submit jobs/compare.py --folds 5 --seed 7",
        "Of 3 checks, 1 failed, 1 warned, 1 passed.",
        "Engine openvino on CPU in bf16",
        "No_findings taken for Pneumonia, 93.0 % sure a.png",
        "elsewhere too few too few 3 15 5",
    ],
)
def test_what_the_comparison_rests_on_is_told(field, expected):
    assert expected in outline(field).text


def test_nothing_optional_is_needed(field):
    found = outline(alone(field))

    assert f"{field.best.name} was right on" in found.text
    assert "by image" not in found.text
    assert "The best two" not in found.text
    assert "None" not in found.text
    assert "nan" not in found.text


def test_a_single_test_set_has_no_folds(field):
    bare = alone(field)
    row = dataclasses.replace(
        bare.rows[0], outcome=dataclasses.replace(bare.rows[0].outcome, folds=())
    )
    split = dataclasses.replace(bare.split, folds=1)
    text = outline(dataclasses.replace(bare, rows=(row,), split=split)).text

    assert "never seen in training, split by patient" in text
    assert "Fold by fold" not in text


def test_a_row_without_a_split_by_image_stays_in_the_ranking(field):
    last = dataclasses.replace(field.rows[-1], by_image=None, leak=None)
    text = outline(dataclasses.replace(field, rows=(*field.rows[:-1], last))).text

    assert re.search(rf"4\. {last.head} {last.backbone} [\d.]+ % [\d.]+ to [\d.]+ % – – ", text)


def test_the_page_asks_for_nothing_outside_itself(field):
    found = outline(field)

    assert found.addresses
    assert all(address.startswith(("data:image/", "#")) for address in found.addresses)
    assert len(found.ids) == len(set(found.ids))


def test_headings_go_down_without_a_gap(field):
    levels = [int(tag[1]) for tag in outline(field).tags if re.fullmatch("h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_hostile_text_stays_text(field):
    evil = "<script>alert(1)</script>\"'&$\\frac{x}{$ \udcff\u202e"
    rows = tuple(dataclasses.replace(row, backbone=evil, head=evil) for row in field.rows)
    report = dataclasses.replace(
        field,
        title=evil,
        job=evil,
        rows=rows,
        caveats=(evil,),
        setup=((evil, evil),),
        split=dataclasses.replace(field.split, method=evil, unit=evil),
        published=tuple(
            dataclasses.replace(each, who=evil, task=evil, split=evil, source=evil)
            for each in field.published
        ),
        mistakes=(Mistake(evil, evil, evil, 0.5),),
    )
    page = comparison_page(report)

    assert read(page).tags.count("script") == page.count("<script") == 1  # the page's own
    page.encode("utf-8")


def test_the_json_has_every_row_and_no_nan(field):
    found = field.to_json()

    assert json.loads(json.dumps(found, allow_nan=False))
    assert [row["head"] for row in found["ranking"]] == [row.head for row in field.rows]
    assert found["ranking"][0]["by_image"]["accuracy"] == field.best.by_image.metrics.accuracy
    assert found["ranking"][1]["behind_the_best"]["mcnemar_p"] == field.rows[1].behind.mcnemar_p
    assert found["ranking"][0]["behind_the_best"] is None


def test_the_mean_gap_is_over_all_rows(field):
    gaps = [r.by_image.metrics.accuracy - r.outcome.metrics.accuracy for r in field.rows]

    assert field.mean_gap == pytest.approx(sum(gaps) / 4)
