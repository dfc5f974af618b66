"""A clock's ticks, each with how late it came: a late one tells that this process did not run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from tekton_server.live.lease import Clock


async def ticks(clock: Clock, period: Callable[[], float]) -> AsyncIterator[float]:
    """Tick until cancelled; gives how many seconds late each tick is."""
    while True:
        expected = clock() + period()
        await asyncio.sleep(max(0.0, expected - clock()))
        yield clock() - expected
