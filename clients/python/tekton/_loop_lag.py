"""How late the application's event loop runs, measured from another thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

# A loop is asked this often at most, in seconds, and several times between two beats.
_PERIOD, _SHARE = 1.0, 1 / 4
# Less than this is no lag: every loop runs a little late.
_NOTICED = 0.1


class _Probe:
    """A question to a loop, answered when it has its turn there."""

    __slots__ = ("answered", "asked")

    def __init__(self) -> None:
        self.asked = time.monotonic()
        self.answered: float | None = None

    def answer(self) -> None:
        self.answered = time.monotonic()

    def lag(self, now: float) -> float:
        return (now if self.answered is None else self.answered) - self.asked


class LoopLag:
    """The lag of one loop. One question is under way at a time, so a blocked loop is not flooded."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.next_at = 0.0
        self._probe: _Probe | None = None
        self._last = 0.0

    def look(self, now: float, period: float) -> None:
        """Take the answer if there is one, and ask again."""
        if now < self.next_at:
            return
        self.next_at = now + period
        if self._probe is not None and self._probe.answered is not None:
            self._last, self._probe = self._probe.lag(now), None
        if not self.loop.is_running():
            # Between two runs of a loop nobody waits for it, so it is not late.
            self._probe, self._last = None, 0.0
        elif self._probe is None:
            self._ask()

    def _ask(self) -> None:
        probe = _Probe()
        try:
            self.loop.call_soon_threadsafe(probe.answer)
        except RuntimeError:
            # It was closed this moment.
            self._last = 0.0
        else:
            self._probe = probe

    def seconds(self, now: float) -> float:
        """Give how long the question under way has been waiting, or the last one waited; 0 for what is not worth
        telling."""
        if not self.loop.is_running():
            return 0.0
        probe = self._probe
        if probe is None:
            lag = self._last
        elif probe.answered is None:
            # The last one counts until the next is answered: a loop that blocks again and again is blocked.
            lag = max(self._last, probe.lag(now))
        else:
            lag = probe.lag(now)
        return round(lag, 3) if lag >= _NOTICED else 0.0


class LoopLags:
    """The loops of a process whose lag is told."""

    def __init__(self) -> None:
        self._told: set[LoopLag] = set()

    def of(self, loop: asyncio.AbstractEventLoop) -> LoopLag:
        """Measure a loop, from now on until `look` is called without it."""
        lag = next((lag for lag in self._told if lag.loop is loop), None) or LoopLag(loop)
        self._told.add(lag)
        return lag

    def look(self, told: Iterable[LoopLag], interval: float, now: float) -> None:
        """Ask those whose lag is told; beats are so many seconds apart. The others are forgotten."""
        self._told = set(told)
        for lag in self._told:
            lag.look(now, min(_PERIOD, interval * _SHARE))

    def next_at(self) -> float:
        """Give when to look again, in monotonic seconds."""
        return min((lag.next_at for lag in self._told if not lag.loop.is_closed()), default=float("inf"))
