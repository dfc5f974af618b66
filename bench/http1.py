"""A closed loop of HTTP/1.1 requests on kept connections, one caller each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.load import Caller, Tally, Target, Window, drive
from bench.model import Figures

_END = b"\r\n\r\n"


@dataclass(frozen=True)
class RestLoad:
    """One GET, closed loop."""

    target: Target
    path: str
    callers: int
    window: Window
    period: float = 0.0

    async def go(self) -> Figures:
        """Load, on this event loop."""
        tally = Tally(self.window, self.period)
        request = f"GET {self.path} HTTP/1.1\r\nhost: {self.target.authority}\r\naccept: application/json\r\n\r\n"

        async def connect() -> Caller:
            loop = asyncio.get_running_loop()
            made = await loop.create_connection(
                lambda: _RestCaller(tally, request.encode()), self.target.host, self.target.port
            )
            return made[1]

        await drive([connect] * self.callers, tally, self.window)
        return tally.figures()


class _RestCaller(asyncio.Protocol):
    def __init__(self, tally: Tally, request: bytes) -> None:
        self._tally = tally
        self._request = request
        self._since = 0.0
        self._busy = False
        self._buffer = b""
        self._transport: asyncio.Transport
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.drained = asyncio.Event()

    def start(self) -> None:
        if self._tally.running:
            self._since = time.perf_counter()
            self._busy = True
            self._transport.write(self._request)

    def stop(self) -> None:
        if not self._busy:
            self.drained.set()

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(_END)
        if not found or not _complete(head.lower(), body):
            return
        self._buffer = b""
        self._tally.done(self._since, failed=not head.startswith(b"HTTP/1.1 200"))
        self._busy = False
        if self._tally.running:
            self._tally.again(self._since, self.start)
        else:
            self.drained.set()


def _complete(head: bytes, body: bytes) -> bool:
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(head[at + 17 :].split(b"\r\n", 1)[0])
