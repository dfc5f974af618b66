"""What loads have in common: where they go, how long they count, and how callers are started and stopped.

A load runs in the load generator's own process; what it takes and gives travels there and back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bench.model import Figures

DRAIN = 15.0
_FEW = 100


@dataclass(frozen=True)
class Target:
    """Where a load goes."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """As URLs have it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Window:
    """How long to load before it counts, and while it counts."""

    warm_up: float
    seconds: float

    @property
    def whole(self) -> float:
        """Both together."""
        return self.warm_up + self.seconds


class Tally:
    """Counts calls; those that end inside the window are measured.

    With a period, a caller calls at most once in it; without one it calls again as soon as it is answered.
    """

    def __init__(self, window: Window, period: float = 0.0) -> None:
        self._window = window
        self._period = period
        self._began = self._until = self._ended = 0.0
        self.latencies: list[float] = []
        self.total = 0
        self.failures = 0
        self.running = True

    def begin(self) -> None:
        """The load starts now."""
        self._began = time.perf_counter() + self._window.warm_up
        self._until = self._began + self._window.seconds

    def done(self, since: float, *, failed: bool = False) -> None:
        """A call that began at `since` has ended."""
        now = time.perf_counter()
        self._ended = now
        self.total += 1
        self.failures += failed
        if self._began <= now < self._until and not failed:
            self.latencies.append(now - since)

    def again(self, since: float, call: Callable[[], None]) -> None:
        """Let a caller whose last call began at `since` call again when its time has come."""
        pause = self._period - (time.perf_counter() - since) if self._period else 0.0
        if pause > 0.0:
            asyncio.get_running_loop().call_later(pause, call)
        else:
            call()

    def figures(self, scale: int = 1) -> Figures:
        """Sum up; each call counts for `scale`."""
        if scale > 1 and self.total < _FEW:
            # What ends inside a short window is too coarse a measure of long calls: all of them, until the last ended.
            seconds = max(self._ended - self._began + self._window.warm_up, 1e-9)
            whole = Figures.of(self.latencies, seconds, self.total * scale, self.failures)
            return replace(whole, calls=(self.total - self.failures) * scale)
        return Figures.of(self.latencies, self._window.seconds / scale, self.total * scale, self.failures)


class Caller(Protocol):
    """A connection with its callers."""

    lost: asyncio.Future[None]
    drained: asyncio.Event

    def start(self) -> None:
        """Let the callers begin."""
        ...

    def stop(self) -> None:
        """Nobody shall call any more."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


async def drive(connects: Sequence[Callable[[], Awaitable[Caller]]], tally: Tally, window: Window) -> None:
    """Connect, start everybody, wait for the window to pass, and let what is under way end."""
    callers = [await connect() for connect in connects]
    try:
        tally.begin()
        for caller in callers:
            caller.start()
        lost = [caller.lost for caller in callers]
        done, _ = await asyncio.wait(lost, timeout=window.whole, return_when=asyncio.FIRST_COMPLETED)
        if done:
            raise ConnectionError("the server closed a connection under load")
        tally.running = False
        async with asyncio.timeout(DRAIN):
            for caller in callers:
                caller.stop()
                await caller.drained.wait()
    finally:
        for caller in callers:
            caller.close()
