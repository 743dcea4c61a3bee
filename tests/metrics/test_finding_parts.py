"""Findings in parts of a test set: each part by itself, too few is no figure."""

import json

import numpy as np
import pytest

from spark_cxr.errors import InputError
from spark_cxr.metrics import measure_findings
from spark_cxr.metrics.finding_parts import FindingPart, measure_finding_parts

NAMES = ("Mass", "Edema")


def films(n: int = 240) -> tuple[np.ndarray, np.ndarray, list[str], list[str | None]]:
    rng = np.random.default_rng(2)
    truth = (rng.random((n, 2)) < [0.4, 0.2]).astype(float)
    shares = 1 / (1 + np.exp(-(rng.normal(size=(n, 2)) + truth)))
    parts: list[str | None] = ["NIH" if row < 160 else "Indiana" for row in range(n)]
    truth[rng.random((n, 2)) < 0.1] = np.nan
    parts[3] = None
    return truth, shares, [f"p{row // 2}" for row in range(n)], parts


@pytest.fixture(scope="module")
def parts() -> tuple[FindingPart, ...]:
    return measure_finding_parts(*films()[:2], NAMES, *films()[2:], resamples=200)


def test_a_part_has_the_figures_of_its_films_alone(parts: tuple[FindingPart, ...]) -> None:
    truth, shares, groups, names = films()
    rows = [row for row, name in enumerate(names) if name == "NIH"]
    alone = measure_findings(
        truth[rows], shares[rows], NAMES, [groups[row] for row in rows], [0.5] * 2, resamples=200
    )
    nih = parts[0]
    assert (nih.name, nih.n, nih.groups) == ("NIH", 159, 80)
    assert [each.auc for each in nih.findings] == [row.figures.auc for row in alone.rows]
    assert nih.auc_macro == alone.macro.auc
    assert [each.known for each in nih.findings] == [row.known for row in alone.rows]


def test_a_finding_of_too_few_films_has_no_auc_there(parts: tuple[FindingPart, ...]) -> None:
    small = parts[1]
    mass, edema = small.findings
    assert 0 < edema.positives < 20 <= mass.positives
    assert (edema.auc.value, edema.auc.interval) == (None, None)
    assert small.auc_macro == mass.auc
    assert small.measured == 1


def test_parts_turn_into_json(parts: tuple[FindingPart, ...]) -> None:
    said = parts[1].to_json()
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert said["findings"][1]["auc"] == {"value": None, "interval": None}


def test_a_part_for_each_film_is_expected() -> None:
    with pytest.raises(InputError, match="A part, or None, for each of 2 films"):
        measure_finding_parts([[1], [0]], [[0.5], [0.4]], ["Mass"], ["p", "q"], ["a"])
