"""Few films: one task finds what the joins find."""

import numpy as np
import pytest
from pyspark.sql import DataFrame

from spark_cxr.images.decode import decode
from spark_cxr.images.fingerprint import thumbnail
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.few_near_duplicates import find_few_twins
from spark_cxr.pipeline.near_duplicates import find_twins

FILM = "path string, sha256 string, pixels_sha256 string, looks binary"


def variants(film, noise):
    rough = np.clip(film + noise.integers(-20, 20, film.shape), 0, 255).astype(np.uint8)
    return [film, film, film[5:-5, 5:-5], film[:, ::-1], 255 - film, 255 - film[:, ::-1], rough]


@pytest.fixture(scope="module")
def films(spark):
    """Draw 30 films, five of them in seven variants, with copies and flat pictures between."""
    noise = np.random.default_rng(3)
    drawn = [decode(p.data).pixels for p in phantoms(30, 5, 128, ("png",), 0)]
    shown = drawn + [each for film in drawn[:5] for each in variants(film, noise)]
    shown += [np.full((64, 64), grey, np.uint8) for grey in (0, 9)]
    rows = []
    for number in noise.permutation(len(shown)):
        pixels = np.ascontiguousarray(shown[number])
        digest = f"{hash(pixels.tobytes()):x}"
        copies = 1 + number % 3
        looks = thumbnail(pixels) if pixels.std() else None
        rows += [(f"{number}_{i}", f"{digest}{i % 2}", digest, looks) for i in range(copies)]
    return spark.createDataFrame(rows, FILM).repartition(3).persist()


@pytest.mark.parametrize("least", [0.93, 0.5, 1.0])
def test_one_task_finds_the_pairs_that_the_joins_find(films, least):
    few, joined = find_few_twins(films, least), find_twins(films, least, DataFrame.persist)
    assert few.columns == joined.columns
    found = sorted(map(tuple, few.collect()))
    assert found == sorted(map(tuple, joined.collect()))
    kinds = {row[few.columns.index("kind")] for row in found}
    assert kinds >= (
        {"bytes", "pixels"} if least == 1.0 else {"bytes", "pixels", "looks", "mirrored"}
    )


def test_no_films_have_no_twins(films):
    assert find_few_twins(films.limit(0), 0.93).count() == 0
