"""The heartbeat stream under load: each stream sends a message, waits for its acknowledgement, and sends the next."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial

from bench.bodies import field, number_field, varint
from bench.load import Caller, Tally, Target, Window, drive
from bench.messages import Messages, message
from bench.model import Figures
from bench.wire import Connection, Headers
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb

CONNECT = "/tekton.v1.HeartbeatService/Connect"
_BEAT, _BATCH = 2, 3


@dataclass(frozen=True)
class BeatLoad:
    """One stream for each hello. `batch` handles go in a message; 0: single beats."""

    target: Target
    hellos: tuple[bytes, ...]
    connections: int
    window: Window
    batch: int = 0
    period: float = 0.0

    async def go(self) -> Figures:
        """Load, on this event loop."""
        tally = Tally(self.window, self.period)
        share = -(-len(self.hellos) // self.connections)
        loop = asyncio.get_running_loop()

        async def connect(hellos: tuple[bytes, ...]) -> Caller:
            headers = Headers(CONNECT, self.target.authority)
            made = await loop.create_connection(
                lambda: _Beating(headers, tally, hellos, self.batch), self.target.host, self.target.port
            )
            await made[1].welcomed()
            return made[1]

        parts = [self.hellos[at : at + share] for at in range(0, len(self.hellos), share)]
        await drive([partial(connect, part) for part in parts], tally, self.window)
        return tally.figures(max(self.batch, 1))


class _Stream:
    """One stream: its handles, and the message that waits for its acknowledgement."""

    def __init__(self) -> None:
        self.messages = Messages()
        self.handles: list[int] = []
        self.at = 0
        self.sequence = 0
        self.since = 0.0
        self.resting = True

    def beat(self, batch: int) -> bytes:
        """Make the next message."""
        self.sequence += 1
        if not batch:
            handle = self.handles[self.at]
            self.at = (self.at + 1) % len(self.handles)
            return field(_BEAT, number_field(1, handle) + number_field(2, self.sequence))
        chosen = self.handles[self.at : self.at + batch]
        self.at = (self.at + batch) % len(self.handles)
        packed = b"".join(varint(handle) for handle in chosen)
        return field(_BATCH, field(1, packed) + number_field(2, self.sequence))


class _Beating(Connection):
    def __init__(self, headers: Headers, tally: Tally, hellos: tuple[bytes, ...], batch: int) -> None:
        super().__init__(headers)
        self._tally = tally
        self._hellos = hellos
        self._batch = batch
        self._streams: dict[int, _Stream] = {}
        self._unwelcome = len(hellos)
        self._welcome = asyncio.Event()
        self.drained = asyncio.Event()

    async def welcomed(self) -> None:
        """Say hello on every stream and wait for the handles."""
        for hello in self._hellos:
            stream = self.open()
            self._streams[stream] = _Stream()
            self.send(stream, message(hello), end=False)
        self.flush()
        async with asyncio.timeout(30):
            await self._welcome.wait()

    def start(self) -> None:
        for stream in self._streams:
            self._beat(stream)
        self.flush()

    def stop(self) -> None:
        if all(one.resting for one in self._streams.values()):
            self.drained.set()

    def _beat(self, stream: int) -> None:
        one = self._streams[stream]
        if self._tally.running:
            one.since, one.resting = time.perf_counter(), False
            self.send(stream, message(one.beat(self._batch)), end=False)
            if not self.receiving:
                self.flush()

    def on_data(self, stream: int, data: bytes) -> None:
        one = self._streams[stream]
        for said in one.messages.feed(data):
            if one.handles:
                self._acknowledged(stream, one)
            else:
                self._welcomed(one, said)

    def _welcomed(self, one: _Stream, said: bytes) -> None:
        grants = heartbeat_pb.ConnectResponse.FromString(said).welcome.grants
        # The bare server knows no welcome, and answers the hello like everything else.
        one.handles = [grant.handle for grant in grants] or [1]
        self._unwelcome -= 1
        if not self._unwelcome:
            self._welcome.set()

    def _acknowledged(self, stream: int, one: _Stream) -> None:
        one.resting = True
        self._tally.done(one.since)
        if self._tally.running:
            self._tally.again(one.since, lambda: self._beat(stream))
        else:
            self.stop()

    def on_end(self, stream: int, reset: bool) -> None:
        self._tally.done(time.perf_counter(), failed=True)
        if not self.lost.done():
            self.lost.set_result(None)
