"""The server's side of a silent stream: it is asked for a sign of life, and given up when none comes.

One direction may be lost alone: the client still hears us, and we hear nothing. Each end checks its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from tekton.core.backoff import spread
from tekton_server.live.lease import Clock, Timing
from tekton_server.live.sessions import Session
from tekton_server.live.ticks import ticks

log = logging.getLogger(__name__)

# In beat intervals: after how many of silence a stream is asked, and by when it is given up.
ASKED, GIVEN_UP = 2.0, 3.0
# How often in an interval the streams are looked at.
LOOKS = 5


class Silence:
    """Looks at the open streams."""

    def __init__(self, sessions: Iterable[Session], timing: Callable[[], Timing], clock: Clock) -> None:
        self._sessions = sessions
        self._timing = timing
        self._clock = clock

    async def run(self) -> None:
        """Look until cancelled."""
        async for late in ticks(self._clock, lambda: self._timing().interval / LOOKS):
            self.look(self._clock(), late)

    def look(self, now: float, late: float) -> None:
        """Ask the silent, and give up those who were asked and did not answer."""
        # While we did not run nobody could be heard: what they said meanwhile still waits on the sockets.
        ours = late > self._timing().interval / LOOKS
        given_up = 0
        for session in self._sessions:
            interval = session.terms.interval
            quiet = (now - session.heard_at) / interval
            if quiet < ASKED or session.given_up:
                continue
            if ours:
                session.heard_at = now
            elif not session.pinged:
                session.ping()
            elif quiet > GIVEN_UP - 1 / LOOKS:
                given_up += 1
                session.cut(spread(0.0, min(1.0, interval / 5)))
        if given_up:
            log.info("gave up %d heartbeat streams that were silent for three intervals", given_up)
