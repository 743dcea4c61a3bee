"""Maps of vectors on a page: three pictures a network, few words, the same bytes each time."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from spark_cxr.metrics.comparison_results import ComparisonReport
from spark_cxr.metrics.results import TrainingReport
from spark_cxr.metrics.vector_map import VectorMap, vector_map
from spark_cxr.report.comparison import comparison_page
from spark_cxr.report.training import training_page
from spark_cxr.report.vector_maps import vector_maps
from tests.report.outline import read

EVIL = "<script>alert(1)</script>$\\frac{x"


def heaps(kinds: int, each: int = 8, dim: int = 16) -> np.ndarray:
    """Draw vectors of a few kinds, each with a direction of its own."""
    rng = np.random.default_rng(3)
    return np.repeat(rng.normal(size=(kinds, dim)), each, 0) + 0.3 * rng.normal(
        size=(kinds * each, dim)
    )


def mapped(
    kinds: int = 3, backbone: str = "ResNet50", films: int = 0, **changes: object
) -> VectorMap:
    vectors = heaps(kinds)
    n = len(vectors)
    labels = [f"class {number // 8}" for number in range(n)]
    said = [labels[0] if number % 9 == 0 else label for number, label in enumerate(labels)]
    found = vector_map(
        vectors,
        labels,
        said,
        [f"hospital {number % 2}" for number in range(n)],
        backbone=backbone,
        head="Logistic regression",
        films=films or n,
    )
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def test_each_network_has_a_picture_by_class_by_source_and_by_mistake() -> None:
    outline = read(vector_maps([mapped(), mapped(backbone="CXRNet")]))
    assert outline.tags.count("svg") == 6
    assert "Mistakes of Logistic regression" in outline.text
    assert len(set(outline.ids)) == len(outline.ids)


def test_every_film_is_drawn_once_in_each_picture() -> None:
    drawn = re.findall(r"<svg.*?</svg>", vector_maps([mapped()]), re.DOTALL)
    legends = (3, 2, 2)
    assert [each.count("<use") for each in drawn] == [24 + legend for legend in legends]


def test_the_page_of_a_comparison_shows_maps_beside_the_ranking(field: ComparisonReport) -> None:
    page = comparison_page(dataclasses.replace(field, maps=(mapped(),)))
    outline = read(page)
    assert outline.text.index("Ranking") < outline.text.index("Maps of the vectors")
    assert read(comparison_page(field)).text.count("Maps of the vectors") == 0


def test_the_page_of_a_training_shows_the_map_of_its_test(report: TrainingReport) -> None:
    page = training_page(dataclasses.replace(report, map=mapped()))
    assert read(page).tags.count("svg") == read(training_page(report)).tags.count("svg") + 3


def test_the_same_vectors_give_the_same_bytes() -> None:
    assert vector_maps([mapped()]) == vector_maps([mapped()])


def test_a_source_that_all_films_share_has_no_picture() -> None:
    alone = mapped(sources=("a",) * 24)
    assert read(vector_maps([alone])).tags.count("svg") == 2


@pytest.mark.parametrize(("films", "words"), [(24, "All 24 films"), (96, "24 of the 96 films")])
def test_the_caption_counts_the_films_and_says_what_was_drawn(films: int, words: str) -> None:
    text = read(vector_maps([mapped(films=films)])).text
    assert words in text
    assert ("25.0 %" in text) == (films == 96)


def test_the_lead_says_what_it_is_and_what_it_is_not() -> None:
    text = read(vector_maps([mapped()])).text
    assert "t-SNE" in text
    assert "distances between heaps, their sizes and the axes mean nothing" in text
    assert "films nearest by cosine, " in text


@pytest.mark.parametrize("kinds", [2, 12, 15])
def test_up_to_twelve_classes_have_a_sign_each_and_the_rare_of_more_share_one(kinds: int) -> None:
    (found,) = re.findall(r'<desc id="map0-class-text">(.*?)</desc>', vector_maps([mapped(kinds)]))
    names = found.split("; ")
    assert len(names) == min(kinds, 12)
    assert (names[-1] == "4 others 32") == (kinds > 12)


def test_names_from_outside_stay_text() -> None:
    page = vector_maps([mapped(backbone=EVIL, head=EVIL, labels=(EVIL,) * 24)])
    assert "<script" not in page
    read(page)


def test_no_map_no_section() -> None:
    assert vector_maps([]) == ""
