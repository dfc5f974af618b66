"""Launches components as processes of this machine, each under a shim that outlives us. See live.launching.Launcher."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import marshal
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import tekton_server
from tekton.core.errors import TektonTimeoutError
from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.host.captured import last_lines
from tekton_server.host.cgroups import Cgroups
from tekton_server.host.launch_files import LaunchFiles, Status, launches, prune
from tekton_server.host.launch_order import Surroundings, limits_of, order_for
from tekton_server.host.refusals import Failure, refused
from tekton_server.host.running import Running, kill_left_behind, kill_tree, signal_verified, verified
from tekton_server.host.shim import proc
from tekton_server.host.shim.run import LOCK
from tekton_server.live.launching import Cause, ExitStatus, Launched, Launcher, LaunchIdentity, launch_failed
from tekton_server.live.resources.sampling import Root
from tekton_server.process import read_to_end

log = logging.getLogger(__name__)

_ROOT = str(Path(tekton_server.__file__).parent.parent)
# Imported rather than run by path: so it is compiled once and not at each launch.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from tekton_server.host.shim.run import main; main()"
# Seconds for a shim to say how the start went, or who it is; and for it to have killed everything.
_START, _TELL, _KILL = 30.0, 10.0, 10.0
_TRIES = 20
# A launch keeps a core busy for some milliseconds; what waits here costs nothing.
_AT_ONCE = 2 * (os.cpu_count() or 1)


class LocalLauncher(Launcher):
    """Everything that it launches is found again by the files below `data_dir`, which must be this process's alone."""

    def __init__(self, data_dir: Path, around: Surroundings, *, cgroups: Cgroups | None = None, keep: int = 5) -> None:
        self._data_dir = data_dir
        self._around = around
        self._cgroups = cgroups or Cgroups.find()
        self._keep = keep
        self._running: dict[str, Running] = {}
        self._starting: set[str] = set()
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> LocalLauncher:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything: what was launched runs on, and the next server adopts it."""
        for one in self._running.values():
            one.forget()
        self._running.clear()

    def roots(self) -> dict[str, Root]:
        """Give where the processes of each launch that is followed begin, by its instance: below its shim."""
        held = {uuid: one.status for uuid, one in self._running.items()}
        return {
            uuid: Root(status.shim_pid, status.shim_start_time, own=False)
            for uuid, status in held.items()
            if status is not None
        }

    async def launch(self, spec: LaunchSpec, identity: LaunchIdentity) -> Launched:
        """See live.launching.Launcher."""
        if sys.platform != "linux":
            sentence = "Tekton launches components on Linux only; start it yourself, and it will register"
            raise launch_failed(identity.component_id, Cause.UNSUPPORTED, sentence)
        uuid, files = identity.instance_uuid, self._files(identity)
        if uuid in self._starting or uuid in self._running:
            raise refused(identity, spec, "", Failure("already_running", 0, ""))
        self._starting.add(uuid)
        try:
            order = await asyncio.to_thread(self._prepare, spec, identity, files)
            async with self._turn:
                lock = await self._lock(files)
                if lock is None:
                    raise refused(identity, spec, "", Failure("already_running", 0, ""))
                return await self._begin(spec, identity, files, order, lock)
        finally:
            self._starting.remove(uuid)

    def _prepare(self, spec: LaunchSpec, identity: LaunchIdentity, files: LaunchFiles) -> dict[str, Any]:
        try:
            files.prepare()
            prune(self._data_dir, identity.component_id, self._keep)
        except OSError as error:
            sentence = f"{error.filename}: {error.strerror}"
            raise launch_failed(identity.component_id, Cause.MACHINE, sentence) from error
        return order_for(spec, identity, self._around, files.base)

    async def _begin(
        self, spec: LaunchSpec, identity: LaunchIdentity, files: LaunchFiles, order: dict[str, Any], lock: int
    ) -> Launched:
        try:
            if files.used():
                raise refused(identity, spec, "", Failure("already_launched", 0, ""))
            order |= limits_of(spec, identity, self._cgroups)
            report, running = _spawn(files, order, lock, self._around.environ)
        except OSError as error:
            self._cgroups.remove(identity.instance_uuid)
            raise launch_failed(identity.component_id, Cause.MACHINE, f"no process: {error.strerror}") from error
        finally:
            os.close(lock)
        try:
            failure = await self._heard(report, identity)
            if failure is not None:
                raise refused(identity, spec, order["cwd"], failure)
        except BaseException:
            await self._abandon(running)
            raise
        running.status = status = _present(files)
        self._follow(running)
        return status.launched

    async def _lock(self, files: LaunchFiles) -> int | None:
        for _ in range(_TRIES):
            if (fd := files.lock()) is not None:
                return fd
            # Somebody who only tests it has it for a moment.
            await asyncio.sleep(0.01)
        return None

    async def _heard(self, report: int, identity: LaunchIdentity) -> Failure | None:
        """Wait for what the shim says of the start; None where it went well."""
        try:
            async with asyncio.timeout(_START):
                said = await read_to_end(report)
        except TimeoutError:
            sentence = f"{identity.component_id} was not launched: its program did not begin within {_START:g} s"
            raise TektonTimeoutError(sentence, identity.component_id) from None
        finally:
            os.close(report)
        if not said:
            return Failure("shim", 0, "its shim was killed")
        message = msgspec.json.decode(said)
        return msgspec.convert(message, Failure) if "error" in message else None

    def _follow(self, running: Running) -> None:
        uuid = running.files.instance_uuid
        self._running[uuid] = running
        running.on_end(lambda: self._running.pop(uuid, None))

    async def _abandon(self, running: Running) -> None:
        """Leave nothing of a launch that nobody waits for any more."""
        running.ask(signal.SIGUSR2)
        try:
            async with asyncio.timeout(_KILL):
                await running.ended()
        except TimeoutError:
            running.ask(signal.SIGKILL)
            await asyncio.to_thread(kill_left_behind, running.files.instance_uuid)
        self._cgroups.remove(running.files.instance_uuid)

    async def adopt(self, identity: LaunchIdentity) -> Launched | None:
        """See live.launching.Launcher."""
        uuid, files = identity.instance_uuid, self._files(identity)
        try:
            async with asyncio.timeout(_TELL):
                while files.alive():
                    known = self._running.get(uuid) or self._held(files)
                    if known is not None and known.status is not None:
                        self._follow(known)
                        return known.status.launched
                    # It holds its lock and has no process yet, or has just ended.
                    await asyncio.sleep(0.02)
        except TimeoutError:
            sentence = f"{identity.component_id}: something holds {files.base}.lock and does not tell what it is"
            raise TektonTimeoutError(sentence, identity.component_id) from None
        await self._clean_up(files)
        return None

    def _held(self, files: LaunchFiles) -> Running | None:
        """Take hold of a shim that says who it is; None where it does not yet, or where whom it names is not it."""
        status = files.status()
        # One that is being launched here is followed already.
        if status is None or status.boot_id != proc.boot_id() or files.instance_uuid in self._starting:
            return None
        fd = verified(status.shim_pid, status.shim_start_time)
        if fd is None:
            return None
        running = Running(fd, files)
        running.status = status
        return running

    async def _clean_up(self, files: LaunchFiles) -> None:
        """After a shim that could not say how it ended: it was killed, and may have left processes behind."""
        if not files.begun() or files.over() or files.alive():
            return
        stragglers = await asyncio.to_thread(kill_left_behind, files.instance_uuid)
        try:
            files.write_over(stragglers)
        except OSError as error:
            # Whoever asks again finds nobody either; it is recorded when there is room.
            log.warning("the end of %s cannot be recorded: %s", files.base, error.strerror or error)

    async def alive(self) -> Sequence[LaunchIdentity]:
        """See live.launching.Launcher."""
        held = await asyncio.to_thread(lambda: [one for one in launches(self._data_dir) if one.alive()])
        told = await asyncio.gather(*map(self._told, held))
        return [status.identity for status in told if status is not None]

    async def _told(self, files: LaunchFiles) -> Status | None:
        """Give what a shim says of itself, waiting for one that has only just begun; None where it ended."""
        try:
            async with asyncio.timeout(_TELL):
                while (status := files.status()) is None and files.alive():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise TektonTimeoutError(f"something holds {files.base}.lock and does not tell what it is") from None
        return status

    async def ended(self, identity: LaunchIdentity) -> ExitStatus | None:
        """See live.launching.Launcher."""
        files = self._files(identity)
        await self._clean_up(files)
        if files.alive():
            return None
        return files.exit() or (files.lost() if files.begun() else None)

    async def signal(self, launched: Launched, number: int) -> bool:
        """See live.launching.Launcher."""
        running = self._known(launched)
        status = running.status if running else None
        return status is not None and signal_verified(status.pid, status.start_time, number)

    async def stop(self, launched: Launched, grace: float | None = None, *, kill: bool = True) -> ExitStatus:
        """See live.launching.Launcher."""
        if (running := self._known(launched)) is not None:
            await self._stop(running, launched, grace, kill)
        return await self.wait(launched)

    async def _stop(self, running: Running, launched: Launched, grace: float | None, kill: bool) -> None:
        if grace is None:
            grace = running.status.stop_grace if running.status else 0.0
        running.files.write_stop(grace, kill=kill)
        running.ask(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace + (_KILL if kill else 0)):
                await running.ended()
        if running.over:
            return
        if not kill:
            name = launched.identity.component_id
            raise TektonTimeoutError(f"{name} was asked to stop and runs on after {grace:g} s", name)
        # The shim is stopped itself, or starved.
        if running.status is not None:
            await asyncio.to_thread(kill_tree, running.status)
            await running.ended()
            await asyncio.to_thread(kill_left_behind, running.files.instance_uuid)

    async def wait(self, launched: Launched) -> ExitStatus:
        """See live.launching.Launcher."""
        if (running := self._known(launched)) is not None:
            await running.ended()
        found = await self.ended(launched.identity)
        if found is None:
            raise KeyError(launched.identity.instance_uuid)
        return found

    async def log_tail(self, identity: LaunchIdentity, lines: int = 20) -> str:
        """See live.launching.Launcher."""
        found = await asyncio.to_thread(last_lines, self._files(identity).log, lines)
        return "\n".join(line.text for line in found)

    def _known(self, launched: Launched) -> Running | None:
        """Give a launch that runs; None where it has ended."""
        uuid = launched.identity.instance_uuid
        if uuid not in self._running and self._files(launched.identity).alive():
            raise KeyError(uuid)
        return self._running.get(uuid)

    def _files(self, identity: LaunchIdentity) -> LaunchFiles:
        return LaunchFiles(self._data_dir, identity.component_id, identity.instance_uuid)


def _spawn(files: LaunchFiles, order: dict[str, Any], lock: int, environ: Mapping[str, str]) -> tuple[int, Running]:
    """Start a shim; give the end of its report pipe."""
    # Not by a pipe, which may be too small, nor by a file or an argument: others could read the secrets in it.
    with contextlib.ExitStack() as opened:
        memory = os.memfd_create("tekton-launch")
        opened.callback(os.close, memory)
        with open(memory, "wb", closefd=False) as target:
            marshal.dump(order, target)
        os.lseek(memory, 0, os.SEEK_SET)
        report, report_end = os.pipe()
        opened.callback(os.close, report_end)
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _BOOT, _ROOT, str(files.base)],
                # Its component's is in the order; some builds of Python do not find their library without this.
                {name: environ[name] for name in ("LD_LIBRARY_PATH",) if name in environ},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, memory, 0),
                    (os.POSIX_SPAWN_DUP2, report_end, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    # Last: until here its number may be one of ours.
                    (os.POSIX_SPAWN_DUP2, lock, LOCK),
                ],
                setsigmask=(),
                setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
            )
            try:
                return report, Running(os.pidfd_open(pid), files)
            except BaseException:
                # Nobody could follow it. It is our child and not reaped, so its pid is its own.
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise
        except BaseException:
            os.close(report)
            raise


def _present(files: LaunchFiles) -> Status:
    status = files.status()
    assert status is not None, files.base
    return status
