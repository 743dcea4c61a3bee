"""Whether age, sex, maker or device give a label away: counted by patients, less chance."""

import numpy as np
import pytest

from spark_cxr.config import defaults
from spark_cxr.metrics.counts import chance_z, corrected_v, cramers_v
from spark_cxr.pipeline.checks.demographics import judge_demographics

SETTINGS = defaults().audit
CHILDREN = {
    "age band": {
        **{("Pneumonia", "0-17"): 90, ("Pneumonia", "40-64"): 10, ("Pneumonia", "unknown"): 7},
        **{("Normal", "0-17"): 5, ("Normal", "40-64"): 95},
    },
    "sex": {
        ("Pneumonia", "F"): 50,
        ("Pneumonia", "M"): 50,
        ("Normal", "F"): 48,
        ("Normal", "M"): 52,
    },
    "maker": {("Pneumonia", "unknown"): 100, ("Normal", "unknown"): 100},
}


def test_an_age_that_stands_for_a_class_fails_and_is_named():
    (check,) = judge_demographics(CHILDREN, SETTINGS)
    assert (check.status, check.brief) == ("fail", "age band, V 0.850")
    assert "telling the age band and not the disease" in check.sentence
    assert "over 200 patients" in check.sentence
    assert check.grid.headings == ("Label", "0-17", "40-64", "unknown")
    assert [name for name, _ in check.numbers] == ["cramers_v_age_band", "cramers_v_sex"]


def test_what_goes_with_no_label_passes():
    (check,) = judge_demographics({"sex": CHILDREN["sex"]}, SETTINGS)
    assert (check.status, dict(check.numbers)) == ("pass", {"cramers_v_sex": 0.0})


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"maker": CHILDREN["maker"]},
        {"sex": {("Normal", "F"): 100, ("Normal", "M"): 100}},
        {"sex": {("Normal", "F"): 10, ("Pneumonia", "M"): 9}},
    ],
)
def test_nothing_is_judged_where_little_is_known(counts):
    assert judge_demographics(counts, SETTINGS) == ()


def test_corrected_v_of_unrelated_properties_is_near_0_where_the_plain_one_is_not():
    dice = np.random.default_rng(1)
    tables = [dice.multinomial(40, [1 / 12] * 12).reshape(3, 4).tolist() for _ in range(200)]
    assert np.mean([cramers_v(table) for table in tables]) > 0.25
    assert np.mean([corrected_v(table) for table in tables]) < 0.12


def test_few_patients_without_a_relation_seldom_warn():
    dice, found = np.random.default_rng(2), []
    for _ in range(300):
        counts = {}
        for by, names in (
            ("age band", "abcd"),
            ("sex", "FM"),
            ("maker", "xyz"),
            ("device", "1234"),
        ):
            cells = dice.multinomial(60, [1 / (3 * len(names))] * 3 * len(names))
            keys = [(label, name) for label in "IJK" for name in names]
            counts[by] = dict(zip(keys, cells.tolist(), strict=True))
        (check,) = judge_demographics(counts, SETTINGS)
        found.append(check.status)
    assert found.count("pass") >= 290


def test_corrected_v_of_many_counts_is_the_plain_one():
    table = [[900_000, 100_000], [50_000, 950_000]]
    assert corrected_v(table) == pytest.approx(cramers_v(table), abs=1e-5)
    assert corrected_v([[5, 0], [0, 5]]) == pytest.approx(1.0)
    assert (corrected_v([[5, 5]]), chance_z([[5, 5]])) == (None, 0.0)
