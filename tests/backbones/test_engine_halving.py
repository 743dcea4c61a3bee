"""Batches shrink when the device has no more room."""

import numpy as np
import pytest
from numpy.typing import NDArray

from spark_cxr.backbones.engines.halving import Halving, is_out_of_memory

FILMS = np.arange(23, dtype=np.uint8).reshape(23, 1, 1, 1)


class SmallDevice:
    """Takes a few films at once and notes how many it was given."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.seen: list[int] = []

    def __call__(self, films: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen.append(len(films))
        if len(films) > self.room:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 byte")
        return films.reshape(len(films), 1).astype(np.float32)


@pytest.mark.parametrize("room", [1, 3, 5, 16, 64])
def test_all_films_get_their_vectors_in_order(room: int) -> None:
    made = Halving(SmallDevice(room), 16).features(FILMS)
    assert made[:, 0].tolist() == list(range(23))


def test_later_batches_keep_the_size_that_fitted() -> None:
    device = SmallDevice(5)
    halving = Halving(device, 16)
    halving.features(FILMS)
    device.seen.clear()
    halving.features(FILMS)
    assert (halving.limit, max(device.seen)) == (4, 4)


def test_few_sizes_are_ever_compiled() -> None:
    device = SmallDevice(64)
    halving = Halving(device, 16)
    for count in range(1, 24):
        halving.features(FILMS[:count])
    assert set(device.seen) == {1, 2, 4, 8, 16}


def test_device_without_room_for_one_film_says_so() -> None:
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        Halving(SmallDevice(0), 16).features(FILMS)


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    def broken(_: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise ValueError("wrong shape")

    with pytest.raises(ValueError, match="wrong shape"):
        Halving(broken, 16).features(FILMS)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        type("ResourceExhaustedError", (Exception,), {})("OOM when allocating"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
    ids=["Python", "TensorFlow", "PyTorch", "text"],
)
def test_lack_of_memory_is_known_by_its_names(error: Exception) -> None:
    assert is_out_of_memory(error)
