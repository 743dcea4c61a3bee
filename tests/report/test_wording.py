"""How numbers are written."""

import pytest

from spark_cxr.metrics import Interval, wording


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.8724, "87.2 %"),
        (1.0, "100.0 %"),
        (0.99999, ">99.9 %"),
        (0.0, "0.0 %"),
        (0.0001, "<0.1 %"),
        (None, "–"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_none(share, expected):
    assert wording.percent(share).replace("\u202f", " ") == expected


def test_intervals_are_written_once_with_their_unit():
    assert wording.percent_range(Interval(0.831, 0.906)).replace("\u202f", " ") == "83.1 to 90.6 %"
    assert wording.decimal_range(Interval(0.9, 1)) == "0.900 to 1.000"
    assert wording.percent_range(None) == wording.decimal_range(None) == ""


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(3.21, "3.2 s"), (59.99, "1 min 0 s"), (83.4, "1 min 23 s"), (7265, "2 h 1 min")],
)
def test_seconds_are_said_as_a_person_would(seconds, expected):
    assert wording.duration(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "1 image"), (0, "0 images"), (1200, "1,200 images")]
)
def test_nouns_agree_with_their_count(count, expected):
    assert wording.counted(count, "image") == expected
