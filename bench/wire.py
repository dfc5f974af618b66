"""As much of HTTP/2 as a load generator needs, so that it costs less than the server it loads.

A stock gRPC client in Python takes as much CPU as the server, and two servers measured through it look alike.
Replies are not decoded: a call is good when it ends after a message, since gRPC answers every failure without one.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_LARGEST = 2**31 - 1
_FRAME = 16_384
_DEFAULT_WINDOW = 65_535
_INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Make one frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > 126:
        raise ValueError(text)
    return bytes([len(data)]) + data


class Headers:
    """The request headers of one RPC: spelt out once per connection, then by their numbers, as gRPC does."""

    def __init__(self, path: str, authority: str) -> None:
        entries = (b"\x44" + _text(path), b"\x41" + _text(authority), b"\x40" + _text("te") + _text("trailers"))
        more = (b"\x5f" + _text("application/grpc"), b"\x7a" + _text("tekton-bench"))
        self.first = b"\x83\x86" + b"".join(entries + more)
        self.again = bytes([0x83, 0x86, 0xC2, 0xC1, 0xC0, 0xBF, 0xBE])


class Connection(asyncio.Protocol):
    """One connection that speaks one RPC. Subclasses say what happens with data and ends."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._next = 1
        self._rest = b""
        self._out: list[bytes] = []
        self._window = _DEFAULT_WINDOW
        self._stream_window = _DEFAULT_WINDOW
        self._windows: dict[int, int] = {}
        self._blocked: deque[tuple[int, bytes, bool]] = deque()
        self._received = 0
        self.receiving = False
        self._transport: asyncio.Transport
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_data(self, stream: int, data: bytes) -> None:
        """Data of a stream arrived."""

    def on_end(self, stream: int, reset: bool) -> None:
        """A stream is over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello; the peer may send as much as it likes."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, _LARGEST)
        grant = struct.pack(">I", _LARGEST - _DEFAULT_WINDOW)
        transport.write(_PREFACE + frame(_SETTINGS, 0, 0, settings) + frame(_WINDOW, 0, 0, grant))

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything on it is over."""
        if not self.lost.done():
            self.lost.set_result(None)

    def close(self) -> None:
        """End it."""
        self._transport.close()

    def open(self) -> int:
        """Begin a stream; what is sent goes out with `flush`."""
        stream, self._next = self._next, self._next + 2
        block = self._headers.first if stream == 1 else self._headers.again
        self._out.append(frame(_HEADERS, _END_HEADERS, stream, block))
        self._windows[stream] = self._stream_window
        return stream

    def send(self, stream: int, data: bytes, *, end: bool) -> None:
        """Queue data, as far as the peer's windows let it out."""
        size = len(data)
        if size <= _FRAME and size <= self._window and size <= self._windows[stream] and not self._blocked:
            self._spend(stream, size)
            self._out.append(frame(_DATA, _END_STREAM if end else 0, stream, data))
        else:
            self._blocked.append((stream, data, end))
            self._pump()

    def flush(self) -> None:
        """Write what is queued."""
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def _spend(self, stream: int, size: int) -> None:
        self._window -= size
        self._windows[stream] -= size

    def _pump(self) -> None:
        for _ in range(len(self._blocked)):
            stream, data, end = self._blocked.popleft()
            while data and (size := min(_FRAME, len(data), self._window, self._windows.get(stream, 0))) > 0:
                part, data = data[:size], data[size:]
                self._spend(stream, size)
                self._out.append(frame(_DATA, _END_STREAM if end and not data else 0, stream, part))
            if data and stream in self._windows:
                self._blocked.append((stream, data, end))

    def data_received(self, data: bytes) -> None:
        """Take the frames that are complete."""
        buffer = self._rest + data if self._rest else data
        at, size = 0, len(buffer)
        self.receiving = True
        while size - at >= 9:
            length = int.from_bytes(buffer[at : at + 3], "big")
            if size - at < 9 + length:
                break
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
            self._take(buffer[at + 3], buffer[at + 4], stream, buffer[at + 9 : at + 9 + length])
            at += 9 + length
        self._rest = buffer[at:]
        self.receiving = False
        self.flush()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._credit(len(payload))
            if payload:
                self.on_data(stream, payload)
        elif kind == _SETTINGS and not flags & _ACK:
            self._settings(payload)
        elif kind == _PING and not flags & _ACK:
            self._out.append(frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW:
            self._granted(stream, int.from_bytes(payload, "big"))
        elif kind == _GOAWAY:
            raise ConnectionError(f"the server ends the connection: {payload[8:]!r}")
        over = kind == _RST or (kind in (_DATA, _HEADERS) and flags & _END_STREAM)
        if over and self._windows.pop(stream, None) is not None:
            self.on_end(stream, kind == _RST)

    def _credit(self, size: int) -> None:
        self._received += size
        if self._received > _LARGEST // 4:
            self._out.append(frame(_WINDOW, 0, 0, struct.pack(">I", self._received)))
            self._received = 0

    def _settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            number, value = struct.unpack_from(">HI", payload, at)
            if number == _INITIAL_WINDOW_SIZE:
                for stream in self._windows:
                    self._windows[stream] += value - self._stream_window
                self._stream_window = value
        self._out.append(frame(_SETTINGS, _ACK, 0, b""))
        self._pump()

    def _granted(self, stream: int, size: int) -> None:
        if stream == 0:
            self._window += size
        elif stream in self._windows:
            self._windows[stream] += size
        if self._blocked:
            self._pump()
