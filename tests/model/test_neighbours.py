"""The nearest vectors of a run: exact, block by block, and never those of another network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spark_cxr.errors import InputError
from spark_cxr.model import neighbours
from spark_cxr.model.neighbours import QueryFilm, check_network, open_vectors
from tests.model.run_with_vectors import run_with_vectors
from tests.quick import fake_plan

DIM = 6


def rows_of(n: int = 50, dim: int = DIM) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    return [
        {
            "path": f"file:/films/{number:03}.png",
            "sha256": f"{number:064x}",
            "label": None if number % 5 == 0 else "ab"[number % 2],
            "source": "s",
            "features": rng.normal(size=dim).astype(np.float32).tolist(),
        }
        for number in range(n)
    ]


def query(vector: Any, sha256: str = "other") -> QueryFilm:
    return QueryFilm(sha256, np.asarray(vector, np.float32))


def by_brute_force(rows: list[dict[str, Any]], vector: Any, count: int) -> list[str]:
    def cosine(row: dict[str, Any]) -> float:
        other = np.asarray(row["features"], float)
        return float(other @ vector / np.linalg.norm(other) / np.linalg.norm(vector))

    return [row["path"] for row in sorted(rows, key=cosine, reverse=True)[:count]]


@pytest.mark.parametrize("numbers", [1, DIM * 4, 2**21])
@pytest.mark.parametrize("count", [1, 7, 50])
def test_nearest_are_those_of_brute_force_whatever_the_blocks(
    numbers: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_NUMBERS", numbers)
    rows, vectors = rows_of(), np.random.default_rng(8).normal(size=(3, DIM)).astype(np.float32)
    table = open_vectors(run_with_vectors(tmp_path, rows).address, "--features")
    for vector, found in zip(vectors, table.nearest([*map(query, vectors)], count), strict=True):
        assert [n.path for n in found.neighbours] == by_brute_force(rows, vector, count)
        cosines = [n.cosine for n in found.neighbours]
        assert cosines == sorted(cosines, reverse=True)


def test_a_neighbour_has_the_labels_and_the_cosine_of_its_row(tmp_path: Path) -> None:
    rows = rows_of()
    table = open_vectors(run_with_vectors(tmp_path, rows).address, "--features")
    (found,) = table.nearest([query(np.array(rows[7]["features"]) * 3)], 1)
    assert found.neighbours == (
        neighbours.Neighbour("file:/films/007.png", rows[7]["sha256"], "b", "s", 1.0),
    )


def test_the_film_itself_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = rows_of()
    rows.append({**rows[3], "path": "file:/films/copy.png"})
    table = open_vectors(run_with_vectors(tmp_path, rows).address, "--features")
    own, other = table.nearest(
        [query(rows[3]["features"], rows[3]["sha256"]), query(rows[3]["features"])], 4
    )
    assert own.itself == 2
    assert {n.path for n in own.neighbours}.isdisjoint(
        {"file:/films/003.png", "file:/films/copy.png"}
    )
    assert len(own.neighbours) == 4
    assert [n.path for n in other.neighbours][:2] == ["file:/films/003.png", "file:/films/copy.png"]


def test_films_that_are_equally_near_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    rows = [{**row, "features": [1.0] * DIM} for row in rows_of()]
    for parts in (1, 3):
        output = run_with_vectors(tmp_path / str(parts), rows, parts)
        (found,) = open_vectors(output.address, "").nearest([query([1.0] * DIM)], 5)
        assert [n.path for n in found.neighbours] == [row["path"] for row in rows[:5]]


def test_a_vector_without_length_is_like_no_other(tmp_path: Path) -> None:
    output = run_with_vectors(tmp_path, rows_of(5))
    (found,) = open_vectors(output.address, "").nearest([query([0.0] * DIM)], 5)
    assert [n.cosine for n in found.neighbours] == [0.0] * 5


def test_vectors_of_another_length_are_refused(tmp_path: Path) -> None:
    output = run_with_vectors(tmp_path, rows_of(5))
    with pytest.raises(InputError, match=r"vectors of 7 numbers. Received: others in"):
        open_vectors(output.address, "").nearest([query([1.0] * 7)], 5)


@pytest.mark.parametrize("missing", ["features/_SUCCESS", "features/_network.json"])
def test_vectors_that_are_not_all_there_are_refused(missing: str, tmp_path: Path) -> None:
    output = run_with_vectors(tmp_path, rows_of(5))
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=r"--features of a run that left vectors"):
        open_vectors(output.address, "--features")


def test_vectors_of_another_network_are_refused(tmp_path: Path) -> None:
    output = run_with_vectors(tmp_path, rows_of(5), key="ResNet50-0123456789abcdef-f32")
    with pytest.raises(InputError, match=r"those of ResNet50-0123456789abcdef-f32"):
        check_network(open_vectors(output.address, ""), fake_plan())


def test_another_precision_of_the_same_network_is_noted(tmp_path: Path) -> None:
    table = open_vectors(run_with_vectors(tmp_path, rows_of(5)).address, "")
    assert check_network(table, fake_plan()) == ""
    other = neighbours.KeptVectors(table.output, f"{table.network.rpartition('-')[0]}-bf16")
    assert check_network(other, fake_plan()).startswith("vectors in bf16, films looked at in ")


def test_vectors_that_are_held_give_the_same_neighbours(tmp_path: Path) -> None:
    table = open_vectors(run_with_vectors(tmp_path, rows_of()).address, "")
    vector = np.random.default_rng(2).normal(size=DIM)
    (found,) = table.nearest([query(vector)], 6)
    held = table.held(DIM).nearest(vector, 6)
    assert [label for label, _ in held] == [n.label for n in found.neighbours]
    assert [c for _, c in held] == pytest.approx([n.cosine for n in found.neighbours], abs=1e-4)
