"""The captured log: nothing lost and nothing torn, however it arrives, is rotated and is read."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton_server.host.captured import Follower, Joiner, last_lines
from tekton_server.host.shim.capture import LONGEST, Log, Stream
from tests.host.fleet import Fleet, until


def texts(records: list[bytes]) -> list[str]:
    """The lines that records hold."""
    joiner = Joiner()
    return [line.text for one in records if (line := joiner.take(one.removesuffix(b"\n"))) is not None]


@given(st.lists(st.binary(max_size=60)), st.integers(1, 40))
def test_lines_are_the_same_however_they_arrive(pieces: list[bytes], size: int) -> None:
    """Cut anywhere into reads; an unfinished last line counts as one."""
    whole = b"".join(pieces)
    stream = Stream("stdout")
    records = [one for at in range(0, len(whole), size) for one in stream.feed(whole[at : at + size])] + stream.end()
    assert texts(records) == [one.decode(errors="replace") for one in whole.removesuffix(b"\n").split(b"\n")] * bool(
        whole
    )
    assert all(record.endswith(b"\n") and record.count(b"\n") == 1 for record in records)


@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST, 3 * LONGEST + 5])
def test_a_long_line_is_parted_and_never_held_whole(length: int) -> None:
    """No record is longer than the bound; put together it is the line."""
    line = (b"0123456789" * (length // 10 + 1))[:length]
    for data in ([line, b"\n"], [line + b"\n"], [line]):
        stream = Stream("stderr")
        records = [record for one in data for record in stream.feed(one)] + stream.end()
        assert max(map(len, records)) < LONGEST + 60
        assert texts(records) == [line.decode()]


def test_parts_of_two_streams_do_not_mix() -> None:
    """Each stream has its own unfinished line."""
    out, err = Stream("stdout"), Stream("stderr")
    records = out.feed(b"a" * (LONGEST + 1)) + err.feed(b"whole\n") + out.feed(b"z\n")
    assert texts(records) == ["whole", "a" * (LONGEST + 1) + "z"]


def test_rotation_loses_and_tears_nothing(tmp_path: Path) -> None:
    """Files stay below their size, old ones go, and each record is in exactly one of them."""
    log, stream = Log(str(tmp_path / "log"), 4096, 3), Stream("stdout")
    for number in range(0, 2000, 50):
        log.write(stream.feed(b"".join(b"line %d\n" % one for one in range(number, number + 50))))
    files = sorted(tmp_path.iterdir())
    assert [one.name for one in files] == ["log", "log.1", "log.2", "log.3"]
    assert all(one.stat().st_size <= 4096 and one.read_bytes().endswith(b"\n") for one in files)
    seen = [int(line.text.split()[1]) for line in last_lines(tmp_path / "log", 10_000)]
    assert seen == list(range(seen[0], 2000)) and len(seen) > 200


def test_a_reader_follows_through_rotations(tmp_path: Path) -> None:
    """Also through several between two looks; only what was removed is missing, and that is said."""
    path = tmp_path / "log"
    log, stream, seen = Log(str(path), 1000, 3), Stream("stdout"), []
    number = 0

    def write(count: int) -> None:
        nonlocal number
        for _ in range(count):
            log.write(stream.feed(b"line %d\n" % number))
            number += 1

    with Follower(path) as follower:
        assert list(follower.poll()) == []
        for count in (5, 1, 30, 45, 2, 0, 18):
            write(count)
            seen += [line.text for line in follower.poll()]
        assert seen == [f"line {one}" for one in range(number)]
        write(500)
        gap, *rest = [line.text for line in follower.poll()]
        assert "rotated away" in gap
        assert rest == [f"line {one}" for one in range(number - len(rest), number)]


def test_a_log_without_older_files_begins_anew_all_the_same(tmp_path: Path) -> None:
    """It would grow for ever: what is kept of it is what fits into one file. A reader is told of the gap."""
    path = tmp_path / "log"
    log, stream = Log(str(path), 1000, 0), Stream("stdout")
    with Follower(path) as follower:
        log.write(stream.feed(b"first\n"))
        assert [line.text for line in follower.poll()] == ["first"]
        for number in range(200):
            log.write(stream.feed(b"line %d\n" % number))
            assert path.stat().st_size <= 1000
        seen = [line.text for line in follower.poll()]
        assert [one.name for one in tmp_path.iterdir()] == ["log"]
    (at,) = [at for at, text in enumerate(seen) if "rotated away" in text]
    assert seen[:at] == [f"line {number}" for number in range(at)]
    assert seen[at + 1 :] == [f"line {number}" for number in range(200 + at + 1 - len(seen), 200)]


@pytest.mark.parametrize("most", [0, 1, 7, 90, 10_000])
def test_the_last_lines_are_the_last(tmp_path: Path, most: int) -> None:
    """Over file borders, of a large log, without reading all of it."""
    log, stream = Log(str(tmp_path / "log"), 200_000, 3), Stream("stdout")
    log.write(stream.feed(b"".join(b"line %d\n" % one for one in range(12_000))))
    expected = [f"line {one}" for one in range(12_000)][12_000 - most :]
    assert [line.text for line in last_lines(tmp_path / "log", most)] == expected


def test_a_disk_that_takes_no_change_costs_lines_and_not_the_component(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file system that was mounted read-only after an error: half of a record cannot even be taken back."""
    log = Log(str(tmp_path / "log"), 65536, 3)
    log.write([b"2026-01-01T00:00:00Z stdout F before\n"])

    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        patch.setattr(os, "ftruncate", refuse)
        log.write([b"2026-01-01T00:00:00Z stdout F meanwhile\n"])
    log.write([b"2026-01-01T00:00:00Z stdout F after\n"])
    assert [line.text for line in last_lines(tmp_path / "log", 10)] == [
        "before",
        "[tekton] 1 lines were lost: Read-only file system",
        "after",
    ]


