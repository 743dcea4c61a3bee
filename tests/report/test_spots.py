"""Drawings say their values to a pointer, and cells of the matrix lead to their films."""

import re
import xml.etree.ElementTree as ET

import pytest

from spark_cxr.report.plots import draw_confusion, draw_precision_recall, draw_reliability, draw_roc
from tests.report.finding_fields import FindingFilms
from tests.report.test_epochs import EPOCHS

SVG = "{http://www.w3.org/2000/svg}"


def spots(svg):
    """Give shape, middle and words of each spot, and the size of the drawing."""
    root = ET.fromstring(svg)
    size = tuple(map(float, root.get("viewBox").split()[2:]))
    found = []
    for each in root.iter():
        if each.get("class") == "spot":
            title = each.find(f"{SVG}title").text.replace("\u202f", " ")
            place = [float(each.get(key, 0)) for key in ("cx", "cy", "x", "y", "width", "height")]
            found.append((each.tag.removeprefix(SVG), place, title))
    return found, size


@pytest.mark.parametrize("draw", [draw_roc, draw_precision_recall, draw_reliability])
def test_each_curve_says_its_values_inside_the_drawing(draw, metrics):
    found, (width, height) = spots(draw(metrics))
    assert len(found) > 8
    for _, (across, up, left, top, wide, high), _ in found:
        assert 0 <= across + left + wide <= width
        assert 0 <= up + top + high <= height


def test_a_point_of_the_roc_says_its_threshold_and_both_rates(metrics):
    found, _ = spots(draw_roc(metrics))
    curve = metrics.curves.roc[1]
    words = {words for _, _, words in found}
    last = "Pneumonia, yes from {:.1f} % on: sensitivity 100.0 %, specificity 0.0 %"
    assert "Pneumonia, yes never: sensitivity 0.0 %, specificity 100.0 %" in words
    assert last.format(100 * curve.thresholds[-1]) in words


def test_a_spot_lies_on_its_value(metrics):
    """Between the ends of the axes, in the proportion of the rates."""
    found, _ = spots(draw_roc(metrics))
    of_label = [place for _, place, words in found if words.startswith("Pneumonia")]
    (left, bottom), (right, top) = of_label[0][:2], of_label[-1][:2]
    pattern = r"sensitivity ([\d.]+) %, specificity ([\d.]+) %"
    for _, place, words in found:
        hits, left_alone = (float(each) / 100 for each in re.search(pattern, words).groups())
        assert place[0] == pytest.approx(left + (1 - left_alone) * (right - left), abs=0.6)
        assert place[1] == pytest.approx(bottom + hits * (top - bottom), abs=0.6)


def test_a_cell_says_its_count_and_leads_to_its_films(metrics):
    svg = draw_confusion(metrics, {(0, 1), (2, 2)})
    found, _ = spots(svg)
    assert [shape for shape, _, _ in found] == ["rect"] * 9
    count = metrics.confusion[0][1]
    assert found[1][2].startswith(f"true No_findings, predicted Pneumonia: {count} (")
    assert re.findall(r'<a href="([^"]*)"', svg) == ["#cell-0-1", "#cell-2-2"]
    assert ' role="group"' in svg


def test_a_drawing_without_links_is_an_image(metrics):
    assert ' role="img"' in draw_confusion(metrics)


def test_small_curves_dots_and_epochs_have_spots():
    from spark_cxr.report.finding_plots import draw_aucs, draw_curves
    from spark_cxr.report.training import draw_loss

    row, *others = FindingFilms().measured().rows
    assert any("AUC" in words for _, _, words in spots(draw_aucs([row, *others]))[0])
    assert len(spots(draw_curves(row, 0))[0]) > 12
    assert {words for _, _, words in spots(draw_loss(EPOCHS, 2))[0]} >= {
        "epoch 2: training 0.600, validation 0.500"
    }


def test_words_of_a_spot_are_escaped(hostile):
    ET.fromstring(draw_roc(hostile.metrics))
    assert "<script" not in draw_confusion(hostile.metrics, {(0, 0)})
