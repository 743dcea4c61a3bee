"""What a comparison comes to, in words, for each way it can come out."""

import dataclasses

import pytest

from spark_cxr.metrics import Difference, Interval
from spark_cxr.report import comparison_wording as words


def with_lead(report, value, interval, rows=2, **changed):
    """Let the best be ahead of all others by so much."""
    ahead = Difference(value, interval and Interval(*interval), 0.9)
    behind = dataclasses.replace(report.rows[1].behind, accuracy=ahead, **changed)
    others = [dataclasses.replace(row, behind=behind) for row in report.rows[1:rows]]
    return dataclasses.replace(report, rows=(report.rows[0], *others))


def with_gaps(report, gaps, intervals=None):
    """Let the rows look better by image by so much."""
    rows = []
    for place, gap in enumerate(gaps):
        row = report.rows[place]
        found = row.outcome.metrics
        flattered = dataclasses.replace(found, accuracy=found.accuracy + gap)
        leak = None
        if intervals:
            ahead = Difference(gap, Interval(*intervals[place]), 0.9)
            leak = dataclasses.replace(report.rows[0].leak, accuracy=ahead)
        by_image = dataclasses.replace(row.by_image, metrics=flattered)
        rows.append(dataclasses.replace(row, by_image=by_image, leak=leak))
    return dataclasses.replace(report, rows=tuple(rows))


def plain(text):
    return text.replace("\u202f", " ")


def test_an_interval_with_zero_shows_no_difference(field):
    said = words.duel(with_lead(field, 0.012, (-0.004, 0.029)))

    assert said == (
        f"It is ahead of {field.rows[1].name} by 1.2 points, but the interval of the difference, "
        "−0.4 to 2.9, includes zero: no difference is shown."
    )


def test_an_interval_above_zero_is_more_than_chance(field):
    said = plain(words.duel(with_lead(field, 0.021, (0.004, 0.039))))

    assert said == (
        f"It is ahead of {field.rows[1].name} by 2.1 points (95 % interval of the difference "
        "0.4 to 3.9): more than chance."
    )


def test_a_tie_is_no_lead(field):
    said = words.duel(with_lead(field, 0.0, (-0.01, 0.01)))

    assert said == (
        f"{field.rows[1].name} was right just as often; the interval of the difference, "
        "−1.0 to 1.0, includes zero: no difference is shown."
    )


def test_the_very_same_films_are_no_duel(field):
    said = words.duel(with_lead(field, 0.0, None, only_first=0, only_second=0))

    assert said == f"{field.rows[1].name} was right on the very same films."


def test_a_difference_without_an_interval_says_so(field):
    assert "too few groups" in words.duel(with_lead(field, 0.02, None))


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((-0.01, 0.03), "None of the 4 compared can be told from the best on these films."),
        ((0.01, 0.03), "Each of the others is behind by more than chance."),
    ],
)
def test_equals_of_the_best_are_counted(field, interval, expected):
    assert expected in words.remarks(with_lead(field, 0.02, interval, rows=4))


def test_a_gap_of_every_row_is_leak(field):
    assert words.leak(with_gaps(field, (0.011, 0.004))) == (
        "By image every one of them looks 0.4 to 1.1 points (0.8 on average) better than by "
        "patient: that much is leak, not skill."
    )


def test_the_gap_of_a_single_row_has_no_average(field):
    assert words.leak(with_gaps(field, (0.011,))) == (
        "By image it looks 1.1 points better than by patient: that much is leak, not skill."
    )


def test_gaps_whose_intervals_hold_zero_show_no_leak(field):
    said = words.leak(with_gaps(field, (0.011, 0.004), [(-0.01, 0.03), (-0.02, 0.02)]))

    assert said.endswith("but the interval of no such gap stays above zero: no leak is shown.")


def test_gaps_of_which_some_are_shown_are_counted(field):
    said = words.leak(with_gaps(field, (0.011, 0.004), [(0.001, 0.03), (-0.02, 0.02)]))

    assert said.endswith("the interval of the gap stays above zero for 1 of 2 only.")


def test_gaps_of_both_signs_are_no_leak(field):
    assert words.leak(with_gaps(field, (0.005, -0.003))) == (
        "By image the accuracies moved by −0.3 to 0.5 points (0.1 on average) against those by "
        "patient: no leak shows."
    )


def test_gaps_of_both_signs_of_which_some_are_shown_are_leak_there(field):
    said = words.leak(with_gaps(field, (0.03, -0.003), [(0.001, 0.06), (-0.02, 0.02)]))

    assert said.endswith("for 1 of 2 the interval of the gap stays above zero: there it is leak.")


def test_no_gap_at_all_is_no_leak(field):
    assert words.leak(with_gaps(field, (0.0, 0.0))) == (
        "By image the accuracies are those by patient: no leak shows."
    )


def test_a_comparison_split_one_way_says_nothing_of_leak(field):
    rows = tuple(dataclasses.replace(row, by_image=None) for row in field.rows)

    assert words.leak(dataclasses.replace(field, rows=rows)) == ""


def test_films_known_by_patient_are_counted_when_the_split_leaks(field):
    split = dataclasses.replace(field.split, method="image", shared=187)
    report = dataclasses.replace(field, split=split)

    assert "never saw" not in words.setting(report)
    assert words.setting(report).endswith("in 5 folds, split by image")
    assert any("187 of the 300 films (62.3 %)" in plain(each) for each in words.remarks(report))


@pytest.mark.parametrize("unknown", [{"unit": None}, {"shared": None}])
def test_unknown_patients_are_said_to_be_unknown(field, unknown):
    report = dataclasses.replace(field, split=dataclasses.replace(field.split, **unknown))

    assert "never saw" not in words.setting(report)
    assert any(each.startswith("Patients are not known") for each in words.remarks(report))


def test_two_are_not_called_chosen_of_many(field):
    two = with_lead(field, 0.02, (0.01, 0.03))

    assert not any("was chosen on the same films" in each for each in words.remarks(two))
    said = words.remarks(field)
    assert any("The best of 4 was chosen on the same films" in each for each in said)
