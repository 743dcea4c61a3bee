"""ResNet50 on a GPU: what a worker runs beside compiled PyTorch, on the same films.

Needs Python, Keras and PyTorch (and filelock, which comes with it), so that any machine with a GPU
will do; where Keras has another backend and there is no PyTorch, nothing stands beside. First
it holds the vectors of the GPU against those of the CPU; then both take turns, and medians count.
With Pillow it also runs the pass of a worker from PNG files to vectors, on all cores.

    python -m benchmarks.gpu_speed
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.backbones.engines import load
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.network import Network, prepare
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import SparkCxrError
from spark_cxr.images import clock

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Of ResNet50: channels of the narrow layers, blocks, stride of the first one."""
WIDER = 4
LEAST_COSINE = 0.99
FILMS, BATCHES = 64, 16
"""Drawn films, and how many batches of copies of them go through a pass that is measured."""


def main(argv: Sequence[str] | None = None) -> int:
    """Check, measure, print a line for people and one of JSON."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--device", default="gpu", help="gpu, or cpu to try this program [gpu]")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each that count [7]")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a turn, about [2]")
    parser.add_argument("--batch-size", type=int, default=0, help="0: the one that is found [0]")
    given = parser.parse_args(argv)
    row = catalog.get("ResNet50")
    network = prepare(row, resolve("random:0", row), "keras")
    check_vectors(network, given.device)
    engine = load(Plan(network, device=given.device, batch_size=given.batch_size))
    size = engine.used.batch_size
    films = np.random.default_rng(0).integers(0, 256, (size, 224, 224, 3), dtype=np.uint8)
    contestants: dict[str, Run] = {"spark_cxr": engine.features}
    if find_spec("torch"):
        contestants["pytorch"] = torch_runner(given.device)
    rates = measure(contestants, films, given.rounds, given.seconds)
    used = f"{engine.used.device}, {engine.used.precision}, {size} films at once"
    line = f"ResNet50 on {used}: {rates['spark_cxr']:,.1f} images/s"
    if beside := rates.get("pytorch"):
        line += f", compiled PyTorch {beside:,.1f} ({rates['spark_cxr'] / beside:.2f} of it)"
    print(line)
    if find_spec("PIL"):
        rates["films"] = from_files(Plan(network, device=given.device, batch_size=size))
    print(json.dumps({"device": used, **rates}))
    return 0


def from_files(plan: Plan) -> float:
    """Bring PNG films to vectors as a worker does that has all cores and the device to itself."""
    from spark_cxr.backbones.featurize import vector_pass
    from spark_cxr.images.film_pass import Content
    from spark_cxr.phantoms import phantoms

    plan = replace(plan, threads=len(os.sched_getaffinity(0)))
    drawn = [Content(each.data) for each in phantoms(FILMS, size=256, formats=("png",))]
    films = drawn * max(1, round(BATCHES * plan.batch_size / FILMS))
    pass_ = vector_pass(plan)
    list(pass_.rows([drawn]))
    pass_.clock.take()
    started = time.perf_counter()
    count = sum(len(rows) for rows in pass_.rows([films]))
    taken = time.perf_counter() - started
    spent = dict(zip(clock.STAGES, pass_.clock.take(), strict=True))
    print(
        f"PNG films of 256 pixels through {plan.threads} decoding threads: {count / taken:,.1f} "
        f"films/s; the network waited {spent['waiting'] / taken:.0%} of the time"
    )
    return count / taken


def check_vectors(network: Network, device: str) -> None:
    """Hold the vectors of the device against those of the CPU in f32.

    About their mean: of random weights all vectors are alike.
    """
    films = np.random.default_rng(1).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    films[:4] //= 4
    exact, made = (
        load(Plan(network, precision="f32", device=where, batch_size=4)).features(films)
        for where in ("cpu", device)
    )
    mean = exact.mean(axis=0)
    some, others = exact - mean, made - mean
    lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    least = float(((some * others).sum(axis=1) / lengths).min())
    if not least >= LEAST_COSINE:
        expected, way_out = f"a cosine of {LEAST_COSINE} to the CPU", "Report this, with the device"
        raise SparkCxrError(expected, f"{least:.4f} on {device}", way_out)
    print(f"vectors on {device}: cosine to the CPU at least {least:.5f}")


def measure(
    contestants: dict[str, Run], films: NDArray[np.uint8], rounds: int, seconds: float
) -> dict[str, float]:
    """Let each run in turn, so that what disturbs one disturbs all; give the median rates."""
    passes = {}
    for name, run in contestants.items():
        run(films)  # compiles
        passes[name] = max(1, round(seconds / max(_seconds(run, films, 1), 1e-6)))
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            taken = _seconds(run, films, passes[name])
            rates[name].append(len(films) * passes[name] / taken)
    return {name: statistics.median(found) for name, found in rates.items()}


def _seconds(run: Run, films: NDArray[np.uint8], passes: int) -> float:
    started = time.perf_counter()
    for _ in range(passes):
        run(films)
    return time.perf_counter() - started


def torch_runner(device: str) -> Run:
    """Make the same network as PyTorch's users write it: channels last, f16 and compiled."""
    import torch

    on_gpu = device.startswith("gpu")
    place = torch.device("cuda" if on_gpu else "cpu")
    network = resnet50().eval().to(place, memory_format=torch.channels_last)
    # On a CPU the compiler wants another one, of C++.
    ready = torch.compile(network) if on_gpu else network
    mean = torch.tensor([103.939, 116.779, 123.68], device=place)

    def in_f16() -> AbstractContextManager[Any]:
        return torch.autocast("cuda", torch.float16) if on_gpu else nullcontext()

    def run(films: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode(), in_f16():
            there = torch.from_numpy(films).to(place).flip(-1).float() - mean
            vectors = ready(there.permute(0, 3, 1, 2))
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    return run


def resnet50() -> Any:
    """Build ResNet50 up to its vector, with random weights."""
    from torch import nn

    layers: list[Any] = [*_convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for narrow, blocks, stride in STAGES:
        for number in range(blocks):
            layers.append(_block(channels, narrow, stride if number == 0 else 1))
            channels = WIDER * narrow
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _convolution(inputs: int, outputs: int, window: int, stride: int) -> list[Any]:
    from torch import nn

    convolution = nn.Conv2d(inputs, outputs, window, stride, window // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def _block(inputs: int, narrow: int, stride: int) -> Any:
    """Build a bottleneck, whose input is added to what it makes of it."""
    from torch import nn

    outputs = WIDER * narrow

    class Bottleneck(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.main = nn.Sequential(
                *(*_convolution(inputs, narrow, 1, stride), nn.ReLU()),
                *(*_convolution(narrow, narrow, 3, 1), nn.ReLU()),
                *_convolution(narrow, outputs, 1, 1),
            )
            is_same = stride == 1 and inputs == outputs
            self.short = (
                nn.Identity()
                if is_same
                else nn.Sequential(*_convolution(inputs, outputs, 1, stride))
            )
            self.last = nn.ReLU()

        def forward(self, films: Any) -> Any:
            return self.last(self.main(films) + self.short(films))

    return Bottleneck()


if __name__ == "__main__":
    raise SystemExit(main())
