"""Silence for the libraries that decode: their warnings and logs quote tag values of patients."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_PACKAGES = ("PIL", "pydicom")
_MODULES = r"(PIL|pydicom)(\.|$)"


class _Here(threading.local):
    """How deep this thread is inside `quiet`; each thread sees its own count."""

    depth = 0


_here = _Here()


class _DropHere(logging.Filter):
    """Drop the records of a thread that decodes, pass those of all others."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record may pass."""
        return _here.depth == 0


_DROP_HERE = _DropHere()


def mute_loggers() -> None:
    """Put the filter on every logger of the decoding libraries that exists by now.

    A filter on a parent does not see its children's records, hence one for each. To be called
    again after a library was imported inside `quiet`; a further call changes nothing.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _PACKAGES:
            logging.getLogger(name).addFilter(_DROP_HERE)


def _ignore_warnings() -> None:
    """Ignore what the decoding libraries' own modules warn about, and nothing else.

    `warnings.catch_warnings` swaps the filters of the whole process and so races with other
    threads. Adding one filter and leaving it there does not. It is put in front again when
    somebody's `simplefilter("error")` came before it: a warning would turn into a lost film.
    """
    first = warnings.filters[0] if warnings.filters else None
    if first is None or getattr(first[3], "pattern", None) != _MODULES:
        # Said while gdcm is imported, of its own types, from Python 3.12 on.
        warnings.filterwarnings("ignore", "builtin type [sS]wig", DeprecationWarning)
        warnings.filterwarnings("ignore", module=_MODULES)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the decoding libraries silent in this thread."""
    mute_loggers()
    _ignore_warnings()
    _here.depth += 1
    try:
        yield
    finally:
        _here.depth -= 1
