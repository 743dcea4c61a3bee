"""The figure by source: what page, console and comparison.json say of it."""

from __future__ import annotations

import numpy as np
import pytest

from spark_cxr.metrics import measure, measure_parts
from spark_cxr.metrics.comparison_results import SourceComparison, SourceRow
from spark_cxr.metrics.source_wording import source_lines
from spark_cxr.report.sources import by_source
from tests.report.outline import read

LABELS = ("Normal", "Pneumonia")
LEFT_OUT = "COVID comes from x only (9 films)"


def row(head: str, seed: int) -> SourceRow:
    """Measure a head that is good on north, bad on south, and has few films of east."""
    rng = np.random.default_rng(seed)
    sources = ["north"] * 40 + ["south"] * 40 + ["east"] * 10
    truth = [LABELS[number % 2] for number in range(90)]
    right = np.array([0.9] * 40 + [0.4] * 40 + [0.5] * 10) > rng.random(90)
    first = (np.array(truth) == "Normal") == right
    shares = np.where(first[:, None], [0.8, 0.2], [0.3, 0.7])
    given = (truth, shares, LABELS, [str(number) for number in range(90)])
    metrics = measure(*given, resamples=100)
    return SourceRow("CXRNet", head, metrics, measure_parts(*given, sources, resamples=100))


@pytest.fixture(scope="module")
def found() -> SourceComparison:
    return SourceComparison((row("Logistic regression", 0), row("Decision tree", 1)), (LEFT_OUT,))


def test_sources_count_the_same_in_the_mean(found: SourceComparison) -> None:
    best = found.rows[0]
    north, south = (
        next(part.accuracy for part in best.sources if part.name == name)
        for name in ("north", "south")
    )
    assert north is not None
    assert south is not None
    assert best.macro_accuracy == pytest.approx((north + south) / 2)


def test_page_has_a_row_for_each_source_and_one_for_all(found: SourceComparison) -> None:
    page = read(str(by_source(found)))
    assert page.text.startswith("On a source that was not in its training, Logistic regression on")
    assert page.tags.count("tr") == 1 + 2 * 5
    assert "too few" in page.text
    assert "Always naming the commonest class" in page.text
    assert LEFT_OUT in page.text


def test_page_says_nothing_where_there_is_no_such_figure() -> None:
    assert by_source(None) == ""
    assert list(source_lines(None)) == []


def test_console_has_the_same(found: SourceComparison) -> None:
    lines = list(source_lines(found))
    assert lines[1].startswith("  Logistic regression on CXRNet: accuracy ")
    assert "mean of 2 sources: accuracy" in lines[1]
    assert any(line.startswith("    east: 10 films of 2 classes, too few") for line in lines)
    assert lines[-2].startswith("  note: Always naming the commonest class would be right on ")
    assert lines[-1] == f"  note: {LEFT_OUT}"


def test_json_has_the_figures_and_what_is_left_out(found: SourceComparison) -> None:
    kept = found.to_json()
    assert kept["left_out"] == [LEFT_OUT]
    assert [each["name"] for each in kept["ranking"][0]["sources"]] == ["north", "south", "east"]
    assert kept["ranking"][0]["macro_accuracy"] == found.rows[0].macro_accuracy
