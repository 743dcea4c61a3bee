"""The contact sheet."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image
from training_tasks import RECIPE, cached, drawn

from spark_cxr.images.prepare import scaled
from spark_cxr.training.batches import checking_feed, training_feed
from spark_cxr.training.recipe import Augment
from spark_cxr.training.sheet import contact_sheet


def sheet_of(folder, count, augment):
    labels = [0, 1, 2] * count
    films, numbers, weights = cached(folder / "films", labels), np.array(labels), np.ones(3)
    seen = training_feed(films, numbers, weights, replace(RECIPE, augment=augment))
    told = contact_sheet(seen, checking_feed(films, numbers, weights, RECIPE))
    rows = next(iter(seen.batches(0))).rows
    return np.asarray(Image.open(io.BytesIO(told))), drawn(labels)[rows]


def film_at(sheet, row, column):
    top, left = 164 * row + (8 if row else 0) + 2, 164 * column + 2
    return sheet[top : top + 160, left : left + 160]


def test_originals_stand_above_what_the_network_sees(tmp_path):
    sheet, films = sheet_of(tmp_path, 20, Augment())
    assert sheet.shape == (7 * 164 + 8, 8 * 164)
    for column in range(8):
        np.testing.assert_array_equal(film_at(sheet, 0, column), scaled(films[column], 160))
        assert (film_at(sheet, 1, column) != scaled(films[column], 160)).any()


def test_films_that_are_not_augmented_are_their_originals(tmp_path):
    sheet, _ = sheet_of(tmp_path, 20, Augment().times(0))
    np.testing.assert_array_equal(film_at(sheet, 1, 3), film_at(sheet, 0, 3))


def test_few_films_make_a_small_sheet(tmp_path):
    sheet, _ = sheet_of(tmp_path, 4, Augment())
    assert sheet.shape == (3 * 164 + 8, 8 * 164)  # 12 films fill two batches of 8
