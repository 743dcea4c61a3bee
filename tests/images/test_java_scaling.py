"""Image structs are resized as Java resizes them: held against the Java of this machine."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.images.raster import over_black
from spark_cxr.images.structs import SCALE_HINTS, StructPreparation, to_film

PROGRAM = Path(__file__).with_name("GetScaledInstance.java")
MODES = {1: 0, 3: 16, 4: 24}
SIZES = [
    ((7, 5), (3, 2)),
    ((7, 5), (16, 11)),
    ((5, 9), (3, 20)),
    ((9, 5), (31, 4)),
    ((1, 1), (6, 7)),
    ((6, 8), (3, 4)),  # halves: a quarter of all averages lies between two levels
    ((13, 13), (13, 13)),
    ((100, 70), (299, 299)),
    ((640, 480), (299, 299)),
    ((271, 263), (90, 280)),
]


def case(number, size, new_size, channels, hint):
    """Draw an image, every other one of two levels only, whose averages often lie in a middle."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (*size, channels), dtype=np.uint8)
    return (100 + pixels % 2 if number % 2 else pixels), new_size, hint


CASES = [
    case(10 * row + channels, *sizes, channels, hint)
    for row, sizes in enumerate(SIZES)
    for channels in MODES
    for hint in SCALE_HINTS
]


def blue_first(pixels):
    """Give what sparkdl gave to Java; it knew no transparency, which lies on black here."""
    if pixels.shape[2] == 4:
        return over_black(pixels)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


@pytest.fixture(scope="module")
def by_java():
    """Resize all images in one JVM."""
    if shutil.which("java") is None:
        pytest.skip("no java on the PATH")
    message = struct.pack(">i", len(CASES))
    for pixels, new_size, hint in CASES:
        message += struct.pack(">4iH", *pixels.shape[:2], *new_size, len(hint)) + hint.encode()
        message += blue_first(pixels).tobytes()
    command = ["java", "-Djava.awt.headless=true", str(PROGRAM)]
    done = subprocess.run(command, input=message, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    ends = np.cumsum([height * width * 3 for _, (height, width), _ in CASES])
    return np.split(np.frombuffer(done.stdout, np.uint8), ends[:-1])


@pytest.mark.jvm
def test_every_hint_gives_the_pixels_of_java(by_java):
    for (pixels, new_size, hint), expected in zip(CASES, by_java, strict=True):
        height, width, channels = pixels.shape
        row = (height, width, channels, MODES[channels], pixels.tobytes())
        made = to_film(row, new_size, StructPreparation(hint))
        name = f"{pixels.shape} to {new_size}, {hint}"
        np.testing.assert_array_equal(made, expected.reshape(made.shape), err_msg=name)
