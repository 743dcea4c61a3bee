"""What a large DICOM film costs in each encoding: `python -m benchmarks.dicom`.

`--write DIR` writes films instead, a folder an encoding, for `bench --images DIR/ENCODING`.

Processor time of this process and of the one that decodes, in milliseconds a film, as medians of
rounds in which all encodings take turns. The film is a drawn one of 3000 x 2500 pixels and 12 bits,
or a picture of yours enlarged to that.
"""

from __future__ import annotations

import argparse
import inspect
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count, islice
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spark_cxr.images.decode import decode
from spark_cxr.images.fingerprint import fingerprint
from spark_cxr.images.prepare import to_network
from spark_cxr.phantoms import draw
from spark_cxr.phantoms.drawing import Drawing
from spark_cxr.phantoms.encoding import (
    EXPLICIT,
    RLE,
    Elements,
    Owner,
    dicom_file,
    encapsulate,
    film_elements,
    pack,
)

Levels = NDArray[np.uint16]
SIZE_HW = (3000, 2500)
NETWORK_HW = (256, 256)
NOISE = 8
"""Standard deviation, of 4,096 levels."""
PIXEL_DATA = 0x7FE00010
JPEGS = "1.2.840.10008.1.2.4"


def drawn_films() -> Iterator[Levels]:
    """Draw films of the one size."""
    films = (draw("Pneumonia", 1, film=n, size=SIZE_HW[1]).grey12 for n in count(1))
    return (film for film in films if film.shape == SIZE_HW)


def film_of(picture: Path | None) -> Levels:
    """Draw a film, or enlarge a picture and give it noise."""
    if picture is None:
        return next(drawn_films())
    with Image.open(picture) as image:
        grey = image.convert("L").resize(SIZE_HW[::-1], Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, NOISE, SIZE_HW)
    return np.clip(np.asarray(grey) * 16.0 + noise, 0, 4095).astype(np.uint16)


def encodings(film: Levels) -> dict[str, bytes]:
    """Write the film in each encoding."""
    values = {
        "native": (EXPLICIT, pack(film, EXPLICIT)),
        "JPEG Lossless": (
            f"{JPEGS}.70",
            _item(imagecodecs.jpeg8_encode(film, lossless=True, bitspersample=12)),
        ),
        "JPEG-LS": (f"{JPEGS}.80", _item(imagecodecs.jpegls_encode(film))),
        "RLE": (RLE, pack(film, RLE)),
        "JPEG 2000": (f"{JPEGS}.90", _item(_jpeg_2000(film))),
        "HTJ2K": (f"{JPEGS}.201", _item(imagecodecs.htj2k_encode(film, reversible=True))),
    }
    drawing = Drawing(film, np.zeros(film.shape, np.bool_), "PA", "")
    elements = film_elements(drawing, Owner("benchmark", 1), "MONOCHROME2", 12)
    return {name: _file(elements, *value) for name, value in values.items()}


def _jpeg_2000(film: Levels) -> bytes | bytearray:
    return imagecodecs.jpeg2k_encode(
        film, level=0, codecformat="j2k", bitspersample=12, reversible=True
    )


def _item(frame: bytes | bytearray) -> bytes:
    return encapsulate(bytes(frame))


def _file(elements: Elements, syntax: str, value: bytes) -> bytes:
    return dicom_file(elements | {PIXEL_DATA: ("OW", value)}, syntax)


def cpu_ms() -> float:
    """Add up the processor time of this process and of its children, those at work too."""
    children = set[int]()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that has ended by now
            children |= {int(word) for word in (task / "children").read_text().split()}
    # Linux has a clock for each process, whose number is made of the process's.
    clocks = (time.clock_gettime((~child << 3) | 2) for child in children)
    return 1000 * (time.process_time() + sum(clocks))


def steps(films: dict[str, bytes]) -> dict[str, Callable[[], object]]:
    """List what is measured, under the name of its row."""
    found: dict[str, Callable[[], object]] = {}
    for name, data in films.items():
        found[name] = partial(decode, data)
        is_wavelet = name in ("JPEG 2000", "HTJ2K")
        if is_wavelet and "enough_hw" in inspect.signature(decode).parameters:
            found[f"{name}, --reduce auto"] = partial(decode, data, enough_hw=NETWORK_HW)
    whole = decode(films["native"])
    found["fingerprints"] = partial(fingerprint, films["JPEG Lossless"], whole)
    found["resize for the network"] = partial(to_network, whole.pixels, NETWORK_HW)
    return found


def measure(rounds: int, picture: Path | None) -> dict[str, float | None]:
    """Give the milliseconds of each row; None where this version refuses the film."""
    taken: dict[str, list[float]] = {}
    wanted = steps(encodings(film_of(picture)))
    for number in range(rounds + 1):
        for name, step in wanted.items():
            before = cpu_ms()
            try:
                step()
            except ValueError:  # BadImage among them
                taken[name] = []
                continue
            if number:  # the first round starts children and fills caches
                taken.setdefault(name, []).append(cpu_ms() - before)
    return {
        name: round(statistics.median(times), 1) if times else None for name, times in taken.items()
    }


def write(folder: Path, films: int) -> None:
    """Write drawn films, a folder an encoding."""
    for number, film in enumerate(islice(drawn_films(), films)):
        for name, data in encodings(film).items():
            place = folder / name.replace(" ", "_")
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number:04d}.dcm").write_bytes(data)


def main() -> None:
    """Print a line of JSON, or write films."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--film", type=Path, help="a picture to enlarge, in place of a drawn film")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write films there instead")
    parser.add_argument("--films", type=int, default=40, help="that are written")
    asked = parser.parse_args()
    if asked.write:
        write(asked.write, asked.films)
        return
    print(json.dumps(measure(asked.rounds, asked.film)))


if __name__ == "__main__":
    main()