def test_a_full_disk_costs_lines_and_tears_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is whole stays, and how many were lost is said as soon as there is room."""
    log, stream, write = Log(str(tmp_path / "log"), 100_000, 3), Stream("stdout"), os.write
    log.write(stream.feed(b"before\n"))

    def full(fd: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[:19])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.write(stream.feed(b"one\ntwo\n"))
        log.write(stream.feed(b"three\n"))
    log.write(stream.feed(b"after\n"))
    assert [line.text for line in last_lines(tmp_path / "log", 10)] == [
        "before",
        "one",
        "[tekton] 1 lines were lost: No space left on device",
        "[tekton] 1 lines were lost: No space left on device",
        "after",
    ]


@pytest.mark.parametrize("taken", [10, 45, 100])
def test_a_reader_that_follows_a_full_disk_sees_no_half_record_and_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    """Whatever was written of a block before there was no room, and was taken back, with the reader in between."""
    path = tmp_path / "log"
    log, stream, write, truncate = Log(str(path), 100_000, 3), Stream("stdout"), os.write, os.ftruncate
    seen: list[str] = []
    with Follower(path) as follower:
        log.write(stream.feed(b"before\n"))
        seen += [line.text for line in follower.poll()]
        left = taken

        def full(fd: int, data: bytes) -> int:
            nonlocal left
            if not left:
                raise OSError(errno.ENOSPC, "No space left on device")
            data, left = data[:left], left - len(data[:left])
            return write(fd, data)

        def read_and_truncate(fd: int, size: int) -> None:
            seen.extend(line.text for line in follower.poll())
            truncate(fd, size)

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            patch.setattr(os, "ftruncate", read_and_truncate)
            log.write(stream.feed(b"one\ntwo\nthree\n"))
        # More than was taken back, before the reader looks again.
        log.write(stream.feed(b"".join(b"after %d\n" % number for number in range(20))))
        seen += [line.text for line in follower.poll()]
    whole = taken // len(b"2026-01-01T00:00:00.000000000Z stdout F one\n")
    kept = ["one", "two", "three"][:whole]
    told = f"[tekton] {3 - whole} lines were lost: No space left on device"
    assert seen == ["before", *kept, told, *(f"after {number}" for number in range(20))]
    assert [line.text for line in last_lines(path, 100)] == seen


async def test_a_flood_through_a_real_shim_arrives_whole(fleet: Fleet) -> None:
    """Two streams at once, across many rotations, read while they are written; the writer is never held for long."""
    launched_around = fleet.around
    object.__setattr__(launched_around, "log_bytes", 65536)
    object.__setattr__(launched_around, "log_keep", 1000)
    each = "i=0; while [ $i -lt 8000 ]; do i=$((i+1)); echo $s-$i-xxxxxxxxxxxxxxxxxxxx; done >&$s"
    launched = await fleet.launch("sh", "-c", f"for s in 1 2; do ({each}) & done; wait")
    seen: list[str] = []
    with Follower(fleet.files(launched).log) as follower:

        def look() -> bool:
            over = not fleet.files(launched).alive()
            seen.extend(f"{line.stream} {line.text}" for line in follower.poll())
            return over

        await until(look, bool, within=20)
    assert (await fleet.launcher.wait(launched)).success
    for number, stream in enumerate(("stdout", "stderr"), 1):
        expected = [f"{stream} {number}-{one}-{'x' * 20}" for one in range(1, 8001)]
        assert [one for one in seen if one.startswith(stream)] == expected


async def test_what_was_written_before_a_kill_is_in_the_log(fleet: Fleet) -> None:
    """The pipes are emptied after the last process has ended."""
    launched = await fleet.launch("sh", "-c", "seq 2000; echo last; kill -9 $$")
    assert (await fleet.launcher.wait(launched)).signal == signal.SIGKILL
    assert (await fleet.launcher.log_tail(launched.identity, 5000)).split("\n") == [*map(str, range(1, 2001)), "last"]
