"""The captured log: what a component writes on stdout and stderr, a record a line, in files of a bounded size.

A record is ``TIME STREAM TAG TEXT``, as container runtimes write it and log shippers read it. TAG is F for a line that
is complete with this record, P for a part of one that goes on in the next record of its stream.
"""

from __future__ import annotations

import contextlib
import os
import time

LONGEST = 16 * 1024


class Stream:
    """Cuts what arrives on one stream into records. It holds at most one part of a line."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read; give the records that are complete by it."""
        whole, part = _heads(self._name)
        lines = (self._rest + data).split(b"\n")
        rest = lines.pop()
        records: list[bytes] = []
        for line in lines:
            while len(line) > LONGEST:
                records.append(part + line[:LONGEST] + b"\n")
                line = line[LONGEST:]
            records.append(whole + line + b"\n")
        while len(rest) > LONGEST:
            records.append(part + rest[:LONGEST] + b"\n")
            rest = rest[LONGEST:]
        self._rest = rest
        return records

    def end(self) -> list[bytes]:
        """Give the last line where nothing ended it."""
        return self.feed(b"\n") if self._rest else []


class Log:
    """The files: `path` grows, `path`.1 is the newest of the older ones. A record is never in two files."""

    def __init__(self, path: str, max_bytes: int, keep: int) -> None:
        self._path, self._max, self._keep = path, max_bytes, keep
        self._fd = -1
        self._size = 0
        self._lost, self._why = 0, ""

    def write(self, records: list[bytes]) -> None:
        """Write records; what a full disk has no room for is counted, and told as soon as there is room."""
        block: list[bytes] = []
        room = self._max - self._size
        for record in records:
            if len(record) > room and (block or self._size):
                self._put(block)
                self._rotate()
                block, room = [], self._max
            block.append(record)
            room -= len(record)
        self._put(block)

    def tell(self, sentence: str) -> None:
        """Write a line of our own."""
        self.write([_heads(b"stderr")[0] + b"[tekton] " + sentence.encode(errors="replace") + b"\n"])

    def _put(self, block: list[bytes]) -> None:
        if not block:
            return
        gap = b""
        if self._lost:
            gap = _heads(b"stderr")[0] + f"[tekton] {self._lost} lines were lost: {self._why}\n".encode()
        data = gap + b"".join(block)
        written = 0
        try:
            self._open()
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self._why = error.strerror or repr(error)
            written = self._without_half(data, written)
        self._size += written
        self._lost = data.count(b"\n", written) + (self._lost - 1 if gap and not written else 0)

    def _without_half(self, data: bytes, written: int) -> int:
        """Take back half of a record, which is worse than none of it; give how much stays.

        What is whole stays: a reader may have read it.
        """
        whole = data.rfind(b"\n", 0, written) + 1
        if self._fd >= 0 and whole < written:
            # A disk that refuses even this must not end the component.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size + whole)
        return whole

    def _open(self) -> None:
        if self._fd < 0:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self._path, flags, 0o600)
            self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd, self._size = -1, 0
        if not self._keep:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        for number in range(self._keep, 0, -1):
            newer = f"{self._path}.{number - 1}" if number > 1 else self._path
            try:
                os.replace(newer, f"{self._path}.{number}")
            except FileNotFoundError:
                continue
            except OSError as error:
                self._why = error.strerror or repr(error)


def _heads(stream: bytes) -> tuple[bytes, bytes]:
    now = time.time_ns()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
    head = b"%s.%09dZ %s " % (stamp.encode(), now % 10**9, stream)
    return head + b"F ", head + b"P "
