"""Twins, clusters, groups and conflicts, on films made to have them and made not to."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame

from spark_cxr.images.decode import decode
from spark_cxr.images.fingerprint import thumbnail
from spark_cxr.images.prepare import resize
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.near_duplicates import clusters, conflicts, find_twins, joined, regroup
from spark_cxr.schemas import IMAGES, columns

LEAST = 0.93
FILM = (
    "path string, sha256 string, pixels_sha256 string, looks binary, label string, group_id string"
)


def drawn(count, seed=0):
    return [decode(p.data).pixels for p in phantoms(count, seed, 256, ("png",), 0)]


def as_jpeg(pixels, quality):
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return decode(out.getvalue()).pixels


def row(path, pixels, label="a", group=None, data=None):
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    sha = hashlib.sha256((data or path).encode()).hexdigest()
    return (path, sha, digest, thumbnail(pixels), label, group or digest)


def table(spark, rows):
    films = spark.createDataFrame(rows, FILM)
    kinds = dict(word.split() for word in IMAGES.split(", "))
    missing = [
        f"cast(null as {kinds[n]}) as {n}" for n in columns(IMAGES) if n not in films.columns
    ]
    return films.selectExpr("*", *missing)


def altered(film):
    crop = film[1:-2, 2:-1]
    return {
        "crop_4": film[5:-5, 5:-5],
        "crop_8": film[10:-10, 10:-10],
        "crop_8_mirrored": as_jpeg(film[10:-10, 10:-10][:, ::-1].copy(), 75),
        "half": resize(film, (128, 128)),
        "q75": as_jpeg(film, 75),
        "q50": as_jpeg(film, 50),
        "crop": crop,
        "mirrored": as_jpeg(film[:, ::-1].copy(), 75),
        "inverted": as_jpeg(255 - film, 75),
        "both": as_jpeg(255 - film[:, ::-1], 75),
    }


def test_altered_copies_of_a_film_are_its_twins_and_no_other_films_are(spark):
    films = drawn(60)
    copies = [row(f"0-{name}", made) for name, made in altered(films[0]).items()]
    rows = [row(f"{i}", film) for i, film in enumerate(films)] + copies
    found = clusters(find_twins(table(spark, rows), LEAST, DataFrame.persist)).collect()
    expected = {r[1] for r in rows if r[0] == "0" or r[0].startswith("0-")}
    assert {r["sha256"] for r in found} == expected
    assert {r["cluster_id"] for r in found} == {min(expected)}


def test_bytes_and_pixels_have_their_own_kinds(spark):
    film = drawn(1)[0]
    rows = [row("a", film, data="x"), row("b", film, data="x"), row("c", film, data="y")]
    found = find_twins(table(spark, rows), 1.0, DataFrame.persist).collect()
    assert {(r["path_a"], r["path_b"], r["kind"]) for r in found} == {
        ("a", "b", "bytes"),
        ("a", "c", "pixels"),
    }


@pytest.mark.parametrize("parts", [1, 5])
def test_groups_join_patients_through_twins_in_any_order(spark, parts):
    one, other = drawn(2)
    rows = [
        row("a", one, group="p2"),
        row("b", as_jpeg(one, 75), group="p1"),
        row("c", other, group="p1"),
        row("d", drawn(1, seed=9)[0], group="p3"),
    ]
    images = table(spark, rows[::-1]).repartition(parts)
    found = regroup(images, find_twins(images, LEAST, DataFrame.persist)).collect()
    expected = {"a": "p1", "b": "p1", "c": "p1", "d": "p3"}
    assert {r["path"]: r["group_id"] for r in found} == expected


@pytest.mark.parametrize(("meaning", "count"), [(None, 1), ({"sick": "ill"}, 0)])
def test_twins_with_other_labels_are_conflicts_unless_these_mean_the_same(spark, meaning, count):
    film = drawn(1)[0]
    images = table(spark, [row("a", film, "sick"), row("b", as_jpeg(film, 75), "ill")])
    listed = conflicts(
        images, clusters(find_twins(images, LEAST, DataFrame.persist)), meaning
    ).collect()
    assert [(r["label_a"], r["label_b"]) for r in listed] == [("sick", "ill")] * count


def test_flat_pictures_are_no_twins(spark):
    rows = [row(f"{grey}", np.full((64, 64), grey, np.uint8)) for grey in (0, 9, 90)]
    assert find_twins(table(spark, rows), LEAST, DataFrame.persist).count() == 0


@pytest.mark.slow
def test_none_of_1000_phantoms_is_the_twin_of_another(spark):
    rows = [row(f"{i}", film) for i, film in enumerate(drawn(1000))]
    assert find_twins(table(spark, rows), LEAST, DataFrame.persist).count() == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30), st.randoms())
@settings(derandomize=True)
def test_components_depend_neither_on_order_nor_on_direction(numbers, dice):
    pairs = [(f"{a:02}", f"{b:02}") for a, b in numbers]
    turned = [pair[::-1] if dice.random() < 0.5 else pair for pair in pairs]
    dice.shuffle(turned)
    found = joined(pairs)
    assert found == joined(turned)
    assert all(found[a] == found[b] <= min(a, b) for a, b in pairs)
