import numpy as np
import pytest

from spark_cxr.images import altered
from spark_cxr.images.film import Box
from spark_cxr.phantoms import CLASSES, draw


def film(height=40, width=60):
    return np.random.default_rng(3).integers(1, 255, (height, width, 3)).astype(np.uint8)


def test_border_and_centre_share_no_pixel_and_make_up_the_film():
    whole = film()
    border, centre = altered.border_only(whole), altered.centre_only(whole)
    assert not ((border > 0) & (centre > 0)).any()
    assert np.array_equal(border + centre, whole)


def test_border_is_a_tenth_of_each_side():
    centre = altered.centre_only(film(40, 60))
    rows, columns = np.flatnonzero(centre.any(axis=(1, 2))), np.flatnonzero(centre.any(axis=(0, 2)))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (4, 35, 6, 53)


def test_corners_hidden_leaves_the_middle_of_each_side():
    hidden = altered.without_corners(film(40, 60))
    assert (hidden[:6, :9] == 0).all()
    assert (hidden[-6:, -9:] == 0).all()
    assert (hidden[6:34] > 0).all()
    assert (hidden[:, 9:51] > 0).all()


def test_crop_keeps_the_middle_92_percent_of_each_side():
    whole = np.zeros((100, 50), np.uint8)
    whole[4:96, 2:48] = 200
    assert (altered.cropped(whole, (92, 46)) == 200).all()


def test_mirroring_twice_gives_the_film_again():
    assert np.array_equal(altered.mirrored(altered.mirrored(film())), film())
    assert not np.array_equal(altered.mirrored(film()), film())


def test_the_negative_of_white_is_black():
    assert altered.inverted(np.array([[255, 0, 100]], np.uint8)).tolist() == [[0, 255, 155]]


@pytest.mark.parametrize("alter", [altered.border_only, altered.centre_only, altered.without_lungs])
def test_altering_leaves_the_film_itself_as_it_was(alter):
    whole = film()
    alter(whole)
    assert np.array_equal(whole, film())


def test_ellipses_hide_nine_tenths_of_drawn_lungs_and_less_than_half_of_the_film():
    hidden, dark = [], []
    for patient in range(12):
        drawn = draw(CLASSES[patient % 3], 3, patient=patient, size=96)
        black = altered.without_lungs(np.full(drawn.lungs.shape, 200, np.uint8)) == 0
        hidden.append((black & drawn.lungs).sum() / drawn.lungs.sum())
        dark.append(black.mean())
    assert np.mean(hidden) > 0.87
    assert np.mean(dark) < 0.5


def test_boxes_of_a_mask_hide_every_pixel_of_it():
    drawn = draw("Pneumonia", 1, size=128)
    boxes = altered.lung_boxes(drawn.lungs.astype(np.uint8) * 255)
    assert len(boxes) == 2
    black = altered.without_lungs(np.full(drawn.lungs.shape, 200, np.uint8), boxes) == 0
    assert black[drawn.lungs].all()
    assert not black.all()


def test_boxes_of_a_mask_fit_a_film_of_another_size():
    mask = np.zeros((10, 10), np.uint8)
    mask[2:6, 1:4] = 255
    mask[3:7, 6:9] = 255
    assert altered.lung_boxes(mask) == (Box(0.2, 0.6, 0.1, 0.4), Box(0.3, 0.7, 0.6, 0.9))
    hidden = altered.without_lungs(np.full((100, 200), 9, np.uint8), altered.lung_boxes(mask))
    assert (hidden[20:60, 20:80] == 0).all()
    assert (hidden[:20] == 9).all()


def test_an_empty_mask_has_no_boxes():
    assert altered.lung_boxes(np.zeros((10, 10), np.uint8)) == ()


def test_histogram_counts_pixels_in_steps_of_four_greys():
    found = altered.histogram(np.array([[0, 3, 4, 255]], np.uint8))
    assert found[[0, 1, 63]].tolist() == [0.5, 0.25, 0.25]
    assert found.sum() == 1


def test_histogram_knows_nothing_of_places():
    mixed = np.random.default_rng(0).permuted(film()[..., 0].ravel()).reshape(40, 60)
    assert np.array_equal(altered.histogram(mixed), altered.histogram(film()[..., 0]))


def test_thumbnail_has_1024_greys_between_0_and_1():
    found = altered.small(np.full((64, 96), 255, np.uint8))
    assert found.tolist() == [1.0] * 1024


def test_grey_stored_as_colour_has_the_histogram_and_thumbnail_of_grey():
    grey = film()[..., 0]
    colour = np.repeat(grey[..., None], 3, axis=2)
    assert np.array_equal(altered.histogram(grey), altered.histogram(colour))
    assert np.allclose(altered.small(grey), altered.small(colour))
