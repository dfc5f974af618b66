"""An event loop whose time is the test's own: whoever sleeps is woken at once, in order, and nothing really waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time passes only when everybody waits, and then at once. What it runs must not wait for the outside."""

    def __init__(self) -> None:
        self._passed = 1000.0
        self._began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=self._passed)
        super().__init__(_Skipping(self))

    def time(self) -> float:
        """Give the time in seconds."""
        return self._passed

    def wall(self) -> datetime:
        """Give the time of day: at first what everybody else calls so."""
        return self._began + timedelta(seconds=self._passed)

    def skip(self, seconds: float) -> None:
        """Let time pass in which nobody has a turn, as in a process that was stopped."""
        self._passed += seconds

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something to its end, and all the others as long."""
        return self.run_until_complete(work)

    def end(self) -> None:
        """Cancel what still runs, and close."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        self.run(_all(tasks))
        self.run(self.shutdown_asyncgens())
        self.close()


class _Skipping(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Looks at the loop's own wake-up pipe only, and never waits there."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else, for ever")
        self._loop.skip(max(0.0, timeout))
        return super().select(0)


async def _all(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
