"""Logs that children write: kept short by us, for a child that appends knows nothing of sizes.

A log is copied and then cut in place, because the child goes on with the descriptor that it inherited. So a child never
waits for us, and what it writes after we were killed still arrives. What it writes between the last read and the cut,
some microseconds, is lost; a pipe would lose more when we die, and would hold the child up when we are stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

EVERY = 5.0
_CHUNK = 1 << 20
_TRIES = 100


async def keep_short(paths: Sequence[Path], max_bytes: int, keep: int) -> None:
    """Look at logs now and then until cancelled."""
    failed: set[Path] = set()
    while True:
        await asyncio.sleep(EVERY)
        for path in paths:
            try:
                await asyncio.to_thread(rotate, path, max_bytes, keep)
                failed.discard(path)
            except OSError as error:
                # On a full disk it cannot grow either: told once, and tried again.
                if path not in failed:
                    log.warning("the log %s is long and cannot be rotated: %s", path, error.strerror)
                failed.add(path)


def rotate(path: Path, max_bytes: int, keep: int) -> bool:
    """Begin a log anew where it is longer than that, and keep so many older ones, the newest as `path`.1.

    Raises:
        OSError: there is no room for a copy; the log is as it was.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        if os.fstat(fd).st_size <= max_bytes:
            return False
        fresh = path.with_name(f"{path.name}.new")
        _copy_and_cut(fd, fresh)
    finally:
        os.close(fd)
    for number in range(keep, 1, -1):
        with contextlib.suppress(FileNotFoundError):
            _numbered(path, number - 1).replace(_numbered(path, number))
    fresh.replace(_numbered(path, 1))
    return True


def _copy_and_cut(fd: int, fresh: Path) -> None:
    fresh.unlink(missing_ok=True)
    copy = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        copied = 0
        for _ in range(_TRIES):
            while chunk := os.read(fd, _CHUNK):
                copied += _write_all(copy, chunk)
            if os.fstat(fd).st_size == copied:
                break  # the child is silent just now, or else it is never, and then it has to do without a line
        os.ftruncate(fd, 0)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(copy)


def _write_all(fd: int, data: bytes) -> int:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return len(data)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
