"""Notebooks in the style of 2019 run with the one line, as examples/sparkdl/ has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spark_cxr.backbones import weights
from tests.examples.test_notebooks import ROOT, cells, execute, is_magic, is_parameters, source

NOTEBOOKS = sorted((ROOT / "examples" / "sparkdl").glob("*.ipynb"))
OLD = "import spark_cxr.sparkdl.compat"
NEW = "spark_cxr"


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the weights of networks that would be fetched."""
    drawn = weights.resolve

    def untrained(backbone: Any, *_: Any) -> Any:
        return drawn("random:0", backbone)

    monkeypatch.setattr(weights, "_imagenet", untrained)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_the_form_of_the_others(path: Path) -> None:
    first, *others = cells(path)
    assert source(first).startswith("%pip ")
    assert not any(map(is_magic, others))
    assert sum(map(is_parameters, others)) == 1
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in others)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_one_line_is_all_that_is_new(path: Path) -> None:
    """After it nothing names this package."""
    texts = [source(cell) for cell in cells(path)]
    (number,) = (number for number, text in enumerate(texts) if text.startswith(OLD))
    assert [text for text in texts[number + 1 :] if NEW in text] == []
    assert any("sparkdl" in text for text in texts[number + 1 :])


@pytest.mark.slow
def test_flowers(spark: Any, no_download: None, tmp_path: Path) -> None:
    space = execute("sparkdl/flowers.ipynb", {}, {"WORK": str(tmp_path), "PICTURES": 12})
    assert space["accuracy"] == 1.0
    assert space["wrong_df"].count() > 0


@pytest.mark.slow
def test_chest_films(spark: Any, no_download: None, tmp_path: Path) -> None:
    """The damaged film is among what is read, and in no prediction."""
    space = execute("sparkdl/chest_films.ipynb", {}, {"WORK": str(tmp_path / "films"), "FILMS": 24})
    films = space["normal_df"].unionAll(space["covid_df"])
    assert films.where("image.height = -1 OR image IS NULL").count() == 1
    assert 0.0 <= space["accuracy"] <= 1.0


def test_keras_files(spark: Any, tmp_path: Path) -> None:
    space = execute("sparkdl/keras_files.ipynb", {}, {"WORK": str(tmp_path), "PICTURES": 3})
    assert space["keras_pred_df"].count() == 7
    assert space["pred"].shape == (6, 2)
    np.testing.assert_allclose(space["pred"].sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.slow
def test_sql_function(spark: Any, tmp_path: Path) -> None:
    """The network in memory, its file, and the one with a function give the same."""
    space = execute("sparkdl/sql_function.ipynb", {}, {"WORK": str(tmp_path), "PICTURES": 2})
    rows = space["predictions_df"].where("a IS NOT NULL").collect()
    assert len(rows) == 4
    np.testing.assert_allclose([row.a for row in rows], [row.b for row in rows], atol=1e-5)
    np.testing.assert_allclose(np.sum([row.c for row in rows], axis=1), 1.0, atol=1e-5)


@pytest.mark.slow
def test_tuning(spark: Any, tmp_path: Path) -> None:
    space = execute("sparkdl/tuning.ipynb", {}, {"WORK": str(tmp_path), "PICTURES": 8})
    assert len(space["cvModel"].avgMetrics) == 2
    assert space["area"] > 0.5
