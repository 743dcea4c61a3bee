"""Names fit the room of a drawing, and names of one family stay apart."""

import pytest

from spark_cxr.report.names import in_lines, shortened


@pytest.mark.parametrize(
    ("name", "most", "expected"),
    [
        ("Effusion", 20, "Effusion"),
        ("Enlarged Cardiomediastinum", 16, "Enlarged…astinum"),
        ("a rather long name of class 7", 16, "a rather…class 7"),
        ("  ", 16, "–"),
        ("a\u202eb", 16, "a\ufffdb"),
    ],
)
def test_a_long_name_loses_its_middle(name, most, expected):
    assert shortened(name, most) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Covid-19", "Covid-19"),
        ("Viral Pneumonia", "Viral \nPneumonia"),
        ("Lung_Opacity_on_the_left", "Lung_Opacity_\non_the_left"),
        ("Enlarged Cardiomediastinum", "Enlarged \nCardiom…stinum"),
        ("", "–"),
        ("肺炎", "肺炎"),
    ],
)
def test_a_name_breaks_between_its_parts(name, expected):
    lines = in_lines(name, 14)
    assert lines == "\n".join(line.strip() for line in expected.split("\n"))


@pytest.mark.parametrize("name", ["x" * 99, "a b " * 40, "_" * 50, "a rather long name of class 7"])
def test_no_line_is_longer_than_its_room(name):
    lines = in_lines(name, 14).split("\n")
    assert len(lines) <= 2
    assert all(len(line) <= 14 for line in lines)
