"""A clock for waits that are written down as times of day: it never jumps, whatever is done to the clocks meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from tekton_server.live.lease import Clock


class Steady:
    """Tells the time of day as of its making, plus what passed since then on a monotonic clock.

    `wall` gives the time of day by which others write down theirs.
    """

    def __init__(self, clock: Clock, wall: Callable[[], datetime]) -> None:
        self._clock = clock
        self._wall = wall
        self._began = clock()
        self._at = wall()

    def seconds(self) -> float:
        """Give the monotonic clock's time."""
        return self._clock()

    def now(self) -> datetime:
        """Give the time of day."""
        return self._at + timedelta(seconds=self._clock() - self._began)

    def translated(self, at: datetime, *, most: float) -> datetime:
        """Give when a time of the wall's clock is, at most so many seconds away from now in either direction."""
        away = (at - self._wall()).total_seconds()
        return self.now() + timedelta(seconds=min(most, max(-most, away)))
