"""Pictures of curves and of the confusion matrix: well-formed, deterministic, at home in a page."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from spark_cxr.metrics import measure
from spark_cxr.report.plots import draw_confusion, draw_precision_recall, draw_reliability, draw_roc

DRAWERS = [draw_confusion, draw_roc, draw_precision_recall, draw_reliability]


def words(svg):
    return [each.text for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("draw", DRAWERS)
def test_same_metrics_same_bytes(draw, metrics):
    assert draw(metrics) == draw(metrics)


@pytest.mark.parametrize("draw", DRAWERS)
def test_a_drawing_is_one_svg_element_with_a_role_and_a_name(draw, metrics):
    root = ET.fromstring(draw(metrics))
    ids = {each.get("id") for each in root.iter()}

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img"
    assert set(root.get("aria-labelledby").split()) <= ids


@pytest.mark.parametrize("draw", DRAWERS)
def test_ink_and_font_are_those_of_the_page(draw, metrics):
    svg = draw(metrics)

    assert "currentColor" in svg
    assert "#010203" not in svg
    assert "font-family" not in svg
    assert "<style" not in svg


@pytest.mark.parametrize("draw", DRAWERS)
def test_every_reference_has_its_target(draw, metrics):
    svg = draw(metrics)
    ids = re.findall(r' id="([^"]+)"', svg)

    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= set(ids)
    assert len(ids) == len(set(ids))


def test_ids_differ_between_drawings_of_a_page(metrics):
    ids = [each for draw in DRAWERS for each in re.findall(r' id="([^"]+)"', draw(metrics))]

    assert len(ids) == len(set(ids))


def test_the_matrix_says_counts_and_shares_of_rows(metrics):
    found = words(draw_confusion(metrics))

    for row in metrics.confusion:
        for cell in row:
            assert str(cell) in found
            assert f"{100 * cell / sum(row):.1f}\u202f%" in found


def test_the_roc_legend_says_each_auc_with_its_interval(metrics):
    interval = metrics.intervals.auc[1]
    expected = f"Pneumonia: AUC {metrics.auc[1]:.3f} ({interval.low:.3f} to {interval.high:.3f})"

    assert expected in words(draw_roc(metrics))


@pytest.mark.parametrize("draw", DRAWERS)
@pytest.mark.parametrize("k", [2, 9])
def test_few_and_many_classes_are_drawn(draw, k):
    labels = tuple(f"a rather long name of class {i}" for i in range(k))
    shares = [[1 / k] * k] * k

    ET.fromstring(draw(measure(labels, shares, labels, labels)))


@pytest.mark.parametrize("draw", DRAWERS)
def test_one_image_is_drawn(draw):
    ET.fromstring(draw(measure(["a"], [[1, 0]], ["a", "b"], ["p"])))


@pytest.mark.parametrize("draw", DRAWERS)
def test_hostile_labels_stay_text(draw, hostile):
    svg = draw(hostile.metrics)

    ET.fromstring(svg)
    assert "<script" not in svg
    svg.encode("utf-8")


@pytest.mark.parametrize("draw", [draw_confusion, draw_roc, draw_precision_recall])
def test_letters_that_matplotlib_lacks_are_no_warning(draw):
    labels = ["肺炎", "正常"]

    assert "肺炎" in draw(measure(labels, [[0.9, 0.1], [0.4, 0.6]], labels, labels))


def test_drawing_starts_no_pyplot_and_keeps_settings():
    code = (
        "import sys, matplotlib\n"
        "def kept():\n"
        "    names = set(matplotlib.rcParams) - {'backend'}  # to ask for it starts pyplot\n"
        "    return {name: matplotlib.rcParams[name] for name in names}\n"
        "before = kept()\n"
        "from spark_cxr.metrics import measure\n"
        "from spark_cxr.report.plots import draw_roc\n"
        "draw_roc(measure('ab', [[.9, .1], [.4, .6]], 'ab', 'pq'))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert kept() == before\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_page_imports_no_matplotlib_and_no_pyspark():
    code = (
        "import sys, spark_cxr.report.training\n"
        "assert not {'matplotlib', 'pyspark', 'pandas'} & set(sys.modules)\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def shades(svg):
    return len(re.findall(r"opacity: ?0?\.13", svg))


@pytest.mark.parametrize("draw", [draw_roc, draw_precision_recall])
def test_few_curves_are_shaded_with_their_bands_and_many_are_not(draw, metrics):
    labels = [f"class {i}" for i in range(6)]
    shares = [[0.7 if i == j else 0.06 for j in range(6)] for i in range(6)] * 3
    many = measure(labels * 3, shares, labels, [f"p{i}" for i in range(18)])

    assert many.curves.roc[0].band is not None
    assert shades(draw(metrics)) == 3
    assert shades(draw(many)) == 0


def test_the_legend_of_precision_and_recall_has_intervals(metrics):
    interval = metrics.intervals.average_precision[1]
    expected = (
        f"Pneumonia: AP {metrics.average_precision[1]:.3f} "
        f"({interval.low:.3f} to {interval.high:.3f})"
    )

    assert expected in words(draw_precision_recall(metrics))
