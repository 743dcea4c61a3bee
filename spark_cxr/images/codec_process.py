"""The parent's side of `codec`: child processes that are started when needed and kept."""

import atexit
import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import BadImage
from spark_cxr.images.codecs import CodecReply, Frame, receive, send

_SECONDS = 120.0
"""Far beyond what the largest film takes (JPEG 2000 at 100 million pixels: about 20 s)."""
_CODE = "from spark_cxr.images.codecs import serve; serve()"
_DTYPES = ("|u1", "|i1", "<u2", "<i2")
_ALLOCATION_FAILED = "MemoryError"


class _Child:
    """One process that decodes one frame at a time."""

    def __init__(self) -> None:
        _expect_end_and_forks()
        # The path as it is now: Spark adds archives to it that no environment variable names.
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
        )

    def ask(self, frame: Frame, pixel_data: bytes) -> tuple[CodecReply, bytes]:
        """Have a frame decoded.

        Raises:
            OSError: the child ended, by itself or for taking too long.
            EOFError: likewise.
        """
        timer = threading.Timer(_SECONDS, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            send(cast(BinaryIO, self._process.stdin), frame, pixel_data)
            header, samples = receive(cast(BinaryIO, self._process.stdout))
        finally:
            timer.cancel()
        return CodecReply(**header | {"shape": tuple(header["shape"])}), samples

    def close(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                cast(BinaryIO, pipe).close()
            except OSError:  # a request that nobody will read any more
                continue


_idle: list[_Child] = []
"""Children without work. `append` and `pop` of a list are atomic: threads share it as it is."""


def close_children() -> None:
    """End all idle children."""
    while _idle:
        _idle.pop().close()


@cache
def _expect_end_and_forks() -> None:
    """Set the hooks of this process when it has its first child, not when it imports this file."""
    atexit.register(close_children)
    if hasattr(os, "register_at_fork"):  # Windows has none, and needs none
        # A forked process must not talk into its parent's pipes.
        os.register_at_fork(after_in_child=_idle.clear)


def decode_apart(frame: Frame, pixel_data: bytes) -> tuple[NDArray[Any], str]:
    """Decode a compressed frame in a child process.

    Returns:
        The samples, and the photometric interpretation that they have now.

    Raises:
        BadImage: corrupt, where the decoder refuses the frame or dies of it.
        MemoryError: there is no room for another process, or in it for the frame.
    """
    try:
        child = _idle.pop() if _idle else _Child()
    except IndexError:  # another thread was faster
        child = _Child()
    except OSError as error:
        raise MemoryError from error
    is_well = False
    try:
        answer, samples = child.ask(frame, pixel_data)
        is_well = True
    except (OSError, EOFError, ValueError, TypeError, KeyError):
        raise BadImage("corrupt", f"dicom: {frame.plugin} breaks down over the frame") from None
    finally:
        if is_well:
            _idle.append(child)
        else:
            child.close()
    return _checked(answer, samples, frame), answer.photometric


def _checked(answer: CodecReply, samples: bytes, frame: Frame) -> NDArray[Any]:
    """Turn an answer into an array, believing nothing of it."""
    if answer.error == _ALLOCATION_FAILED:
        raise MemoryError
    shape = (frame.rows, frame.columns, frame.samples)[: 2 if frame.samples == 1 else 3]
    if answer.error or answer.shape != shape or answer.dtype not in _DTYPES:
        what = answer.error or "wrong shape"
        raise BadImage("corrupt", f"dicom: {frame.plugin} cannot decode the frame ({what[:40]})")
    return np.frombuffer(samples, np.dtype(answer.dtype)).reshape(shape)
