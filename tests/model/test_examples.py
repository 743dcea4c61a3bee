"""Films that travel with a model: what is written, what is read again, what is refused."""

import io
import json

import numpy as np
import pytest
from model_by_hand import LABELS, manifest
from PIL import Image

import spark_cxr
from spark_cxr.errors import InputError
from spark_cxr.model.examples import (
    LIST,
    LONGEST,
    NO_EXAMPLES,
    read_examples,
    write_examples,
)
from spark_cxr.model.manifest import digests, read_manifest, write_manifest

KNOWN = {name: name == "Pneumonia" for name in LABELS}


def film(*size):
    return np.random.default_rng(3).integers(0, 256, size, np.uint8)


@pytest.fixture
def carrying(directory):
    """Give a model with two films."""
    write_examples(directory, True, [(film(80, 60), KNOWN), (film(1500, 900), {})])
    write_manifest(directory, manifest(digests(directory)))
    return directory


def sealed_anew(directory, change):
    """Change the list, and seal the directory as who may write all of it can."""
    entries = json.loads(directory.read_bytes(LIST))
    change(entries)
    directory.write_json(LIST, entries)
    write_manifest(directory, manifest(digests(directory)))


def test_films_come_back_with_what_is_known_of_them(carrying):
    found, pictures = read_examples(carrying, read_manifest(carrying))
    assert found.drawn
    assert [each.known for each in found.films] == [KNOWN, {}]
    first, second = (Image.open(io.BytesIO(pictures[each.file])) for each in found.films)
    assert np.array_equal(np.asarray(first), film(80, 60))
    assert second.size == (round(900 * LONGEST / 1500), LONGEST)


def test_a_picture_has_pixels_and_nothing_else(carrying):
    _, pictures = read_examples(carrying, read_manifest(carrying))
    for data in pictures.values():
        assert Image.open(io.BytesIO(data)).info == {}
        assert [data.count(kind) for kind in (b"tEXt", b"iTXt", b"eXIf", b"tIME")] == [0] * 4


def test_they_are_files_of_the_model_like_all_others(carrying):
    assert {LIST, "examples/1.png", "examples/2.png"} <= set(read_manifest(carrying).files)
    spark_cxr.load_model(carrying.address)


def test_a_model_answers_the_same_with_and_without_them(directory):
    plain = read_manifest(directory).identity
    write_examples(directory, False, [(film(80, 60), KNOWN)])
    write_manifest(directory, manifest(digests(directory)))
    assert read_manifest(directory).identity == plain


def test_an_older_model_has_none(directory):
    assert read_examples(directory, read_manifest(directory)) == (NO_EXAMPLES, {})


def test_no_film_leaves_nothing(directory):
    write_examples(directory, True, [])
    assert "examples" not in directory.names()


@pytest.mark.parametrize("name", [LIST, "examples/2.png"])
def test_one_that_was_changed_is_refused(carrying, name):
    known = read_manifest(carrying)
    carrying.write_bytes(name, carrying.read_bytes(name)[:-1] + b" ")
    with pytest.raises(InputError, match="changed since"):
        spark_cxr.load_model(carrying.address)
    with pytest.raises(InputError, match="changed since"):
        read_examples(carrying, known)


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries["films"][0].update(file="head.npz"),
        lambda entries: entries["films"][0].update(file="examples/9.png"),
        lambda entries: entries["films"][0].update(file="../model/examples/1.png"),
        lambda entries: entries["films"][0].update(known={"Cancer": True}),
        lambda entries: entries["films"][0].update(known={"Pneumonia": "yes"}),
        lambda entries: entries.pop("drawn"),
        lambda entries: entries.update(films=None),
    ],
)
def test_a_list_that_no_training_leaves_is_refused(carrying, change):
    sealed_anew(carrying, change)
    with pytest.raises(InputError, match=f"Expected {LIST} with pictures of the model"):
        read_examples(carrying, read_manifest(carrying))
