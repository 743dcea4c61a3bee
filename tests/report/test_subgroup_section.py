"""Missed disease by group on a page, on the console and in words."""

import dataclasses

import numpy as np
import pytest

from spark_cxr.metrics.subgroup_gaps import SubgroupGaps, subgroup_gaps
from spark_cxr.metrics.subgroup_wording import TOO_FEW, gap_warnings, gaps_in_words, judged
from spark_cxr.report.html import Html
from spark_cxr.report.subgroups import missed_by_group


def gaps_of(one_woman_in: int, makers: int = 200) -> SubgroupGaps:
    """Measure 400 sick patients, of whom a man in ten is missed; the last have another maker."""
    sexes, turn = np.tile(["F", "M"], 200), np.arange(400) // 2
    missed = turn % np.where(sexes == "F", one_woman_in, 10) == 0
    maker = ["Alder" if n < 400 - makers else "<b>Birch" for n in range(400)]
    parts = {"sex": [*sexes[:-1], None], "maker": maker}
    groups = [f"p{n}" for n in range(400)]
    return subgroup_gaps([True] * 400, missed, groups, parts, label="disease", resamples=100)


@pytest.fixture(scope="module")
def planted() -> SubgroupGaps:
    return gaps_of(2)


def test_a_gap_beyond_chance_is_a_warning_in_words(planted):
    (sentence,) = gap_warnings(planted)
    assert sentence.startswith("sex F: of 200 films with disease ")
    assert "percentage points more than in the other groups" in sentence
    assert sentence.endswith("more than chance explains.")


@pytest.mark.parametrize(
    ("makers", "said"),
    [
        (200, "In none of 4 groups are more films with disease missed than chance explains."),
        (4, "In none of 2 groups are more films with disease missed than chance explains."),
    ],
)
def test_groups_in_which_nothing_stands_out_are_counted(makers, said):
    assert gaps_in_words(gaps_of(10, makers)).startswith(said)


def test_a_single_group_is_named_as_one():
    found = gaps_of(10, 4)
    alone = dataclasses.replace(found, rows=(found.rows[0], found.rows[-1]))
    said = "In the one group with enough patients no more films with disease are missed than"
    assert gaps_in_words(alone).startswith(said)


def test_warnings_come_first_on_the_page(planted):
    page = missed_by_group(planted)
    assert page.index("caveats") < page.index("<table")
    assert gaps_in_words(planted) in page
    assert "of 1 film it is not known" in page


def test_names_of_groups_are_text_on_the_page(planted):
    assert "<b>Birch" not in missed_by_group(planted)


def test_without_a_gap_nobody_is_warned_and_nothing_is_promised():
    found = gaps_of(10)
    assert gap_warnings(found) == ()
    assert "no proof" in gaps_in_words(found)
    assert "caveats" not in missed_by_group(found)


def test_a_small_group_is_too_few_to_say():
    found = gaps_of(10, makers=5)
    small = {row.name: judged(row) for row in found.rows if row.by == "maker"}
    assert set(small.values()) == {TOO_FEW}
    assert "Of 2 groups nothing can be said" in gaps_in_words(found)


def test_nothing_is_shown_where_nothing_is_known():
    assert missed_by_group(None) == Html("")
    assert gap_warnings(None) == ()
