import csv
import hashlib
import io

import numpy as np
import pytest

from spark_cxr.errors import ConfigError
from spark_cxr.phantoms import (
    BOX_COLUMNS,
    SHARES,
    FindingBox,
    Phantom,
    Series,
    box_rows,
    draw,
    make,
    manifest_columns,
    manifest_csv,
    manifest_row,
    phantoms,
    plan,
)

ALL = tuple(SHARES.items())
GOLDEN = "630aa0e477eb688dff9a1db2234550d7f35a7d7fc9f3ec78f90c8e4bb5955c7d"


@pytest.fixture(scope="module")
def films() -> list[Phantom]:
    return list(phantoms(60, 3, 64, bad=4, shares=ALL, unknown=0.2))


def change_by(name: str, patient: int, size: int = 160) -> tuple[np.ndarray, list[FindingBox]]:
    """Give what a finding alone changes on a film, and its boxes."""
    ill, well = (
        draw(found, 1, patient=patient, size=size, lettered=False) for found in ((name,), ())
    )
    assert ill.grey12.shape == well.grey12.shape
    return np.abs(ill.grey12.astype(int) - well.grey12), list(ill.boxes)


def inside(boxes: list[FindingBox], size_hw: tuple[int, ...], margin: int = 0) -> np.ndarray:
    mask = np.zeros(size_hw, bool)
    for box in boxes:
        rows = slice(max(box.y - margin, 0), box.y + box.height + margin)
        mask[rows, max(box.x - margin, 0) : box.x + box.width + margin] = True
    return mask


# One film


def test_grey_levels_and_boxes_are_what_they_always_were() -> None:
    drawings = [draw((name,), 3, patient=n, size=128) for n, name in enumerate(SHARES)]
    parts = [d.grey12.astype("<u2").tobytes() + repr(d.boxes).encode() for d in drawings]
    assert hashlib.sha256(b"".join(parts)).hexdigest() == GOLDEN


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("patient", range(5))
def test_what_a_finding_changes_lies_in_its_box(name: str, patient: int) -> None:
    change, boxes = change_by(name, patient)
    assert {box.finding for box in boxes} == {name}
    near = inside(boxes, change.shape, margin=8)
    assert change[near].sum() > 0.9 * change.sum() > 0


@pytest.mark.parametrize("name", SHARES)
def test_a_box_is_no_larger_than_what_it_boxes(name: str) -> None:
    change, boxes = change_by(name, 2)
    for box in boxes:
        part = change[box.y : box.y + box.height, box.x : box.x + box.width]
        assert part.shape == (box.height, box.width)
        assert part.max(axis=0).astype(bool).mean() > 0.5
        assert part.max(axis=1).astype(bool).mean() > 0.5


def test_a_box_is_the_same_on_a_film_of_another_size() -> None:
    (small,), (large,) = (draw(("Nodule",), 1, patient=2, size=size).boxes for size in (128, 512))
    scaled = np.array([large.x, large.y, large.width, large.height]) / 4
    assert np.allclose(scaled, [small.x, small.y, small.width, small.height], atol=1.5)


def test_an_effusion_on_both_sides_has_two_boxes() -> None:
    counts = {len(draw(("Effusion",), 1, patient=n, size=64).boxes) for n in range(20)}
    assert counts == {1, 2}


def test_findings_do_not_depend_on_each_other() -> None:
    change, _ = change_by("Nodule", 2)
    others = ("Cardiomegaly", "Hernia")
    both, without = (
        draw(found, 1, patient=2, size=160, lettered=False).grey12.astype(int)
        for found in ((*others, "Nodule"), others)
    )
    assert np.array_equal(both != without, change > 0)


def test_a_healthy_film_has_no_box() -> None:
    assert draw((), 1, size=64).boxes == ()


