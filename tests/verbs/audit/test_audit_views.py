from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from spark_cxr.backbones.engines import load
from spark_cxr.images import altered
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Box
from spark_cxr.images.lungs import find_lungs
from spark_cxr.images.prepare import resize, to_network
from spark_cxr.images.sight import sight_of
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.film_pass import TableFile
from spark_cxr.verbs.audit.films import (
    FOR_ALL,
    FOR_TEST,
    featurize_views,
    kept_for_audit,
    viewing_pass,
)
from tests.quick import fake_plan

BOXES = (0.2, 0.8, 0.1, 0.45, 0.25, 0.75, 0.55, 0.9)
SIZE = (64, 64)


def boxes(film):
    return altered.boxes_of_lungs(find_lungs(film), film)


@pytest.fixture(scope="module")
def films():
    return {f"{i}": film.data for i, film in enumerate(phantoms(5, 2, 96, ("png", "jpeg")))}


@pytest.fixture(scope="module")
def kept(films):
    copies = kept_for_audit(SIZE, 0, 0)
    return {name: copies.of(decode(data).pixels) for name, data in films.items()}


@pytest.fixture(scope="module")
def rows(spark, kept):
    """Films 0 to 4, of which 0 and 1 test and 1 has a mask."""
    told = [
        (name, copy["shape"], copy["pixels"], copy["cropped"], name in "01", boxes_of(name))
        for name, copy in kept.items()
    ]
    ddl = (
        "path string, shape array<int>, pixels binary, cropped binary, is_test boolean, "
        "boxes array<double>"
    )
    made = featurize_views(spark.createDataFrame(told, ddl), fake_plan())
    return {row.path: row for row in made.collect()}


def boxes_of(name):
    return list(BOXES) if name == "1" else None


def prepared(data):
    return to_network(decode(data).pixels, SIZE)


def vector(film):
    return load(fake_plan()).features(film[None])[0]


def test_every_film_is_one_row(rows, films):
    assert set(rows) == set(films)


@pytest.mark.parametrize(
    ("view", "alter"),
    [
        ("plain", lambda film: film),
        ("border", altered.border_only),
        ("centre", altered.centre_only),
        ("lungs", lambda film: altered.without_lungs(film, boxes(film))),
        ("corners", altered.without_corners),
        ("mirrored", altered.mirrored),
        ("inverted", altered.inverted),
    ],
)
def test_a_vector_is_that_of_the_film_altered_by_hand(rows, films, view, alter):
    expected = vector(alter(prepared(films["0"])))
    assert np.allclose(rows["0"][view], expected, atol=1e-6)


def test_the_crop_is_cut_from_the_film_as_it_was(rows, films):
    pixels = decode(films["0"]).pixels
    expected = vector(altered.cropped(pixels, SIZE))
    assert np.allclose(rows["0"]["cropped"], expected, atol=1e-6)


def test_lungs_are_hidden_under_the_mask_where_there_is_one(rows, films):
    boxes = (Box(*BOXES[:4]), Box(*BOXES[4:]))
    expected = vector(altered.without_lungs(prepared(films["1"]), boxes))
    assert np.allclose(rows["1"]["lungs"], expected, atol=1e-6)


def test_films_that_train_have_no_views_for_the_test(rows):
    for name in "234":
        assert all(rows[name][view] is None for view in FOR_TEST)
        assert all(rows[name][view] is not None for view in FOR_ALL)


def test_a_network_that_sees_lungs_is_shown_where_they_lay_before_a_part_was_hidden(films):
    pixels = decode(films["3"]).pixels
    twice = (2 * SIZE[0], 2 * SIZE[1])
    copy = resize(pixels, twice)
    lungs = find_lungs(copy)
    assert lungs
    plan = fake_plan()
    plan = replace(plan, network=replace(plan.network, see="lungs"))
    kept = kept_for_audit(twice, 0, 0).of(pixels)
    columns = {"content": kept["pixels"], **{name: kept[name] for name in ("shape", "cropped")}}
    columns |= {"path": "3", "is_test": True, "boxes": None}
    ((row,),) = viewing_pass(plan).rows([[TableFile(batch_of(columns), 0)]])
    for view, film in (("border", altered.border_only(copy)), ("plain", copy)):
        seen = to_network(sight_of(film, "lungs", lungs).pixels, SIZE)
        assert np.allclose(row[view], vector(seen), atol=1e-6), view
    turned = plan.network.film(altered.mirrored(copy))
    assert np.allclose(row["mirrored"], vector(turned), atol=1e-6)


def batch_of(columns):
    return pa.RecordBatch.from_pylist([columns])


def test_histogram_and_thumbnail_come_along(kept, films):
    pixels = decode(films["3"]).pixels
    assert np.allclose(kept["3"]["histogram"], altered.histogram(pixels))
    assert np.allclose(kept["3"]["small"], altered.small(pixels))
