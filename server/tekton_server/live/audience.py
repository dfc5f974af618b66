"""Who watches a source: they are woken in slices, so that a thousand watchers hold up nobody else's call."""

from __future__ import annotations

import asyncio
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

    def __enter__(self) -> Self:
        self._audience.join(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._audience.leave(self)

    @property
    def ended(self) -> bool:
        """Whether the source ends its watches."""
        return self._audience.closed

    def wake(self) -> None:
        """Have `wait` return."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, patience: float) -> None:
        """Wait to be woken, at most so many seconds. Nothing happens between the caller's last look and the wait."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(patience, self.wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None


MemberT = TypeVar("MemberT", bound=Member)


class Audience(Generic[MemberT]):
    """The watchers of one source."""

    def __init__(self) -> None:
        self._members: dict[MemberT, None] = {}
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
