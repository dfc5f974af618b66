"""Reading captured logs: the last lines, and what comes after, from file to file as they are rotated.

host.shim.capture writes them, and says what a record is.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

_BLOCK = 64 * 1024
# What one line may be joined to; what is longer stays in parts.
_LONGEST = 1024 * 1024
_SPARE = 64
_SLACK = 3


class Line(NamedTuple):
    """A line as the component wrote it, when, and on which stream. `stream` is empty for a word of the reader's own."""

    time: str
    stream: str
    text: str


class Joiner:
    """Makes lines of records; it holds the parts of unfinished lines, a bounded amount a stream."""

    def __init__(self) -> None:
        self._parts: dict[bytes, list[bytes]] = {}
        self._held: dict[bytes, int] = {}

    def take(self, record: bytes) -> Line | None:
        """Take one record without its line break; give the line that it completes."""
        fields = record.split(b" ", 3)
        if len(fields) != 4 or fields[2] not in (b"F", b"P"):
            return Line("", "", record.decode(errors="replace"))
        time, stream, tag, text = fields
        parts = self._parts.setdefault(stream, [])
        parts.append(text)
        self._held[stream] = self._held.get(stream, 0) + len(text)
        if tag == b"P" and self._held[stream] < _LONGEST:
            return None
        del self._parts[stream], self._held[stream]
        return Line(
            time.decode(errors="replace"), stream.decode(errors="replace"), b"".join(parts).decode(errors="replace")
        )


class Follower:
    """Reads a log from the oldest file there is, and on: `poll` gives what is new.

    With `last` the first poll begins a little before so many lines from the end.
    """

    def __init__(self, path: Path, last: int | None = None) -> None:
        self._path = path
        self._last = last
        self._file: IO[bytes] | None = None
        self._joiner = Joiner()

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def poll(self) -> Iterator[Line]:
        """Give every line that has arrived since the last time."""
        if self._file is None:
            yield from self._go_on(_beginning(_files(self._path), self._last))
        elif self._rotated(self._file):
            # Whatever was written into it was so before it was moved, so this is its end.
            yield from self._read(self._file)
            yield from self._after(os.fstat(self._file.fileno()).st_ino, _files(self._path))
        else:
            yield from self._read(self._file)

    def _after(self, own: int, found: list[IO[bytes]]) -> Iterator[Line]:
        """Go on with the files that are newer than our own."""
        at = next((at for at, file in enumerate(found) if os.fstat(file.fileno()).st_ino == own), None)
        if at is None and found:
            yield Line("", "", "[tekton] some lines were rotated away before they were read")
        newer = found if at is None else found[at + 1 :]
        for file in found[: len(found) - len(newer)]:
            file.close()
        yield from self._go_on(newer)

    def _go_on(self, found: list[IO[bytes]]) -> Iterator[Line]:
        """Read files, the oldest first, and stay with the last."""
        for file in found:
            if self._file is not None:
                self._file.close()
            self._file = file
            yield from self._read(file)

    def _read(self, file: IO[bytes]) -> Iterator[Line]:
        rest = b""
        while block := file.read(_BLOCK):
            *records, rest = (rest + block).split(b"\n")
            for record in records:
                if (line := self._joiner.take(record)) is not None:
                    yield line
        # Half of a record is read again once it is whole: on a full disk it is taken back, and another comes there.
        file.seek(-len(rest), os.SEEK_CUR)

    def _rotated(self, file: IO[bytes]) -> bool:
        try:
            return os.stat(self._path).st_ino != os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            return False  # between its move and the making of the next one


def last_lines(path: Path, most: int) -> list[Line]:
    """Give the last lines of a log, older files included."""
    with Follower(path, most) as follower:
        return list(deque(follower.poll(), maxlen=most))


def _beginning(found: list[IO[bytes]], last: int | None) -> list[IO[bytes]]:
    """Leave out what is surely before the last lines."""
    if last is None:
        return found
    # A line may be in parts, between which those of the other stream stand.
    wanted = last + _SPARE
    for at in range(len(found) - 1, -1, -1):
        wanted -= _seek_back(found[at], wanted)
        if wanted <= 0:
            for file in found[:at]:
                file.close()
            return found[at:]
    return found


def _seek_back(file: IO[bytes], wanted: int) -> int:
    """Go to so many records before the end, or to the beginning; give how many records are after that."""
    end, counted = file.seek(0, os.SEEK_END), 0
    while end:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        block = file.read(end - begin)
        breaks = block.count(b"\n")
        if counted + breaks > wanted:
            at = len(block)
            for _ in range(wanted - counted + 1):
                at = block.rindex(b"\n", 0, at)
            file.seek(begin + at + 1)
            return wanted
        counted += breaks
        end = begin
    file.seek(0)
    return counted


def _files(path: Path) -> list[IO[bytes]]:
    """Open all files of a log, the oldest first."""
    found: dict[int, IO[bytes]] = {}
    numbers = [one.suffix[1:] for one in path.parent.glob(f"{path.name}.*")]
    highest = max((int(one) for one in numbers if one.isdigit()), default=0)
    # Upwards: a rotation meanwhile only moves files to where we have not been yet, so none is missed, but leaves holes.
    for number in range(highest + _SLACK):
        with contextlib.suppress(FileNotFoundError):
            file = open(path.with_name(f"{path.name}.{number}") if number else path, "rb", buffering=0)  # noqa: SIM115
            if found.setdefault(os.fstat(file.fileno()).st_ino, file) is not file:
                file.close()
    return list(found.values())[::-1]
