"""A thread of its own for what may hang: a driver, a disk of the network."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Callable[[], Any], asyncio.Future[Any], asyncio.AbstractEventLoop]


class Aside:
    """Runs one job at a time, as a daemon: a call that hangs holds up neither the loop nor the end of the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.busy = False
        """Whether a job has not come back yet, though nobody may be waiting for it any more."""

    async def run(self, job: Callable[[], T], within: float) -> T:
        """Run a job, and wait for it so many seconds at most; it goes on behind that.

        Raises:
            TimeoutError: it did not come back in time, or one before it still has not.
        """
        if self.busy:
            raise TimeoutError(f"{self._name} still does not answer")
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(self._jobs,), name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        done.add_done_callback(_seen)
        self.busy = True
        self._jobs.put((job, done, loop))
        try:
            async with asyncio.timeout(within):
                return await asyncio.shield(done)
        except TimeoutError:
            raise TimeoutError(f"{self._name} did not answer within {within:g} s") from None

    def close(self) -> None:
        """End the thread once its job has come back; another begins with the next job."""
        self._jobs.put(None)
        self._jobs, self._thread = queue.SimpleQueue(), None

    def _work(self, jobs: queue.SimpleQueue[_Job | None]) -> None:
        while (found := jobs.get()) is not None:
            job, done, loop = found
            try:
                result, error = job(), None
            except Exception as raised:
                result, error = None, raised
            # The loop may be gone by now, and whoever asked with it.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._tell, done, result, error)

    def _tell(self, done: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
        self.busy = False
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)


def _seen(done: asyncio.Future[Any]) -> None:
    """Nobody may wait for it any more, and then its failure is nobody's."""
    if not done.cancelled():
        done.exception()
