"""One launch that runs, held by a descriptor of its shim: a pid may become somebody else's, a descriptor never does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable

from tekton_server.host.launch_files import LaunchFiles, Status
from tekton_server.host.shim import proc

_MOST_LOOKS, _QUIET_LOOKS, _BETWEEN_LOOKS = 100, 3, 0.02


class Running:
    """Follows a shim until it ends, and reaps it where it is a child of ours."""

    def __init__(self, pidfd: int, files: LaunchFiles) -> None:
        self.files = files
        self.status: Status | None = None
        self._pidfd = pidfd
        self._tell: Callable[[], object] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(pidfd, self._on_end)

    @property
    def over(self) -> bool:
        """Whether the shim has ended."""
        return self._ended.done()

    def on_end(self, tell: Callable[[], object]) -> None:
        """Have somebody told before those who wait."""
        if self.over:
            tell()
        self._tell = tell

    async def ended(self) -> None:
        """Wait for that; many may."""
        await asyncio.shield(self._ended)

    def ask(self, number: signal.Signals) -> None:
        """Signal the shim; nothing happens where it has ended."""
        if not self.over:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def forget(self) -> None:
        """Stop following; the launch goes on. Whoever waits is cancelled."""
        if not self.over:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._ended.cancel()

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        # One that an earlier server launched is init's to reap.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)
        self._tell()
        self._ended.set_result(None)


def verified(pid: int, start_time: int | None) -> int | None:
    """Give a descriptor of the process that had this pid and start time; None where it has ended."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    # Compared after the opening: what is read is about the process that the descriptor holds.
    if start_time is None or proc.start_time(pid) != start_time:
        os.close(fd)
        return None
    return fd


def signal_verified(pid: int, start_time: int | None, number: int) -> bool:
    """Signal the process that had this pid and start time; False where it has ended."""
    fd = verified(pid, start_time)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def kill_tree(status: Status) -> None:
    """Kill what a shim that no longer obeys looks after, then the shim."""
    for pid, parent in proc.descendants(status.shim_pid):
        proc.send(pid, parent, signal.SIGKILL)
    signal_verified(status.shim_pid, status.shim_start_time, signal.SIGKILL)


def kill_left_behind(instance_uuid: str) -> int:
    """Kill what a shim that was killed itself has left; give how many. They are known by their environment.

    Blocks for a moment.
    """
    cookie = f"TEKTON_INSTANCE_UUID={instance_uuid}".encode()
    ourselves = os.getpid()
    killed, quiet = 0, 0
    # While it executes another program a process has no environment to be seen, and while we look it may fork.
    for _ in range(_MOST_LOOKS):
        everybody = [(pid, proc.start_time(pid)) for pid in proc.everybody() if pid != ourselves]
        found = [(pid, started) for pid, started in everybody if proc.carries(pid, cookie) and not proc.is_zombie(pid)]
        killed += sum(signal_verified(pid, started, signal.SIGKILL) for pid, started in found)
        quiet = 0 if found else quiet + 1
        if quiet == _QUIET_LOOKS:
            break
        time.sleep(_BETWEEN_LOOKS)
    return killed
