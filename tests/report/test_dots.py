"""Dots with intervals: in words for who cannot see them, and in their places for who can."""

import re
import xml.etree.ElementTree as ET

from spark_cxr.metrics import Interval, LearningPoint
from spark_cxr.report.dots import Dot, Lane, draw_lanes, draw_learning

LANES = (
    Lane("Random forest on a", (Dot(0.8, Interval(0.7, 0.9), (0.75, 0.85)), Dot(0.9, None))),
    Lane("A tree on a", (Dot(0.6, Interval(0.5, 0.7)), None)),
)
CURVE = (
    LearningPoint(100, 0.6, Interval(0.5, 0.7)),
    LearningPoint(110, 0.65, None),
    LearningPoint(400, 0.8, Interval(0.75, 0.85)),
)


def texts(svg):
    return [each.text for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def described(svg):
    return re.search(r"<desc[^>]*>(.*?)</desc>", svg)[1].replace("\u202f", " ")


def test_lanes_are_named_and_numbered_from_the_top():
    assert [
        text for text in texts(draw_lanes(LANES, ("by patient", "by image"))) if "on a" in text
    ] == [
        "1. Random forest on a",
        "2. A tree on a",
    ]


def test_the_key_says_what_the_dots_stand_for():
    assert {"by patient", "by image"} <= set(texts(draw_lanes(LANES, ("by patient", "by image"))))


def test_what_is_drawn_is_also_said_in_words():
    assert described(draw_lanes(LANES, ("by patient", "by image"))) == (
        "Random forest on a, by patient: 80.0 % (70.0 to 90.0 %); "
        "Random forest on a, by image: 90.0 % (); A tree on a, by patient: 60.0 % (50.0 to 70.0 %)"
    )


def test_same_lanes_same_bytes():
    assert draw_lanes(LANES, ("a", "b")) == draw_lanes(LANES, ("a", "b"))


def test_one_kind_needs_no_second_dot():
    lanes = [Lane("x", (Dot(1.0, None),))]

    assert "1. x" in texts(draw_lanes(lanes, ("by patient",)))


def test_very_long_and_hostile_names_stay_inside():
    svg = draw_lanes([Lane("<script>" + 90 * "x", (Dot(0.5, None),))], ("<b>",))

    ET.fromstring(svg)
    assert "<script" not in svg
    assert any(text.endswith("…") for text in texts(svg))


def test_the_learning_curve_names_sizes_that_have_room():
    found = texts(draw_learning(CURVE))

    assert "400" in found
    assert "110" in found
    assert "100" not in found


def test_the_learning_curve_is_said_in_words():
    assert described(draw_learning(CURVE)).startswith("100 training images: 60.0 %; 110")
