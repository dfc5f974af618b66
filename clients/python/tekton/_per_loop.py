"""One value for each running event loop, closed in good order when that loop ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes a value when a loop first asks for it. Values of other loops are never handed out."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._held: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]] = {}

    def get(self) -> T:
        """Give the running loop's value.

        Raises:
            RuntimeError: no loop runs.
        """
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None:
            self._drop_dead()
            held = self._held[loop] = self._start(loop)
        return held[0]

    async def close(self) -> None:
        """Close the running loop's value now, where it has one; the next `get` makes another."""
        held = self._held.get(asyncio.get_running_loop())
        if held is not None:
            await held[1].aclose()

    def __len__(self) -> int:
        return len(self._held)

    def _start(self, loop: asyncio.AbstractEventLoop) -> tuple[T, AsyncGenerator[None, None]]:
        value = self._make()
        lifetime = self._live(loop, value)
        # A loop that ends closes the generators that were started on it; nothing else is told of its end in time to
        # await something. The first step runs up to the yield without waiting.
        with contextlib.suppress(StopIteration):
            lifetime.__anext__().send(None)
        return value, lifetime

    async def _live(self, loop: asyncio.AbstractEventLoop, value: T) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._held.pop(loop, None)
            await self._close(value)

    def _drop_dead(self) -> None:
        """Forget loops that were closed without closing their generators."""
        for loop in [loop for loop in self._held if loop.is_closed()]:
            self._held.pop(loop, None)
