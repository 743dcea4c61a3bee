"""Threads for work that may not end: they never keep the process from ending.

`ThreadPoolExecutor` is not for that: when the interpreter ends, it waits for every thread of its
own, and so would SIGTERM for a decoder that hangs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import TIMEOUT_MAX, Thread
from typing import Any, TypeVar

from spark_cxr.serve.bodies import busy

Result = TypeVar("Result")


class WorkQueue:
    """Threads that do one piece of work after another."""

    def __init__(self, name: str, threads: int, most: int) -> None:
        """Start the threads; `most` and `waiting` are kept for those who submit."""
        self.most, self.waiting = most, 0
        self._work = SimpleQueue[Callable[[], None] | None]()
        self._threads = [
            Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[..., Result], *args: Any) -> Future[Result]:
        """Queue a piece of work."""
        future = Future[Result]()
        self._work.put(lambda: _do(future, work, *args))
        return future

    async def in_turn(self, what: str, work: Callable[..., Result], *args: Any) -> Result:
        """Do a piece of work when its turn has come; its caller may leave before.

        Raises:
            Refusal: 503, as many as may are waiting.
        """
        if self.waiting >= self.most:
            raise busy(f"{self.waiting} {what} are waiting")
        self.waiting += 1
        doing = self.submit(work, *args)
        try:
            return await asyncio.wrap_future(doing)
        finally:
            self.waiting -= 1

    def close(self, ends: float) -> None:
        """Finish what is queued and stop; leave behind what does not end until then."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            join(thread, ends)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _do(future: Future[Result], work: Callable[..., Result], *args: Any) -> None:
    """Do a piece of work, unless whoever wanted it has gone."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work(*args)
    except Exception as error:  # noqa: BLE001 - the thread has to live on for the others
        future.set_exception(error)
    else:
        future.set_result(result)


def join(thread: Thread, ends: float) -> None:
    """Wait for a thread until a moment of the monotonic clock, which may be infinitely far."""
    thread.join(min(max(0.0, ends - time.monotonic()), TIMEOUT_MAX))
