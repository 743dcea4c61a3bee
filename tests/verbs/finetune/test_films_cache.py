"""Films that are decoded and resized once, for all epochs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.images.decode import decode
from spark_cxr.images.film import DEFAULT_LIMITS
from spark_cxr.images.fit import Fit
from spark_cxr.images.prepare import resize
from spark_cxr.output import Output
from spark_cxr.pipeline.film_run import reading_of
from spark_cxr.pipeline.readers import read_files
from spark_cxr.pipeline.reading import WANTED, look, small_copies
from spark_cxr.schemas import CONTENT
from spark_cxr.verbs.finetune.films import are_cached, as_grey, cached_films, copies_of

SIZE = (40, 48)


@pytest.fixture(scope="module")
def folder(films, tmp_path_factory):
    """Copy twelve films."""
    folder = tmp_path_factory.mktemp("few")
    pictures = sorted(p for p in films.rglob("*.png") if "_masks" not in str(p))
    for number, picture in enumerate(pictures[:12]):
        shutil.copy(picture, folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def learners(spark, folder):
    files = spark.read.format("binaryFile").load(str(folder))
    number = F.regexp_extract("path", r"(\d+)\.png", 1).cast("int")
    sided = files.select("path", F.sha2(CONTENT, 256).alias("sha256"), number.alias("target"))
    side = F.when(F.col("target") < 9, "train").otherwise("val")
    return sided.withColumn("side", side).persist()


@pytest.fixture(scope="module")
def out(spark, folder, learners, tmp_path_factory):
    out = tmp_path_factory.mktemp("cache")
    cached(spark, folder, learners, out)
    return out


def cached(spark, folder, learners, out, size=SIZE):
    output = Output(str(out))
    copies = None if are_cached(output) else copied(spark, folder, size)
    return cached_films(spark, copies, learners, size, output)


def copied(spark, folder, size):
    """Decode the films of a folder, as ingest does on the way."""
    settings = defaults(ingest={"images": [str(folder)]}).ingest
    files = read_files(spark, settings.images, settings.max_bytes)
    wanted = files.withColumn(WANTED, F.array(F.lit(True)))
    return copies_of(look(wanted, reading_of(settings, None), copies=small_copies(Fit(size), None)))


def test_both_sides_have_their_films_decoded_and_resized(spark, folder, learners, out):
    found = cached(spark, folder, learners, out)
    for films, expected in ((found.train, range(9)), (found.val, range(9, 12))):
        pixels, targets = films.read(0, films.count)
        assert sorted(targets.tolist()) == list(expected)
        for film, target in zip(pixels, targets, strict=True):
            content = (folder / f"{target}.png").read_bytes()
            plain = as_grey(resize(decode(content, DEFAULT_LIMITS).pixels, SIZE))
            np.testing.assert_array_equal(film, plain)


def test_order_is_that_of_what_the_films_are_and_not_of_the_table(
    spark, folder, learners, out, tmp_path
):
    turned = learners.orderBy(F.desc("path")).repartition(5)
    again = cached(spark, folder, turned, tmp_path)
    first = cached(spark, folder, learners, out)
    assert again.train.targets().tolist() == first.train.targets().tolist()
    assert first.train.targets().tolist() != sorted(first.train.targets().tolist())


def test_what_is_there_is_taken_and_not_made_again(spark, folder, learners, out):
    before = {p.name: p.stat().st_mtime_ns for p in (out / "films").rglob("*.parquet")}
    cached(spark, folder, learners, out)
    assert {p.name: p.stat().st_mtime_ns for p in (out / "films").rglob("*.parquet")} == before


def test_film_that_changed_since_it_was_ingested_is_refused(spark, folder, learners, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    moved = learners.withColumn("path", F.replace("path", F.lit(str(folder)), F.lit(str(copy))))
    Path(copy, "3.png").write_bytes(Path(copy, "4.png").read_bytes())
    with pytest.raises(InputError) as caught:
        cached(spark, copy, moved, tmp_path / "out")
    assert str(caught.value) == (
        "Expected the 12 films that were ingested. Received: 11. "
        "Some are gone or have changed: begin anew with --overwrite."
    )
    assert not (tmp_path / "out" / "films").exists()


def test_colour_becomes_grey():
    colour = np.stack([np.full((2, 2), level, np.uint8) for level in (10, 200, 30)], axis=-1)
    grey = as_grey(colour)
    assert (grey.shape, grey.flags.c_contiguous) == ((2, 2), True)
    assert 100 < grey[0, 0] < 160
