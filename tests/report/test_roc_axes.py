"""ROC axes are even, or logarithmic where an AUC is above 0.99."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from spark_cxr.metrics import Metrics, RocCurve, measure
from spark_cxr.report.plots import draw_roc
from spark_cxr.report.roc_axes import RocAxes
from spark_cxr.report.sections import pictures

CURVE = RocCurve((0.0, 0.0, 0.02, 1.0), (0.0, 0.5, 0.9, 1.0), None, (np.inf, 0.9, 0.5, 0.1))


def measured(skill: float) -> Metrics:
    rng = np.random.default_rng(2)
    truth = np.arange(400) % 2
    score = 1 / (1 + np.exp(-rng.normal(size=400) - skill * (2 * truth - 1)))
    labels = [("well", "ill")[each] for each in truth]
    groups = [f"p{row}" for row in range(400)]
    return measure(labels, np.c_[1 - score, score], ("well", "ill"), groups, resamples=100)


def words(svg: str) -> set[str | None]:
    return {each.text for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}


@pytest.mark.parametrize(
    ("aucs", "expected"), [((0.99, None), False), ((None,), False), ((0.7, 0.991), True)]
)
def test_one_auc_above_the_bound_is_enough(aucs, expected):
    assert RocAxes.of([CURVE, None], aucs).is_logarithmic is expected


def test_rates_of_none_are_drawn_at_half_of_the_least():
    axes = RocAxes.of([CURVE], [0.995])
    across, up = axes.places(CURVE)
    assert across == [0.01, 0.01, 0.02, 1.0]
    assert up == pytest.approx([1.0, 0.5, 0.1, 0.05])


def test_even_axes_leave_rates_alone():
    axes = RocAxes.of([CURVE], [0.9])
    assert axes.places(CURVE) == ([*CURVE.false_positive_rate], [*CURVE.true_positive_rate])


def test_a_drawing_says_that_its_axes_are_logarithmic():
    wanted = {"False positive rate, logarithmic", "True positive rate, logarithmic", ".9", ".01"}
    assert wanted <= words(draw_roc(measured(2.5)))
    assert not wanted & words(draw_roc(measured(0.8)))


def test_the_caption_says_it_too():
    assert "Both axes are logarithmic" in pictures(measured(2.5))
    assert "logarithmic" not in pictures(measured(0.8))
