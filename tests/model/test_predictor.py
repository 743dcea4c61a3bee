"""What is said of a film: its class, and where no class may be said."""

import io
from dataclasses import replace

import numpy as np
import pytest
from model_by_hand import LABELS, reference
from PIL import Image

from spark_cxr.backbones import catalog
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from spark_cxr.images.film_pass import Content
from spark_cxr.images.prepare import to_network
from spark_cxr.model.predictor import (
    INVERTED,
    Picture,
    Predictor,
    coloured_share,
    looks_inverted,
    prediction_pass,
)
from spark_cxr.phantoms import phantoms
from tests.quick import fake_plan

DIM = catalog.get("fake").dim
ALONG = np.eye(DIM)[0]
"""A direction with variance 4: a film at 2 t times it has distance t / limit."""


def opened(data):
    """Look at a film as it is looked at before a network sees it."""
    return prediction_pass(fake_plan(), Limits(), predictor=None).open(Content(data))


@pytest.fixture
def predictor(head):
    return Predictor(LABELS, head, reference(limit=10.0))


@pytest.mark.parametrize(
    ("distance", "flags", "has_label"),
    [
        (0.5, (), True),
        (1.2, ("not_like_training",), True),
        (1.6, ("not_like_training", "refused_as_unlike"), False),
    ],
)
def test_the_further_a_film_the_less_a_model_says_that_refuses_such(
    predictor, distance, flags, has_label
):
    told = predictor.refusing(("unlike",)).predict(ALONG * 20 * distance)
    assert told.distance == pytest.approx(distance)
    assert told.flags == flags
    assert bool(told.label) is has_label
    assert (told.confidence is not None) is has_label
    assert sum(told.probabilities.values()) == pytest.approx(1 if has_label else 0)


def test_a_film_unlike_the_training_is_answered_and_marked(predictor):
    told = predictor.refusing(()).predict(ALONG * 20 * 1.6)
    assert (told.flags, bool(told.label)) == (("not_like_training",), True)


def test_what_is_no_chest_film_has_no_class_however_near_it_is(predictor):
    told = predictor.predict(np.zeros(DIM), Picture(is_chest_film=False))
    assert (told.label, told.flags) == ("", ("not_an_xray",))
    assert (told.confidence, dict(told.probabilities)) == (None, {})


@pytest.mark.parametrize(("most", "has_label"), [(1.0, True), (0.1, False)])
def test_colour_is_a_reason_only_where_the_training_said_so(head, most, has_label):
    strict = Predictor(LABELS, head, replace(reference(limit=10.0), most_colour=most))
    assert bool(strict.predict(np.zeros(DIM), Picture(coloured=0.2)).label) is has_label


def test_flags_of_the_file_come_along(predictor):
    told = predictor.predict(np.zeros(DIM), Picture(flags=("lateral",)))
    assert told.flags == ("lateral",)


def test_a_film_has_the_same_bits_whatever_stands_beside_it(predictor):
    rows = np.random.default_rng(0).standard_normal((33, DIM)).astype(np.float32)
    alone = [predictor.predict(row) for row in rows]
    assert alone == [predictor.predict(row) for row in rows[::-1]][::-1]


def encoded(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("colour", "share"), [((90, 90, 90), 0), ((200, 190, 170), 0), ((200, 30, 30), 0.25)]
)
def test_share_of_coloured_pixels_leaves_tints_aside(colour, share):
    picture = np.full((64, 64, 3), 100, np.uint8)
    picture[:32, :32] = colour
    shown = opened(encoded(picture))
    assert shown.note.coloured == share


def test_grey_is_not_counted_at_all():
    assert coloured_share(np.zeros((4, 4, 3), np.uint8), is_grey=True) == 0


@pytest.mark.parametrize("size_hw", [(224, 224), (299, 299), (75, 75), (160, 224)])
def test_negatives_of_phantoms_are_suspected_and_phantoms_are_not(size_hw):
    films = [to_network(decode(each.data).pixels, size_hw) for each in phantoms(12, 1, 96)]
    assert [looks_inverted(film) for film in films] == [False] * 12
    assert [looks_inverted(255 - film) for film in films] == [True] * 12


def test_a_suspected_negative_carries_its_flag():
    film = decode(next(phantoms(1, 1, 96, formats=("png",))).data).pixels
    written = io.BytesIO()
    Image.fromarray(255 - film).save(written, "PNG")
    assert opened(written.getvalue()).note.flags == (INVERTED,)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 3, 3), (31, 33, 3), (64, 64, 3)])
def test_a_film_without_contrast_is_suspected_of_nothing(shape):
    assert not looks_inverted(np.full(shape, 90, np.uint8))


def test_negatives_of_real_films_are_mostly_suspected_and_few_films_are(shared_data):
    paths = sorted((shared_data / "originals").rglob("*.*"))[::2]
    kinds = (".png", ".jpg", ".jpeg")
    contents = [path.read_bytes() for path in paths if path.suffix.lower() in kinds]
    films = [to_network(decode(content).pixels, (224, 224)) for content in contents]
    assert len(films) > 20
    assert np.mean([looks_inverted(film) for film in films]) < 0.1
    assert np.mean([looks_inverted(255 - film) for film in films]) > 0.8
