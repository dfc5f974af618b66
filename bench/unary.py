"""A closed loop of unary calls: so many callers, each calling again as soon as it is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.bodies import Body
from bench.load import Caller, Tally, Target, Window, drive
from bench.messages import message
from bench.model import Figures
from bench.wire import Connection, Headers


@dataclass(frozen=True)
class UnaryLoad:
    """One unary RPC, closed loop."""

    target: Target
    path: str
    body: Body
    callers: int
    connections: int
    window: Window
    scale: int = 1
    period: float = 0.0

    async def go(self) -> Figures:
        """Load, on this event loop."""
        tally, next_body = Tally(self.window, self.period), self.body.source()

        async def connect() -> Caller:
            headers = Headers(self.path, self.target.authority)
            loop = asyncio.get_running_loop()
            callers = self.callers // self.connections
            made = await loop.create_connection(
                lambda: _UnaryCaller(headers, tally, next_body, callers), self.target.host, self.target.port
            )
            return made[1]

        await drive([connect] * self.connections, tally, self.window)
        return tally.figures(self.scale)


class _UnaryCaller(Connection):
    def __init__(self, headers: Headers, tally: Tally, next_body: Callable[[], bytes], callers: int) -> None:
        super().__init__(headers)
        self._tally = tally
        self._next_body = next_body
        self._callers = callers
        self._since: dict[int, float] = {}
        self._resting = 0
        self._answered: set[int] = set()
        self.drained = asyncio.Event()

    def start(self) -> None:
        for _ in range(self._callers):
            self._call()
        self.flush()

    def _call(self) -> None:
        stream = self.open()
        self._since[stream] = time.perf_counter()
        self.send(stream, message(self._next_body()), end=True)

    def on_data(self, stream: int, data: bytes) -> None:
        self._answered.add(stream)

    def on_end(self, stream: int, reset: bool) -> None:
        answered, since = stream in self._answered, self._since.pop(stream)
        self._answered.discard(stream)
        self._tally.done(since, failed=reset or not answered)
        self._resting += 1
        if self._tally.running:
            self._tally.again(since, self._again)
        self._drain()

    def _again(self) -> None:
        if self._tally.running:
            self._resting -= 1
            self._call()
            # Of those that are called at once everything goes out together, when the received data is done with.
            if not self.receiving:
                self.flush()

    def stop(self) -> None:
        self._drain()

    def _drain(self) -> None:
        if not self._tally.running and self._resting == self._callers:
            self.drained.set()
