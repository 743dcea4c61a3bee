"""LungFields are found where they are, and nowhere where none are."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from spark_cxr.errors import WeightsError
from spark_cxr.images import lungs
from spark_cxr.images.decode import decode
from spark_cxr.images.lungs import CELLS, FILE, LungFields, find_lungs, lung_view, lungs_of, unpack
from spark_cxr.phantoms import phantoms


@pytest.fixture(scope="module")
def films():
    drawn = phantoms(36, seed=21, size=128, formats=("png", "dicom"), masks=True)
    return [
        (decode(each.data).pixels, np.asarray(Image.open(io.BytesIO(each.mask))) > 0)
        for each in drawn
    ]


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_lungs_of_drawn_films_are_found_with_what_lies_behind_the_heart(films):
    found = [(find_lungs(film), truth) for film, truth in films]
    assert all(each for each, _ in found)
    masks = [(each.mask(truth.shape), truth) for each, truth in found]
    assert np.mean([(mask & truth).sum() / truth.sum() for mask, truth in masks]) > 0.95
    assert np.mean([dice(*pair) for pair in masks]) > 0.8


def test_share_and_box_are_those_of_the_mask(films):
    film, _ = films[0]
    found = find_lungs(film)
    mask = found.mask((CELLS, CELLS))
    assert found.share == pytest.approx(mask.mean(), abs=0.01)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert (found.box.top, found.box.left) == (rows[0] / CELLS, columns[0] / CELLS)
    assert (found.box.bottom, found.box.right) == (
        (rows[-1] + 1) / CELLS,
        (columns[-1] + 1) / CELLS,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda film: film.repeat(3, axis=0).repeat(3, axis=1),
        lambda film: (60 + film * 0.4).astype(np.uint8),
        lambda film: np.repeat(film[..., None], 3, axis=2),
        lambda film: (film[..., None] * np.array((0.7, 0.9, 1.0))).astype(np.uint8),
    ],
    ids=["large", "pale", "colour", "tint"],
)
def test_size_tone_and_tint_hardly_matter(films, change):
    for film, _ in films[:4]:
        one, other = find_lungs(film), find_lungs(change(film))
        assert dice(one.mask((99, 99)), other.mask((99, 99))) > 0.96


NOTHING = {
    "black": np.zeros((64, 64), np.uint8),
    "white": np.full((64, 80), 255, np.uint8),
    "noise": np.random.default_rng(2).integers(0, 256, (90, 90)).astype(np.uint8),
    "ramp": np.tile(np.arange(200, dtype=np.uint8), (200, 1)),
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_lungs_are_invented(name):
    assert find_lungs(NOTHING[name]) is None


def test_an_outline_that_is_hardly_likely_or_no_lung_is_not_sure():
    shares = np.zeros((CELLS, CELLS), np.float32)
    shares[16:48, 8:24] = shares[16:48, 40:56] = 0.95
    assert LungFields(shares).is_sure
    assert not LungFields(shares * np.float32(0.7)).is_sure
    assert not LungFields(np.full_like(shares, 0.95)).is_sure
    assert not LungFields(np.zeros_like(shares)).is_sure


def test_specks_beside_the_lungs_are_left_out():
    shares = np.zeros((CELLS, CELLS), np.float32)
    shares[16:48, 8:24] = shares[16:48, 40:56] = 0.95
    speckled = shares.copy()
    speckled[2:5, 30:34] = speckled[60, 60] = 0.9
    assert np.array_equal(lungs._without_specks(speckled), shares)
    assert np.array_equal(lungs._without_specks(np.zeros_like(shares)), np.zeros_like(shares))


@pytest.mark.parametrize(("source", "least"), [("kermany", 0.92), ("ozturk_masks", 0.88)])
def test_lungs_of_real_films_lie_within_their_outlines(shared_data, source, least):
    with (shared_data / source / "manifest.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["lung_mask"]]
    found = []
    for row in rows[:: max(1, len(rows) // 30)]:
        film = decode((shared_data / row["path"]).read_bytes()).pixels
        truth = np.asarray(Image.open(shared_data / row["lung_mask"]).convert("L")) > 127
        found.append(dice(lungs_of(lungs._shipped(), film).mask(truth.shape), truth))
    assert np.mean(found) > least


def test_what_is_packed_is_read_again():
    shipped, view = unpack(FILE.read_bytes()), lung_view(NOTHING["noise"])
    assert np.array_equal(unpack(shipped.pack()).shares(view), shipped.shares(view))
    assert FILE.stat().st_size <= 2 * 2**20


def test_a_network_that_is_cut_is_one_line(films, tmp_path, monkeypatch):
    lungs._shipped.cache_clear()
    file = tmp_path / "lungs.npz"
    file.write_bytes(FILE.read_bytes()[:2000])
    monkeypatch.setattr(lungs, "FILE", file)
    with pytest.raises(WeightsError, match=r"the network of lungs that ships.*Install"):
        find_lungs(films[0][0])
    monkeypatch.undo()
    lungs._shipped.cache_clear()