def test_the_class_marker_is_the_initial_of_the_first_finding() -> None:
    found = [("Effusion", "Nodule"), ("Nodule",), ("Pneumothorax",), ("Hernia",), ()]
    marks = [draw(names, 1, size=64, marker="class").marker for names in found]
    assert marks == ["E", "N", "P", "H", "N"]


# A set


def test_each_finding_has_its_share_of_patients_by_itself() -> None:
    shares = (("Effusion", 0.5), ("Nodule", 0.3), ("Hernia", 0.05))
    found = {slot.patient: slot.findings for slot in plan(Series(4000, 1, shares=shares))}
    has = np.array([[name in names for name, _ in shares] for names in found.values()])
    assert np.allclose(has.mean(axis=0), [0.5, 0.3, 0.05], atol=0.03)
    assert np.abs(np.corrcoef(has.T) - np.eye(3)).max() < 0.06


def test_patients_have_one_to_four_films_with_the_same_findings() -> None:
    slots = plan(Series(300, 1, shares=ALL))
    assert {slot.film for slot in slots} == {1, 2, 3, 4}
    assert len({(slot.patient, slot.findings) for slot in slots}) == slots[-1].patient + 1


def test_a_film_of_findings_made_alone_is_the_film_made_in_its_set(films: list[Phantom]) -> None:
    series = Series(60, 3, 64, bad=4, shares=ALL, unknown=0.2)
    assert make(series, plan(series)[17]) == films[17]


def test_the_manifest_has_a_column_a_finding(films: list[Phantom]) -> None:
    columns = manifest_columns(tuple(SHARES))
    rows = list(csv.DictReader(io.StringIO(manifest_csv(list(map(manifest_row, films)), columns))))
    assert columns[1:7] == tuple(SHARES) and "label" not in columns
    cells = {row["path"]: [row[name] for name in SHARES] for row in rows}
    for film in films:
        written = [{"1": True, "0": False, "": None}[cell] for cell in cells[film.name]]
        assert dict(zip(SHARES, written, strict=True)) == dict(film.findings)


@pytest.mark.parametrize(("unknown", "expected"), [(0.0, {True, False}), (1.0, {None})])
def test_no_cell_or_every_cell_may_be_unknown(unknown: float, expected: set[bool | None]) -> None:
    drawn = phantoms(12, 1, 64, ("jpeg",), shares=(("Effusion", 0.5),), unknown=unknown)
    assert {has_it for film in drawn for _, has_it in film.findings} == expected


def test_unknown_cells_are_drawn_at_random(films: list[Phantom]) -> None:
    cells = [has_it for film in films for _, has_it in film.findings]
    assert 0.14 < cells.count(None) / len(cells) < 0.26


def test_boxes_are_those_of_findings_that_are_known(films: list[Phantom]) -> None:
    for film in films:
        positive = {name for name, has_it in film.findings if has_it}
        assert {box.finding for box in film.boxes} == (set() if film.expected_reason else positive)


def test_rows_of_boxes_name_film_finding_place_and_size(films: list[Phantom]) -> None:
    film = next(each for each in films if each.boxes)
    row = dict(zip(BOX_COLUMNS, box_rows(film)[0], strict=True))
    box = film.boxes[0]
    assert (row["path"], row["finding"]) == (film.name, box.finding)
    assert [int(row[key]) for key in ("x", "y", "width", "height")] == [
        *(box.x, box.y, box.width, box.height)
    ]
    assert (int(row["image_height"]), int(row["image_width"])) == film.size_hw


@pytest.mark.parametrize(
    ("shares", "unknown", "text"),
    [
        ((("Edema", 0.1),), 0.0, "Expected findings among Effusion, Consolidation,"),
        ((("Nodule", 1.1),), 0.0, "Expected shares from 0 to 1."),
        ((("Nodule", 0.1),), -0.1, "Expected shares from 0 to 1."),
    ],
)
def test_what_cannot_be_drawn_of_findings_is_refused(
    shares: tuple[tuple[str, float], ...], unknown: float, text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        phantoms(3, shares=shares, unknown=unknown)
