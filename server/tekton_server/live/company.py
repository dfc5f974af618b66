"""How long a batch waits for commands that are on their way: that is what makes it a group commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sized

from tekton_server.live.lease import Clock

# So many turns of the event loop in a row without a new command are quiet enough: for who writes alone, once all are
# back who were there before, and at most.
ALONE = 3
COMPLETE = 10
TOGETHER = 40
# How long a batch has such patience for each that was there before, which is about what a call takes until its command
# waits; and how long it waits in all. In seconds.
EACH = 0.000_25
LONGEST = 0.02


class Company:
    """Waits for those whose commands were committed together: answered together, they come back together.

    A call that has arrived takes a few turns of the event loop until its command waits. A turn costs next to nothing,
    and a batch some milliseconds; but turns are long where a loop has much to do, and new commands never end where many
    come by themselves. So whoever writes alone does not wait for others, and nobody waits for more than were there.
    """

    def __init__(self, waiting: Sized, clock: Clock = time.monotonic) -> None:
        self._waiting = waiting
        self._clock = clock
        self._last = 0

    def took(self, commands: int) -> None:
        """So many commands make up a batch."""
        self._last = commands

    async def gather(self, most: int) -> None:
        """Return once a batch should begin, at once with `most` commands."""
        patience = self._last * EACH
        most_quiet = min(max(self._last, ALONE), TOGETHER)
        began = self._clock()
        quiet, seen = 0, 0
        while len(self._waiting) < most:
            waited, complete = self._clock() - began, len(self._waiting) >= self._last
            if waited >= patience:
                enough = 0 if complete else ALONE
            else:
                enough = min(most_quiet, COMPLETE) if complete else most_quiet
            if quiet >= enough or waited >= LONGEST:
                return
            quiet = quiet + 1 if len(self._waiting) == seen else 0
            seen = len(self._waiting)
            await asyncio.sleep(0)
