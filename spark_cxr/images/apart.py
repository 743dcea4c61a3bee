"""Files whose decoding may cost anything → `Film`, each in a process that is held to its share.

Decoders believe what a file says: 46 bytes of WebP ask for gigabytes, a JPEG of a thousand scans
for a minute, and gdcm ends the whole process on some broken frames. A Spark worker and a server
must survive that, and go on with the next film. So whatever is not plainly harmless is decoded by
child processes, which are started when needed and kept. Memory and time are bounded by the kernel,
not by the decoder's good will. Messages are JSON and raw bytes and nothing executable: a child that
a hostile file took over can send a wrong film and no more.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from spark_cxr.errors import REASONS, BadImage
from spark_cxr.images.demographics import Demographics
from spark_cxr.images.film import (
    FLAGS,
    PLANES,
    REDUCED,
    Film,
    GreyScale,
    GreyValues,
    Limits,
    Size,
    Spacing,
)
from spark_cxr.images.formats import decode_here, sniff
from spark_cxr.images.harmless import promised_bytes
from spark_cxr.records import read_json, read_record

_SIZES = struct.Struct("<IQ")
"""Lengths of the JSON and of the bytes behind it."""
_LONGEST_HEADER = 2**16
_CODE = "from spark_cxr.images.apart import serve; serve()"
_LEAST_MEMORY, _MOST_MEMORY = 2**28, 2**30
"""Of a decode, beyond what the process had before: decoders hold several copies of a picture."""
_COPIES = 10
"""Of the pixels that a file promises. JPEG 2000 of 16 bits takes 7."""
_HEAVY = 2**29
"""From this share on, one file at a time is decoded."""
_RETIRED = 2**29
"""A child that has once grown to this does not give all of it back."""
_PATIENCE = 2
"""Times the limit of seconds that may pass on the wall, where others want the processor, too."""
_TRIES = 2
_VIEWS = (None, "PA", "AP", "lateral")


@dataclass(frozen=True)
class Decoded:
    """What became of a file: the film without its pixels, or why there is none."""

    reason: str = ""
    detail: str = ""
    shape: tuple[int, ...] = ()
    format: str = ""
    bits: int = 0
    patient_id: str | None = field(default=None, repr=False)
    view: str | None = None
    flags: tuple[str, ...] = ()
    full_hw: Size | None = None
    demographics: Demographics = field(default_factory=Demographics)
    spacing: Spacing | None = None
    scale: GreyScale | None = None
    """Of values of 16 bits, where there are any; they come behind the pixels."""
    values_hw: Size = (0, 0)
    peak: int = 0
    """Bytes of memory that the process has had at most."""


def send(pipe: BinaryIO, header: dict[str, Any], payload: bytes | memoryview) -> None:
    """Write one message."""
    text = json.dumps(header).encode()
    pipe.write(_SIZES.pack(len(text), len(payload)))
    pipe.write(text)
    pipe.write(payload)
    pipe.flush()


def receive(pipe: BinaryIO, most: int) -> tuple[dict[str, Any], bytes]:
    """Read one message of at most so many bytes.

    Raises:
        EOFError: the other side is gone.
        ValueError: it sends something else.
    """
    sizes = pipe.read(_SIZES.size)
    if len(sizes) < _SIZES.size:
        raise EOFError
    header_length, length = _SIZES.unpack(sizes)
    if header_length > _LONGEST_HEADER or length > most:
        raise ValueError(length)
    header, payload = pipe.read(header_length), pipe.read(length)
    if len(payload) < length:
        raise EOFError
    return read_json(header), payload


def serve() -> None:
    """Answer files until the parent goes away; to be run in a fresh process."""
    import logging
    import warnings

    logging.disable()
    warnings.simplefilter("ignore")
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # gdcm and OpenJPEG print; only messages may reach the parent
        os.dup2(nowhere, stream)
    while True:
        try:
            header, data = receive(requests, sys.maxsize)
        except EOFError:
            return
        limits = Limits(**header["limits"])
        with _bounded(limits.seconds, header["memory"]):
            enough_hw = header["enough_hw"]
            enough_hw = enough_hw and tuple(enough_hw)
            decoded, pixels = _answer(data, limits, enough_hw, header["values_side"])
        try:
            send(answers, asdict(decoded), pixels)
        except BrokenPipeError:
            return


def _answer(
    data: bytes, limits: Limits, enough_hw: Size | None, values_side: int
) -> tuple[Decoded, bytes | memoryview]:
    """Decode one file; whatever goes wrong is an answer too."""
    try:
        film = decode_here(data, limits, enough_hw, values_side)
        pixels = np.ascontiguousarray(film.pixels)
        payload = pixels.data.cast("B")
        if film.values:
            payload = memoryview(payload.tobytes() + film.values.values.tobytes())
    except BadImage as bad:
        return Decoded(bad.reason, bad.detail[:200], peak=peak_of()), b""
    except MemoryError:
        return Decoded("out_of_memory", f"{len(data)} bytes", peak=peak_of()), b""
    names = ("format", "bits", "patient_id", "view", "full_hw", "demographics", "spacing")
    facts = {name: getattr(film, name) for name in names}
    if film.values:
        facts |= {"scale": film.values.scale, "values_hw": film.values.values.shape}
    decoded = Decoded(shape=pixels.shape, flags=film.flags, peak=peak_of(), **facts)
    return decoded, payload


@contextmanager
def _bounded(seconds: float, memory: int) -> Iterator[None]:
    """Have the kernel refuse more memory and end the process after more time, where it can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock remains
        yield
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used, none = resource.getrusage(resource.RUSAGE_SELF), resource.RLIM_INFINITY
    resource.setrlimit(
        resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, none)
    )
    sizes = Path("/proc/self/statm")
    room = none
    if sizes.exists():
        room = int(sizes.read_text().split()[0]) * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (room, none))
    try:
        yield
    finally:
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU):
            resource.setrlimit(kind, (none, none))


