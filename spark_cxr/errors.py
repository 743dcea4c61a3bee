"""Every exception of spark_cxr, and the closed list of reasons for which an image is set aside.

SparkCxrError
├── ConfigError       a flag, a config key or a description of a data set is wrong    (ValueError)
├── InputError        folders, tables or label files are not what the job needs       (ValueError)
├── OutputError       the place to write to is taken or not ours                      (OSError)
├── WeightsError      a network's weights cannot be had, or are not what they should be   (OSError)
├── SetupError        a package, Java or a device that was asked for is missing       (RuntimeError)
└── BadImage          one file that cannot become pixels; goes to the quarantine      (ValueError)
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

T = TypeVar("T")

LONGEST = 32
"""Letters of a word from a user's data that an error shows."""
REASONS = {
    "empty": "the file has no bytes",
    "truncated": "the file ends before its pixels do",
    "corrupt": "the file starts as an image and then contradicts itself",
    "not_an_image": "the bytes are no image format that is known here",
    "unsupported_transfer_syntax": "DICOM pixels in an encoding that no decoder here reads",
    "unsupported_photometric": "DICOM samples or colours of a kind that no film has",
    "no_pixel_data": "a DICOM object without pixels",
    "multi_frame": "several frames in one file: a film has one",
    "too_small": "a side is shorter than a film's can be",
    "too_large": "more bytes or pixels than the limits allow, refused before decoding",
    "out_of_memory": "decoding needed more memory than a film may take, or than the worker has",
    "too_slow": "decoding took longer than a film may take",
    "ended_its_reader": "the process that read the file died of it, twice",
    "unreadable": "the file system did not hand the file over",
}


class SparkCxrError(Exception):
    """Base of all errors that a user can act on: says what was expected, what came, the way out."""

    def __init__(self, expected: str, received: str, way_out: str) -> None:
        """Keep the three parts; they pickle across Python workers as they are."""
        # Not super(): OSError would take the third argument for a file name.
        Exception.__init__(self, expected, received, way_out)

    def __str__(self) -> str:
        """Join the parts into the one line that jobs print."""
        expected, received, way_out = self.args
        line = f"Expected {expected}. Received: {received}. {way_out}"
        return line if line.endswith(("?", ".")) else f"{line}."


class ConfigError(SparkCxrError, ValueError):
    """A flag, a config key or a data-set description is wrong."""


class InputError(SparkCxrError, ValueError):
    """Folders, tables or label files are not what the job needs."""


class OutputError(SparkCxrError, OSError):
    """The place to write to is taken, or was not made by spark_cxr."""


class WeightsError(SparkCxrError, OSError):
    """The weights of a network cannot be had, or are not what was promised."""


class SetupError(SparkCxrError, RuntimeError):
    """A package, Java or a device that was asked for is not there."""


class BadImage(SparkCxrError, ValueError):
    """One file that cannot become pixels, with a reason from `REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        """Refuse reasons outside the closed list, so that the quarantine stays countable."""
        if reason not in REASONS:
            raise KeyError(reason)
        Exception.__init__(self, reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        """Read like a line of the quarantine table."""
        return f"{self.reason}: {self.detail}"


def nearest(word: str, known: Sequence[str], most: int | None = None) -> str:
    """Say which known word was probably meant, or list them: all, or the first `most`."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Known are: {', '.join(known) if most is None else few(known, most)}"


def few(words: Sequence[str], most: int = 12) -> str:
    """List the first words, cut short, and count the rest: words of a user's data may be ids."""
    shown = [word if len(word) <= LONGEST else f"{word[: LONGEST - 1]}…" for word in words[:most]]
    rest = [f"and {len(words) - most:,} more"] if len(words) > most else []
    return ", ".join([*shown, *rest])


def without_password(value: T) -> T:
    """Leave out who logs in of every URL in a text, also within lists and mappings.

    What is logged, recorded or drawn into a page is read by others than whoever wrote the URL.
    """
    without: Any = value
    if isinstance(value, str):
        without = re.sub(r"(?<=://)[^\s/?#]*@", "", value)
    elif isinstance(value, Mapping):
        without = {name: without_password(each) for name, each in value.items()}
    elif isinstance(value, list | tuple):
        without = type(value)(map(without_password, value))
    return cast("T", without)
