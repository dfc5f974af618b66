"""How gRPC puts messages on a stream: five bytes before each, and no regard for frames."""

from __future__ import annotations

import struct


def message(body: bytes) -> bytes:
    """Make one gRPC message, uncompressed."""
    return b"\0" + struct.pack(">I", len(body)) + body


class Messages:
    """Puts the messages of one stream together again."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Give the messages that are complete now."""
        buffer = self._rest + data
        found: list[bytes] = []
        at = 0
        while len(buffer) - at >= 5:
            size = int.from_bytes(buffer[at + 1 : at + 5], "big")
            if len(buffer) - at < 5 + size:
                break
            found.append(buffer[at + 5 : at + 5 + size])
            at += 5 + size
        self._rest = buffer[at:]
        return found
