"""Logs of children are kept short, with children that go on writing meanwhile."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from tekton_server import rotation
from tekton_server.process import ChildProcess
from tekton_server.rotation import keep_short, rotate

# Says a numbered line of 100 bytes for each byte that it reads; what it says is appended, as by every child.
TALKER = """
import os, sys
fd, number = int(sys.argv[1]), 0
while asked := os.read(fd, 65536):
    for _ in asked:
        os.write(1, b"%099d\\n" % number)
        number += 1
    os.write(int(sys.argv[2]), b"x" * len(asked))
"""


class Talker:
    """A child of ours that writes as much as it is asked for, and says when it has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ask, self._said = os.pipe(), os.pipe()

    async def __aenter__(self) -> Talker:
        fds = (self._ask[0], self._said[1])
        self.child = await ChildProcess.start(
            [sys.executable, "-c", TALKER, *map(str, fds)], name="talker", log_path=self.path, pass_fds=fds
        )
        for fd in fds:
            os.close(fd)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.child.stop(deadline=1)
        for fd in (self._ask[1], self._said[0]):
            os.close(fd)

    def say(self, lines: int) -> None:
        """Have it say so many, and wait until they are said."""
        os.write(self._ask[1], b"x" * lines)
        while lines:
            lines -= len(os.read(self._said[0], lines))


def numbers(*paths: Path) -> list[int]:
    """Give the numbers of the lines in these files; each line is whole."""
    lines = [line for path in paths for line in path.read_text().splitlines()]
    assert all(len(line) == 99 for line in lines)
    return [int(line) for line in lines]


async def test_a_long_log_begins_anew_and_nothing_is_lost(tmp_path: Path) -> None:
    """The child has the same descriptor all the time."""
    path = tmp_path / "a.log"
    async with Talker(path) as talker:
        talker.say(10)
        assert not rotate(path, 1000, 2)
        talker.say(1)
        assert rotate(path, 1000, 2)
        assert path.stat().st_size == 0
        talker.say(20)
        assert rotate(path, 1000, 2)
        talker.say(3)
        older = (tmp_path / "a.log.2", tmp_path / "a.log.1")
        assert numbers(*older, path) == list(range(34))
        assert {stat.S_IMODE(one.stat().st_mode) for one in older} == {0o600}
        talker.say(10)
        assert rotate(path, 1000, 2)
        assert numbers(*older, path) == list(range(11, 44))
        assert sorted(one.name for one in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]


async def test_a_log_is_cut_while_its_child_writes(tmp_path: Path) -> None:
    """What was said comes in order; at most a few lines are missing where the log was cut under a flood."""
    path = tmp_path / "a.log"
    async with Talker(path) as talker:

        def talk() -> None:
            for _ in range(3000):
                talker.say(10)

        writing = asyncio.create_task(asyncio.to_thread(talk))
        turns = 0
        while not writing.done():
            turns += await asyncio.to_thread(rotate, path, 100_000, 100)
        await writing
    assert turns >= 2
    files = [*(tmp_path / f"a.log.{number}" for number in range(turns, 0, -1)), path]
    lines = "".join(one.read_text() for one in files).splitlines()
    found = [int(line) for line in lines if len(line) == 99]
    assert found == sorted(set(found))
    assert len(found) >= 29_700, (len(found), turns)


async def test_without_room_for_a_copy_the_log_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the child goes on; it is told once."""
    path = tmp_path / "a.log"
    async with Talker(path) as talker:
        talker.say(20)
        (tmp_path / "a.log.new").mkdir()
        looked = 0

        def look(path: Path, max_bytes: int, keep: int) -> bool:
            nonlocal looked
            looked += 1
            return rotate(path, max_bytes, keep)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rotation, "EVERY", 0.01)
            patch.setattr(rotation, "rotate", look)
            task = asyncio.create_task(keep_short([path], 1000, 2))
            while looked < 5:
                await asyncio.sleep(0.01)
            assert caplog.text.count("cannot be rotated") == 1
            assert numbers(path) == list(range(20))
            (tmp_path / "a.log.new").rmdir()
            while not (tmp_path / "a.log.1").exists():
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
        assert numbers(tmp_path / "a.log.1") == list(range(20))


def test_a_log_that_is_not_there_needs_no_rotation(tmp_path: Path) -> None:
    """Nor does it appear."""
    assert not rotate(tmp_path / "none.log", 0, 1)
    assert not any(tmp_path.iterdir())
