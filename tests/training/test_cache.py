"""Cached images, written by pyarrow and read back by number."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from training_tasks import cached, drawn

from spark_cxr.errors import InputError
from spark_cxr.training.cache import open_cache

LABELS = [0, 1, 2] * 8


@pytest.fixture
def films(tmp_path):
    return cached(tmp_path / "films", LABELS, group=5)


def test_rows_are_numbered_over_files_and_groups(films):
    assert films.count == 24
    assert [group.start for group in films.groups] == [0, 5, 10, 12, 17, 22]


@pytest.mark.parametrize(("start", "stop"), [(0, 24), (3, 4), (4, 6), (11, 18), (23, 24)])
def test_rows_are_those_that_were_written(films, start, stop):
    images, targets = films.read(start, stop)
    np.testing.assert_array_equal(images, drawn(LABELS)[start:stop])
    assert images.dtype == np.uint8
    assert targets.tolist() == LABELS[start:stop]


def test_targets_of_all_rows_come_without_pixels(films):
    assert films.targets().tolist() == LABELS


def test_a_cache_can_be_sent_to_another_process(films):
    again = pickle.loads(pickle.dumps(films))
    np.testing.assert_array_equal(again.read(3, 9)[0], films.read(3, 9)[0])


def test_floats_come_back_as_floats_and_arrays_of_targets_as_rows(tmp_path):
    image = np.linspace(0, 1, 12, dtype=np.float32).reshape(2, 2, 3)
    rows = {"shape": [[2, 2, 3]], "pixels": [image.tobytes()], "target": [[0.0, 1.0]]}
    parquet.write_table(pa.table(rows), tmp_path / "part.parquet")
    images, targets = open_cache(str(tmp_path)).read(0, 1)
    np.testing.assert_array_equal(images, image[None])
    np.testing.assert_array_equal(targets, [[0.0, 1.0]])


def test_images_of_several_shapes_are_refused(tmp_path):
    shapes = [[2, 2, 3], [2, 4, 3]]
    pixels = [np.zeros(shape, np.float32).tobytes() for shape in shapes]
    parquet.write_table(pa.table({"shape": shapes, "pixels": pixels}), tmp_path / "part.parquet")
    with pytest.raises(InputError, match=r"Received: \(2, 2, 3\) and others\. Let imageLoader"):
        open_cache(str(tmp_path)).read(0, 2)


def test_an_empty_folder_holds_nothing(tmp_path):
    assert open_cache(str(tmp_path)).count == 0
