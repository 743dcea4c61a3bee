import numpy as np
import pytest

from spark_cxr.backbones.engines import load
from spark_cxr.images import altered
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from spark_cxr.images.phantoms import phantoms
from spark_cxr.images.prepare import to_network
from spark_cxr.pipeline.audit import views
from spark_cxr.pipeline.audit.views import FOR_ALL, FOR_TEST, NETWORK, look_at_views
from spark_cxr.pipeline.eye import wish_of
from spark_cxr.pipeline.networks import make_ready
from tests.quick import defaults

BOXES = (0.2, 0.8, 0.1, 0.45, 0.25, 0.75, 0.55, 0.9)
LIMITS = Limits()


@pytest.fixture(scope="module")
def films():
    return {f"{i}": film.data for i, film in enumerate(phantoms(5, 2, 96, ("png", "jpeg")))}


@pytest.fixture(scope="module")
def ready(spark):
    return make_ready(spark, wish_of(defaults()))


@pytest.fixture(scope="module")
def rows(spark, ready, films):
    """Films 0 to 4, of which 0 and 1 test and 1 has a mask; one more is broken."""
    told = [
        (name, data, name in "01", list(BOXES) if name == "1" else None)
        for name, data in films.items()
    ]
    told.append(("broken", b"no film", False, None))
    ddl = "path string, content binary, is_test boolean, boxes array<double>"
    made = look_at_views(spark.createDataFrame(told, ddl), ready, LIMITS)
    return {row.path: row for row in made.collect()}


def prepared(ready, data):
    return to_network(decode(data).pixels, ready.recipe.size_hw)


def vector(ready, film):
    return load(ready.recipe.plan).features(film[None])[0]


def test_every_film_is_one_row(rows, films):
    assert set(rows) == {*films, "broken"}


@pytest.mark.parametrize(
    ("view", "alter"),
    [
        ("plain", lambda film: film),
        ("border", altered.border_only),
        ("centre", altered.centre_only),
        ("lungs", altered.without_lungs),
        ("corners", altered.without_corners),
        ("mirrored", altered.mirrored),
        ("inverted", altered.inverted),
    ],
)
def test_a_vector_is_that_of_the_film_altered_by_hand(rows, ready, films, view, alter):
    expected = vector(ready, alter(prepared(ready, films["0"])))
    assert np.allclose(rows["0"][view], expected, atol=1e-6)


def test_the_crop_is_cut_from_the_film_as_it_was(rows, ready, films):
    pixels = decode(films["0"]).pixels
    expected = vector(ready, altered.cropped(pixels, ready.recipe.size_hw))
    assert np.allclose(rows["0"]["cropped"], expected, atol=1e-6)


def test_lungs_are_hidden_under_the_mask_where_there_is_one(rows, ready, films):
    boxes = (altered.Box(*BOXES[:4]), altered.Box(*BOXES[4:]))
    expected = vector(ready, altered.without_lungs(prepared(ready, films["1"]), boxes))
    assert np.allclose(rows["1"]["lungs"], expected, atol=1e-6)


def test_films_that_train_have_no_views_for_the_test(rows):
    for name in "234":
        assert all(rows[name][view] is None for view in FOR_TEST)
        assert all(rows[name][view] is not None for view in FOR_ALL)


def test_a_film_that_does_not_decode_any_more_has_a_row_without_vectors(rows):
    assert {rows["broken"][name] for name in (*NETWORK, "histogram", "small", "is_colour")} == {
        None
    }


def test_histogram_and_thumbnail_come_along(rows, films):
    pixels = decode(films["3"]).pixels
    assert np.allclose(rows["3"]["histogram"], altered.histogram(pixels))
    assert np.allclose(rows["3"]["small"], altered.small(pixels))


def test_a_film_is_decoded_once_for_all_its_views(monkeypatch, films):
    decoded = []

    def counting(data, limits):
        decoded.append(data)
        return decode(data, limits)

    monkeypatch.setattr(views, "decode", counting)
    file = views._File("0", films["0"], (), True, (64, 64), LIMITS)
    shown = [views.show((file, view)) for view in file.views]
    assert len(shown) == len(NETWORK)
    assert len(decoded) == 1
