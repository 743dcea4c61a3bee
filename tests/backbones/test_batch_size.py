"""How many films at once: found on a device that is made up, with a known cost and so much room."""

import contextlib

import numpy as np
import pytest
from numpy.typing import NDArray

from spark_cxr.backbones.engines.batch_size import advice, cores_missing, find_batch_size
from spark_cxr.backbones.engines.keras import compiled, is_jit, is_out_of_memory
from spark_cxr.backbones.engines.plan import AT_ONCE, batch_size_for


class Device:
    """Takes `start` seconds a batch and, up to `wide` films, the same for many as for one.

    Each size takes ten times as long when it comes first: it is compiled.
    """

    def __init__(self, start: float, film: float, wide: int, room: int = 10**9) -> None:
        self.start, self.film, self.wide, self.room = start, film, wide, room
        self.sizes: list[int] = []

    def __call__(self, size: int) -> float:
        is_new = size not in self.sizes
        self.sizes.append(size)
        if size > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return (self.start + self.film * max(size, self.wide)) * (10 if is_new else 1)


@pytest.mark.parametrize("wide", [8, 16, 32, 64, 128, 256])
def test_the_batch_grows_as_far_as_the_device_is_wide(wide: int) -> None:
    device = Device(0.0, 0.001, wide)
    found = find_batch_size(device, is_out_of_memory)
    assert (found.size, found.is_memory_full) == (wide, False)
    assert found.films_per_second == pytest.approx(1000)
    assert max(device.sizes) == 2 * wide


@pytest.mark.parametrize(("room", "size"), [(8, 8), (15, 8), (16, 16), (100, 64), (511, 256)])
def test_the_batch_ends_where_memory_does(room: int, size: int) -> None:
    found = find_batch_size(Device(0.0, 0.001, 10_000, room), is_out_of_memory)
    assert (found.size, found.is_memory_full) == (size, True)


def test_the_batch_has_an_end_where_memory_has_none() -> None:
    device = Device(0.0, 0.001, 10_000)
    assert find_batch_size(device, is_out_of_memory, most=512).size == 512
    assert max(device.sizes) == 512


def test_a_cost_of_each_batch_is_spread_until_it_no_longer_counts() -> None:
    """2 ms a batch and 0.1 a film: 256 films are 7 % faster than 128, 512 only 4 % more."""
    assert find_batch_size(Device(0.002, 0.0001, 0), is_out_of_memory).size == 256


def test_what_compiling_takes_does_not_count() -> None:
    found = find_batch_size(Device(0.0, 0.001, 16), is_out_of_memory)
    assert found.films_per_second == pytest.approx(1000)


def test_a_device_without_room_for_the_first_batch_says_so() -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        find_batch_size(Device(0.0, 0.001, 8, room=4), is_out_of_memory)


def test_another_error_is_not_taken_for_the_end_of_memory() -> None:
    def broken(size: int) -> float:
        if size > 8:
            raise ValueError("no kernel")
        return 1.0

    with pytest.raises(ValueError, match="no kernel"):
        find_batch_size(broken, is_out_of_memory)


@pytest.mark.parametrize(
    ("wanted", "engine", "device", "size"),
    [
        (AT_ONCE, "keras", "gpu", 0),
        (AT_ONCE, "keras", "auto", 0),
        (AT_ONCE, "keras", "cpu", AT_ONCE),
        (AT_ONCE, "openvino", "auto", AT_ONCE),
        (100, "keras", "gpu", 100),
    ],
)
def test_a_size_is_sought_on_gpus_where_nobody_asked_for_one(
    wanted: int, engine: str, device: str, size: int
) -> None:
    assert batch_size_for(wanted, engine, device) == size


# What a GPU waits for


@pytest.mark.parametrize(
    ("decoding", "network", "threads", "missing"),
    [(40, 10, 4, 0), (41, 10, 4, 1), (100, 10, 4, 6), (5, 10, 4, 0), (5, 0, 4, 0)],
)
def test_as_many_cores_are_missing_as_would_keep_the_network_at_work(
    decoding: float, network: float, threads: int, missing: int
) -> None:
    assert cores_missing(decoding, network, threads) == missing


def test_a_gpu_that_waits_says_for_how_many_cores() -> None:
    line = advice(decoding=100.0, network=10.0, waiting=15.0, threads=4)
    assert line == "this GPU waits for decoding 60% of its time: 6 more cores"
    assert advice(41.0, 10.0, 2.0, 4).endswith("1 more core")


@pytest.mark.parametrize("times", [(41.0, 10.0, 0.5, 4), (30.0, 10.0, 5.0, 4), (5.0, 0.0, 0.0, 4)])
def test_a_gpu_that_hardly_waits_or_for_something_else_says_nothing(
    times: tuple[float, float, float, int],
) -> None:
    assert advice(*times) == ""


# Compiled


class Compiled:
    """A model whose compiler, where it is asked, fails with what it was given."""

    def __init__(self, failure: Exception | None) -> None:
        self.failure, self.asked = failure, list[bool]()

    def compile(self, jit_compile: bool) -> None:
        self.asked.append(jit_compile)

    def predict_on_batch(self, films: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.asked[-1] and self.failure:
            raise self.failure
        return films


def run(model: Compiled, jit: bool) -> NDArray[np.float32]:
    made = compiled(model, jit=jit, place=contextlib.nullcontext)
    made(np.ones((2, 1), np.uint8))
    return made(np.ones((2, 1), np.uint8))


@pytest.mark.parametrize(
    ("jit", "failure", "asked"),
    [
        (True, None, [True]),
        (False, None, [False]),
        (True, RuntimeError("no triton"), [True, False]),
    ],
)
def test_a_model_is_compiled_where_that_works(
    jit: bool, failure: Exception | None, asked: list[bool]
) -> None:
    model = Compiled(failure)
    assert run(model, jit).tolist() == [[1], [1]]
    assert model.asked == asked


def test_a_device_without_room_is_not_taken_for_a_compiler_that_fails() -> None:
    model = Compiled(RuntimeError("CUDA out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        run(model, True)
    assert model.asked == [True]


def test_keras_is_told_to_compile_where_it_does_not_by_itself() -> None:
    asked = {
        (backend, device): is_jit(backend, device)
        for backend in ("tensorflow", "jax", "torch")
        for device in ("cpu:0", "gpu:0")
    }
    assert {place for place, jit in asked.items() if jit} == {
        ("jax", "cpu:0"),
        ("jax", "gpu:0"),
        ("torch", "gpu:0"),
    }


def test_an_engine_on_a_cpu_leaves_no_size_open() -> None:
    from spark_cxr.backbones.engines import load
    from tests.quick import fake_plan

    assert load(fake_plan(batch_size=0)).used.batch_size == AT_ONCE