def peak_of(process: str = "self") -> int:
    """Read the most memory that a process of this host has had, where the kernel counts it.

    Not `ru_maxrss`: that is handed down, so a child of a large process would seem as large.
    """
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


class _TimeUp(Exception):
    """The child was ended because its file took too long."""


class _Child:
    """One process that decodes one file at a time."""

    def __init__(self) -> None:
        self.peak, self.is_ended = 0, False
        _expect_end_and_forks()
        # The path as it is now: Spark adds archives to it that no environment variable names.
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
        # One thread each: films are decoded side by side already, and stacks count as memory.
        own = {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | own,
        )

    def ask(
        self, data: bytes, limits: Limits, memory: int, enough_hw: Size | None, values_side: int
    ) -> tuple[Decoded, bytes]:
        """Have a file decoded.

        Raises:
            _TimeUp: it took too long.
            OSError, EOFError: the child ended by itself.
            ValueError: it sent something else than an answer.
        """
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(_PATIENCE * limits.seconds, end)
        timer.daemon = True
        timer.start()
        header = {"limits": asdict(limits), "memory": memory, "enough_hw": enough_hw}
        header["values_side"] = values_side
        most = limits.max_bytes + 2 * values_side**2
        try:
            send(cast(BinaryIO, self._process.stdin), header, data)
            entries, pixels = receive(cast(BinaryIO, self._process.stdout), most)
        except (OSError, EOFError):
            if late.is_set() or self._process.wait() == -getattr(signal, "SIGXCPU", 0):
                raise _TimeUp from None
            raise
        finally:
            timer.cancel()
        decoded = read_record(Decoded, entries)
        self.peak = decoded.peak
        return decoded, pixels

    def end(self) -> None:
        """End the process although it is at work; whoever waits for it closes it."""
        self.is_ended = True
        self._process.kill()

    def close(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                cast(BinaryIO, pipe).close()
            except OSError:  # a request that nobody will read any more
                continue


class _Pool:
    """Children without work, and the turn of files that want much memory."""

    def __init__(self) -> None:
        self.idle: list[_Child] = []
        """`append` and `pop` of a list are atomic: threads share it as it is."""
        self.busy: list[_Child] = []
        self.heavy = threading.Lock()

    @contextmanager
    def child(self, is_new: bool) -> Iterator[_Child]:
        """Lend a child, which comes back if nothing is raised and it has stayed small."""
        try:
            child = _Child() if is_new or not self.idle else self.idle.pop()
        except IndexError:  # another thread was faster
            child = _Child()
        except OSError as error:
            raise MemoryError from error
        self.busy.append(child)
        is_well = False
        try:
            yield child
            is_well = child.peak < _RETIRED and not child.is_ended
        finally:
            self.busy.remove(child)
            if is_well:
                self.idle.append(child)
            else:
                child.close()

    def renew(self) -> None:
        """Forget what belongs to the process that this one was forked from."""
        self.idle, self.busy, self.heavy = [], [], threading.Lock()

    def close(self) -> None:
        """End all children, those at work too: their files become `ended_its_reader`."""
        for child in self.busy.copy():
            child.end()
        while self.idle:
            self.idle.pop().close()


_pool = _Pool()


def close_children() -> None:
    """End all children."""
    _pool.close()


@cache
def _expect_end_and_forks() -> None:
    """Set the hooks of this process when it has its first child, not when it imports this file."""
    atexit.register(close_children)
    if hasattr(os, "register_at_fork"):  # Windows has none, and needs none
        # A forked process must not talk into its parent's pipes, nor wait for its parent's lock.
        os.register_at_fork(after_in_child=_pool.renew)


def decode_apart(
    data: bytes, limits: Limits, enough_hw: Size | None = None, values_side: int = 0
) -> Film:
    """Decode one film in a child process, with a share of memory by what its header promises.

    Args:
        data: The file.
        limits: What it may cost.
        enough_hw: A size than which the caller needs no more; see `decode`.
        values_side: see `decode`, too.

    Raises:
        BadImage: there is no film in the bytes, or none that its share is enough for.
    """
    name = sniff(data)
    promised = promised_bytes(name, data)
    memory = _MOST_MEMORY
    if promised is not None:
        memory = min(_MOST_MEMORY, _LEAST_MEMORY + _COPIES * promised)
    with _pool.heavy if memory >= _HEAVY else nullcontext():
        for number in range(_TRIES):
            try:
                with _pool.child(is_new=number > 0) as child:
                    answer = child.ask(data, limits, memory, enough_hw, values_side)
                    found = _checked(*answer, name, limits, enough_hw, values_side)
            except _TimeUp:
                detail = f"{name}: not decoded in {limits.seconds:g} s"
                raise BadImage("too_slow", detail) from None
            except MemoryError:  # no room for another process
                raise BadImage("out_of_memory", f"{name}, {len(data)} bytes") from None
            except (OSError, EOFError, ValueError):
                if child.is_ended:  # by us, who want no other one
                    break
                continue
            if isinstance(found, BadImage):
                raise found
            return found
    raise BadImage("ended_its_reader", f"{name}, {len(data)} bytes")


def _checked(
    decoded: Decoded,
    payload: bytes,
    name: str,
    limits: Limits,
    enough_hw: Size | None,
    values_side: int,
) -> Film | BadImage:
    """Turn an answer into a film, believing nothing of it.

    Raises:
        ValueError: no decoder here gives such an answer.
    """
    if decoded.reason:
        if decoded.reason not in REASONS:
            raise ValueError(decoded.reason)
        return BadImage(decoded.reason, decoded.detail)
    shape, flags = decoded.shape, decoded.flags
    if decoded.spacing and not (decoded.spacing.is_sane and decoded.spacing.plane in PLANES):
        raise ValueError(decoded.spacing)
    values = _values(decoded, payload, values_side)
    film = Film(
        np.frombuffer(payload, np.uint8, prod(shape)).reshape(shape),
        name,
        decoded.bits,
        decoded.patient_id,
        decoded.view,
        flags,
        decoded.full_hw,
        decoded.demographics.checked(),
        decoded.spacing,
        values,
    )
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise ValueError(shape)
    limits.check(*film.file_hw)
    if decoded.view not in _VIEWS or not set(flags) <= set(FLAGS):
        raise ValueError(decoded.view)
    if (REDUCED in flags) != (film.full_hw is not None):
        raise ValueError(film.full_hw)
    if film.full_hw and not (enough_hw and shape[0] > enough_hw[0] and shape[1] > enough_hw[1]):
        raise ValueError(shape)
    return film


def _values(decoded: Decoded, payload: bytes, values_side: int) -> GreyValues | None:
    """Take the values of 16 bits behind the pixels, where such were asked for.

    Raises:
        ValueError: no decoder here gives such values.
    """
    scale, (height, width) = decoded.scale, decoded.values_hw
    length = prod(decoded.shape) + 2 * height * width
    if min(height, width) < 0 or max(height, width) > values_side or length != len(payload):
        raise ValueError(decoded.values_hw)
    if scale is None:
        return None
    found = np.frombuffer(payload[prod(decoded.shape) :], np.uint16).reshape(height, width)
    if not height or not 0 < scale.top < 2**16 or found.max() > scale.top:
        raise ValueError(scale)
    return GreyValues(found, scale)
