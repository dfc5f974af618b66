"""Owning a child process: it starts alone, logs to a file, and never outlives us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_SHIM = Path(__file__).with_name("exec_shim.py")
_TAIL_BYTES = 64 * 1024


class ChildStartError(Exception):
    """The program could not be executed at all; an exit of its own is a return code instead."""


@dataclass(frozen=True)
class RunAs:
    """Whom the child becomes before it executes the program."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    namespace: bool = False
    """Only appear to be ``uid``, in a user namespace that maps it to us; needs no privilege where the kernel agrees."""

    def __str__(self) -> str:
        how = "namespace" if self.namespace else "account"
        return f"{how}:{self.uid}:{self.gid}:{','.join(map(str, self.groups))}"


class ChildProcess:
    """One running program, in a session of its own."""

    def __init__(self, program: subprocess.Popen[bytes], name: str, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._program = program
        self._returncode: int | None = None
        self._ended = asyncio.Event()
        reap = partial(self._reap, asyncio.get_running_loop())
        threading.Thread(target=reap, name=f"wait for {name}", daemon=True).start()

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        name: str,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        pass_fds: Sequence[int] = (),
        run_as: RunAs | None = None,
    ) -> ChildProcess:
        """Return once the program itself runs; raise ChildStartError where it cannot be executed.

        The child gets a session of its own (a Ctrl-C at the terminal reaches us alone), /dev/null to read, and a log
        that stdout and stderr are appended to. On Linux the kernel sends it `death_signal` when the *thread* that
        started it ends, so MUST be called on the thread whose event loop lives as long as the process does: the main
        one. Other systems have no such signal; there a kill -9 of us leaves the child running.
        """
        report, report_end = os.pipe()
        orders = (str(os.getpid()), str(int(death_signal)), str(report_end), str(run_as or "-"))
        try:
            try:
                program = _spawn((*orders, *argv), log_path, env, cwd, (*pass_fds, report_end))
            finally:
                os.close(report_end)
            child = cls(program, name, log_path)
            try:
                reason = await read_to_end(report)
            except BaseException:
                child._kill_group()
                raise
        except OSError as error:  # no such log folder, no such working directory
            raise ChildStartError(f"{name} could not be started: {error.filename}: {error.strerror}") from error
        finally:
            os.close(report)
        if reason:
            await child.wait()
            raise ChildStartError(f"{name} could not be started: {argv[0] if argv else 'nothing to run'}: {reason}")
        return child

    @property
    def pid(self) -> int:
        return self._program.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it, or None while it runs."""
        return self._returncode

    async def wait(self) -> int:
        await self._ended.wait()
        assert self._returncode is not None
        return self._returncode

    def send_signal(self, sig: signal.Signals) -> None:
        """Signal the program alone; nothing happens where it has already ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._program.send_signal(sig)

    async def stop(self, *, deadline: float, sig: signal.Signals = signal.SIGTERM) -> int:
        """Ask with `sig`, wait up to `deadline` seconds, then kill what is left of the process group.

        Stopping twice is harmless. A cancelled stop kills at once: it leaves no child either.
        """
        if self.returncode is not None:
            return self.returncode
        self.send_signal(sig)
        try:
            async with asyncio.timeout(deadline):
                return await self.wait()
        except TimeoutError:
            pass
        finally:
            self._kill_group()
        return await self.wait()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines the program (or an earlier run with the same log) wrote."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _reap(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._program.wait()
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._has_ended, code)

    def _has_ended(self, code: int) -> None:
        self._returncode = code
        self._ended.set()

    def _kill_group(self) -> None:
        # The group still bears the leader's id while helpers of the program are alive, so no stranger can have it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _spawn(
    arguments: Sequence[str], log_path: Path, env: Mapping[str, str] | None, cwd: Path | None, pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    # Not by the event loop: uvloop runs the fork handlers of gRPC and others in the child, and leaves descriptors open.
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        return subprocess.Popen(
            (sys.executable, "-I", "-S", str(_SHIM), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            cwd=cwd,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    finally:
        os.close(log)


async def read_to_end(fd: int) -> str:
    """Everything a pipe carries until its last writer closes it."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    chunks: list[bytes] = []

    def readable() -> None:
        chunk = os.read(fd, 4096)
        chunks.append(chunk)
        if not chunk and not ended.done():
            ended.set_result(None)

    loop.add_reader(fd, readable)
    try:
        await ended
    finally:
        loop.remove_reader(fd)
    return b"".join(chunks).decode(errors="replace")
