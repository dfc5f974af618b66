"""Who may use a data directory: one Tekton at a time, and one PostgreSQL after the other."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from pathlib import Path

_SOME_ROOM = 1 << 20


class EmbeddedPostgresError(Exception):
    """PostgreSQL cannot be run here; the message is one sentence that names the remedy."""


class DataDirectoryLocked(EmbeddedPostgresError):
    """Another Tekton owns the data directory; `owner` says which, as far as it is known."""

    def __init__(self, data_dir: Path, pid: str) -> None:
        self.owner = f"pid {pid or 'unknown'}"
        super().__init__(
            f"The data directory {data_dir} is in use by another Tekton ({self.owner}); "
            "stop that one, or give this one a directory of its own with --data-dir."
        )


class DataDirectoryUnusable(EmbeddedPostgresError):
    """The data directory cannot be created, read or written by us."""


class ServerLeftBehind(EmbeddedPostgresError):
    """A PostgreSQL of the same directory, started by somebody gone or unknown, does not end."""


class DataDirectoryLock:
    """An exclusive lock on a Tekton data directory, held for the life of whoever acquired it.

    The kernel drops it with the process, however that ends, so there is never a stale lock to remove.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        return self._fd is not None

    def acquire(self) -> None:
        """Create the directory if need be and own it; MUST raise DataDirectoryLocked where somebody else does."""
        if self._fd is not None:
            raise RuntimeError("this lock is already held")
        try:
            # Missing parents get ordinary modes and existing ones keep theirs: only this directory is Tekton's.
            self.data_dir.parent.mkdir(parents=True, exist_ok=True)
            self.data_dir.mkdir(mode=0o700, exist_ok=True)
            fd = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unusable(self.data_dir, error) from error
        if not _try_lock(fd):
            owner = os.read(fd, 32).decode(errors="replace").strip()
            os.close(fd)
            raise DataDirectoryLocked(self.data_dir, owner)
        self._fd = fd
        # Only for the sentence above; on a full disk it has to do without.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let the next one in; the file stays, for an unlinked lock could be held twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class ClusterLock:
    """A lock that PostgreSQL inherits: it is free only when the last process of the last server has ended.

    The kernel counts the holders, so a predecessor that was killed is waited for without trusting any recorded pid.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    async def acquire(self, deadline: float) -> int:
        """The fd to hand to the server; TimeoutError where the processes of an earlier one do not end in time."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            async with asyncio.timeout(deadline):
                # flock can only be polled: a blocking call in a thread could not be cancelled.
                while not _try_lock(fd):
                    await asyncio.sleep(0.01)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return fd

    def release(self) -> None:
        """Give up our share; processes that inherited the lock keep theirs, which LOCK_UN would take from them."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def unusable(data_dir: Path, error: OSError) -> DataDirectoryUnusable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataDirectoryUnusable(
            f"The disk that holds the data directory {data_dir} is full; free some space there, "
            "or choose another with --data-dir."
        )
    where = f" ({error.filename})" if error.filename and str(error.filename) != str(data_dir) else ""
    return DataDirectoryUnusable(
        f"The data directory {data_dir} cannot be used: {error.strerror}{where}; "
        "choose another with --data-dir, or run Tekton as the user who owns it."
    )


def has_room(directory: Path) -> bool:
    """Tell whether the disk of a directory has room worth the name: a full one keeps even the reason unwritten."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize >= _SOME_ROOM


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
