import numpy as np
import pytest
from PIL import Image

from spark_cxr.config import defaults
from spark_cxr.verbs.audit.masks import BOXES, mask_folders, unpacked, with_boxes

PATHS = "path string"


def mask(folder, name, left):
    """Write a mask with one lung at the left edge or at the right one."""
    pixels = np.zeros((40, 40), np.uint8)
    pixels[10:30, slice(0, 10) if left else slice(30, 40)] = 255
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def boxes(spark, cfg, *paths):
    films = spark.createDataFrame([(path,) for path in paths], PATHS)
    return {row.path: unpacked(row[BOXES]) for row in with_boxes(spark, cfg, films).collect()}


@pytest.fixture
def masked(tmp_path):
    mask(tmp_path / "M", "ill/a.png", left=True)
    mask(tmp_path / "M", "well/a.png", left=False)
    mask(tmp_path / "M", "b.png", left=True)
    return defaults(ingest={"images": [str(tmp_path)]}, audit={"lung_masks": str(tmp_path / "M")})


def test_a_mask_belongs_to_the_film_of_the_same_folder_and_name(spark, masked):
    found = boxes(spark, masked, "file:/x/ill/a.jpg", "file:/x/well/a.jpg")
    assert [box.left for box, *_ in found.values()] == [0.0, 0.75]


def test_a_name_that_only_one_mask_has_is_enough(spark, masked):
    found = boxes(spark, masked, "file:/x/ill/b.dcm")
    assert found["file:/x/ill/b.dcm"][0].bottom == 0.75


def test_a_name_that_two_masks_have_is_not_enough(spark, masked):
    assert boxes(spark, masked, "file:/x/other/a.jpg") == {"file:/x/other/a.jpg": ()}


def test_a_film_without_a_mask_stays(spark, masked):
    assert boxes(spark, masked, "file:/x/c.png") == {"file:/x/c.png": ()}


def test_masks_beside_the_films_are_found(tmp_path):
    mask(tmp_path / "P" / "_masks", "a.png", left=True)
    cfg = defaults(ingest={"images": [str(tmp_path / "P"), str(tmp_path / "Q")]})
    assert mask_folders(cfg) == (f"{tmp_path}/P/_masks",)


def test_without_masks_every_film_has_none(spark, tmp_path):
    cfg = defaults(ingest={"images": [str(tmp_path)]})
    assert boxes(spark, cfg, "file:/x/a.png") == {"file:/x/a.png": ()}
