"""Negative answers need proof: fold up to a revision that was read after the question came (DESIGN §3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tekton.core.errors import TektonError
from tekton_server.storage.errors import StorageUnavailableError

T = TypeVar("T")


async def surely(
    answer: Callable[[], T], confirm: Callable[[], Awaitable[None]], refusal: type[TektonError] = TektonError
) -> T:
    """Answer from memory; a refusal is only given after asking the database, which may know better.

    Raises:
        TektonError: as `answer` does.
        StorageUnavailableError: it would be a refusal, and the database cannot be asked.
    """
    try:
        return answer()
    except refusal:
        await confirm()
    return answer()


class Freshness:
    """Runs `refresh` for everybody who asks, one at a time: who comes while one runs shares the next one.

    Nobody waits for longer than `within` seconds.
    """

    def __init__(self, refresh: Callable[[], Awaitable[None]], within: float) -> None:
        self._refresh = refresh
        self._within = within
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def confirm(self) -> None:
        """Return once the view holds everything that was committed when this was called.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running), name="freshness")
        try:
            # Not `wait_for`: on Python 3.11 that swallows a cancellation that comes together with the answer.
            async with asyncio.timeout(self._within):
                await asyncio.shield(self._next)
        except TimeoutError:
            raise StorageUnavailableError("the database does not answer; try again") from None

    async def _after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        # From here on the read has begun, so whoever comes now needs another.
        self._running, self._next = self._next, None
        await self._refresh()

    async def close(self) -> None:
        """Cancel what runs and wait for it."""
        tasks = [task for task in (self._running, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
