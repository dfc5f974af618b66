"""Admission of heartbeat streams: of thousands that connect at once each is taken in turn, or comes back later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tekton.core.backoff import spread
from tekton_server.domain.rates import Turnstile
from tekton_server.live.lease import Clock, Timing
from tekton_server.live.outbox import GoAway

# So many new streams a second, and so many at once; a core sets up about twice as many.
STREAMS_PER_SECOND, BURST = 500.0, 500
# How long a stream waits here for its turn: less than clients wait for a Welcome. It bounds how many wait.
PATIENCE = 2.0
# Nobody is sent away for longer than this part of a timeout; clients add up to a half.
AWAY_SHARE = 1 / 4


class Admission:
    """The door for heartbeat streams."""

    def __init__(self, timing: Callable[[], Timing], clock: Clock, rate: float = STREAMS_PER_SECOND) -> None:
        self._timing = timing
        self._clock = clock
        self._turnstile = Turnstile(rate, max(1, int(BURST * rate / STREAMS_PER_SECOND)), PATIENCE)
        self.sent_away = 0
        """How many were told to come back later."""

    async def enter(self) -> GoAway | None:
        """Wait for one's turn; gives what to say to a client that shall come back later instead."""
        now = self._clock()
        wait = self._turnstile.wait(now)
        if wait is None:
            self.sent_away += 1
            return GoAway(self._away(now), "too_many_at_once")
        if wait:
            await asyncio.sleep(wait)
        return None

    def _away(self, now: float) -> float:
        """Give each a time of its own: all who were cut off at once must not come back at once."""
        longest = self._timing().timeout * AWAY_SHARE
        turn = self._turnstile.come_back(now)
        return turn if turn < longest else spread(longest / 2, longest)
