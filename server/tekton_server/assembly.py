"""What a running control plane is made of: parts that are watched, and stopped in the opposite order of their start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from tekton_server.live.system import SystemState
from tekton_server.supervision import Part, Supervisor

log = logging.getLogger(__name__)

# Less than the ten seconds that container runtimes give.
STOP_DEADLINE = 8.0
# What each part gets of it before it is ended by force.
PART_DEADLINE = 3.0


class PartFailedError(Exception):
    """Tekton cannot go on; the text is one sentence, and a fault of ours is the cause."""


class Assembly:
    """The parts. `failed` raises a PartFailedError once one cannot be kept running; `stack` is what ends with them."""

    def __init__(self, state: SystemState) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stack = AsyncExitStack()
        self.stop_deadline = STOP_DEADLINE
        self.supervisor = Supervisor(state, self.fail)

    @property
    def failure(self) -> BaseException | None:
        """What `failed` ended with."""
        return self.failed.exception() if self.failed.done() and not self.failed.cancelled() else None

    def check(self) -> None:
        """Go on only if everything still runs.

        Raises:
            PartFailedError: naming the part that does not.
        """
        if self.failed.done():
            self.failed.result()

    def fail(self, sentence: str, cause: BaseException | None = None) -> None:
        """Give up; the first sentence stands."""
        if not self.failed.done():
            failure = PartFailedError(sentence)
            failure.__cause__ = cause
            self.failed.set_exception(failure)

    def on_stop(self, part: str, stop: Callable[[], Awaitable[object]]) -> None:
        """Stop a part in its turn, and go on with the next one if that fails."""

        async def stopped() -> None:
            try:
                await stop()
            except Exception as error:
                log.error("%s did not stop in order", part, exc_info=error)

        self.stack.push_async_callback(stopped)

    def supervise(self, part: Part) -> None:
        """Notice when a part ends by itself; stopped before the part is, so that a stop is no failure."""
        self.keep(self.supervisor.run(part), f"supervise {part.label}")

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do something for as long as everything runs; it fails with it."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self.stack.push_async_callback(_cancelled, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fail(f"the task to {task.get_name()} failed ({error})", error)

    async def stop(self) -> None:
        """Stop what was started, last first; past the deadline, or when cancelled, end the rest by force."""
        self.failed.cancel()
        closing = asyncio.create_task(self.stack.aclose(), name="stop")
        try:
            await asyncio.wait([closing], timeout=self.stop_deadline)
            if not closing.done():
                log.error("the stop took more than %g s; what is left is ended by force", self.stop_deadline)
        finally:
            await _forced(closing)


async def _forced(closing: asyncio.Task[None]) -> None:
    """Cancel whatever a stop still waits for, part after part; a cancelled part kills its child."""
    if closing.done():
        return closing.result()
    while not closing.done():
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([closing], timeout=0.1)
    # The killed are reaped meanwhile: left to a slow init, the next PostgreSQL would take a dead pid for a living one.
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0.2)
    return None if closing.cancelled() else closing.result()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
