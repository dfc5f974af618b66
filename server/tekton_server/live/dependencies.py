"""The dependency graph of the view: resolved when somebody asks, and kept until it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tekton.core.view import View
from tekton_server.domain.dependencies import Resolved, needs_in

# How often what has changed meanwhile is resolved again beside the event loop, before it is on it.
TRIES = 3
# A fleet of so many components takes a few milliseconds.
_AT_ONCE = 500

T = TypeVar("T")
G = TypeVar("G")


async def beside(components: int, make: Callable[[G], T], given: G) -> T:
    """Make something of a graph, beside the event loop where it is large: nothing given may change meanwhile."""
    return make(given) if components <= _AT_ONCE else await asyncio.to_thread(make, given)


class Dependencies:
    """Gives the graph as of now, resolved once for everybody who asks."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._kept: tuple[int, Resolved] | None = None
        self._one = asyncio.Lock()

    async def resolved(self) -> Resolved:
        """Resolve the graph as it is when this returns. It is shared, and does not change."""
        async with self._one:
            for attempt in range(TRIES + 1):
                at = self._view.rewired
                if self._kept is not None and self._kept[0] == at:
                    break
                needs = needs_in(self._view)
                # A reply tells the last revision, so that rather a pause than a graph that is older.
                size = len(needs) if attempt < TRIES else 0
                self._kept = (at, await beside(size, Resolved, needs))
            assert self._kept is not None
            return self._kept[1]

    def holds(self, resolved: Resolved) -> bool:
        """Tell whether this is the graph still."""
        return self._kept is not None and self._kept == (self._view.rewired, resolved)
