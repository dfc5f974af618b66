"""Waiting for a component to change: whoever waits looks again after each commit about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from tekton.core.ids import lookup_key

T = TypeVar("T")


class Bells:
    """One for each component that somebody waits for."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def ring(self, key: str) -> None:
        """Something of a component has changed."""
        for one in self._waiting.pop(key, ()):
            if not one.done():
                one.set_result(None)

    async def until(self, component_id: str, look: Callable[[], T | None], within: Callable[[], float]) -> T | None:
        """Look until there is something to see; None once `within` gives no time any more, in seconds from now.

        It is asked again after each change, so that it may grow and shrink.
        """
        key = lookup_key(component_id)
        while (found := look()) is None and (left := within()) > 0:
            await self._rung(key, left)
        return found

    async def _rung(self, key: str, within: float) -> None:
        bell = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(bell)
        try:
            await asyncio.wait([bell], timeout=within)
        finally:
            members = self._waiting.get(key)
            if members is not None:
                members.discard(bell)
                if not members:
                    del self._waiting[key]


def until(seconds: float) -> Callable[[], float]:
    """Make what gives how much is left of so many seconds from now."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()
