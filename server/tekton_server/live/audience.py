"""Who watches a source: they are woken in slices, so that a thousand watchers hold up nobody else's call."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, Generic, Self, TypeVar

# How many watchers wake in one turn of the event loop.
_SLICE = 64


class Member:
    """One watch: what waits for the source. Use it as a context manager."""

    def __init__(self, audience: Audience[Any]) -> None:
        self._audience = audience
        self._waiting: asyncio.Future[None] | None = None
        self.until = math.inf

    def __enter__(self) -> Self:
        self._audience.join(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._audience.leave(self)

    @property
    def ended(self) -> bool:
        """Whether the source ends its watches."""
        return self._audience.closed

    @property
    def waits(self) -> bool:
        """Whether it waits now."""
        return self._waiting is not None

    def wake(self) -> None:
        """Have `wait` return."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, until: float) -> None:
        """Wait to be woken, until so many monotonic seconds at the latest.

        Nothing may happen between the caller's last look and the wait.
        """
        waiting = self._waiting = asyncio.get_running_loop().create_future()
        self.until = until
        self._audience.expects(until)
        try:
            await waiting
        finally:
            self._waiting = None


MemberT = TypeVar("MemberT", bound=Member)


class Audience(Generic[MemberT]):
    """The watchers of one source. One timer wakes all whose patience ends: most waits end long before, and making and
    cancelling a timer for each would cost more than the rest of the wait.
    """

    def __init__(self) -> None:
        self._members: dict[MemberT, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf
        self.closed = False

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[MemberT]:
        return iter(self._members)

    def join(self, member: MemberT) -> None:
        """Add a watcher."""
        self._members[member] = None

    def leave(self, member: MemberT) -> None:
        """Remove a watcher."""
        self._members.pop(member, None)
        if not self._members and self._timer is not None:
            self._timer.cancel()
            self._timer, self._rings_at = None, math.inf

    def expects(self, until: float) -> None:
        """See to it that a member that waits until then is woken then."""
        if until < self._rings_at:
            if self._timer is not None:
                self._timer.cancel()
            self._rings_at = until
            delay = max(0.0, until - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        """Wake those whose patience has ended, and set the timer for the next of the others."""
        self._timer, self._rings_at = None, math.inf
        now = time.monotonic()
        following = math.inf
        for member in self._members:
            if member.until <= now:
                member.wake()
            elif member.waits:
                following = min(following, member.until)
        if following < math.inf:
            self.expects(following)

    def wake(self) -> None:
        """Wake everybody, a slice at once and a slice in each of the loop's next turns."""
        _wake(iter(tuple(self._members)))

    def close(self) -> None:
        """End every watch."""
        self.closed = True
        self.wake()


def _wake(members: Iterator[Member]) -> None:
    woken = 0
    for member in islice(members, _SLICE):
        member.wake()
        woken += 1
    if woken == _SLICE:
        asyncio.get_running_loop().call_soon(_wake, members)
