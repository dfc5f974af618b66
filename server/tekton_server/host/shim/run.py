"""The shim's life: hold the lock, start the component, keep its log, reap, stop it when asked, record how it ended.

Signals to the shim: SIGTERM asks for an orderly stop, on the terms of the ``.stop`` file where there is one; SIGUSR2
kills everything at once. Nothing is ever forwarded to the component but the stop signal.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import time

from tekton_server.host.shim import files, proc
from tekton_server.host.shim.capture import Log, Stream
from tekton_server.host.shim.child import be_subreaper, become

TYPE_CHECKING = False
if TYPE_CHECKING:  # the module itself is a third of all that is loaded
    from typing import Any

LOCK = 3
_CHUNK = 64 * 1024
# Helpers of a component that ended may take so many seconds to notice; then they count as left behind.
_SETTLE = 0.25
# Seconds between two tries to kill what does not end; it doubles.
_FIRST_TRY, _LAST_TRY = 0.02, 1.0
_ROUNDS = 64


def main() -> None:
    """Read the order from stdin, report on stdout, and stay for as long as anything of the component does."""
    os.setsid()
    # The lock came with us: it was taken before we were born, so there is no moment at which we live without it.
    os.set_inheritable(LOCK, False)
    os.closerange(LOCK + 1, 65536)
    os.umask(0o077)
    with open(0, "rb", closefd=False) as source:
        order: dict[str, Any] = marshal.load(source)
    os.chdir("/")
    Shim(order).live()


class Shim:
    """One launch."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._base: str = order["base"]
        self._log = Log(f"{self._base}.log", order["log_bytes"], order["log_keep"])
        self._poll = select.poll()
        self._streams: dict[int, Stream] = {}
        self._leader = 0
        self._report = -1
        self._failure = b""
        self._exit: dict[str, object] = {}
        self._ended_at: float | None = None
        self._stragglers = 0
        self._asked = self._kill_asked = self._never_ran = False
        self._requested = self._stopping = self._killed = False
        self._kill_at: float | None = None
        self._pause = _FIRST_TRY

    def live(self) -> None:
        """Do everything; a failure of our own takes the component along, for nobody else would look after it."""
        try:
            self._prepare()
            self._start()
        except OSError as error:
            name = error.filename if isinstance(error.filename, str) else ""
            text = f"{name}: {error.strerror}" if name else str(error.strerror)
            self._tell_server({"error": "shim", "errno": error.errno or 0, "text": text})
            self._on_kill()
        try:
            while self._look():
                self._wait()
        except BaseException as error:
            self._log.tell(f"the shim failed: {error!r}")
            self._kill()
            raise
        finally:
            self._end()

    def _prepare(self) -> None:
        be_subreaper()
        wake, self._wakes = os.pipe()
        self._wake = wake
        for fd in (wake, self._wakes):
            os.set_blocking(fd, False)
        self._poll.register(wake, select.POLLIN)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGUSR2, self._on_kill)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)

    def _start(self) -> None:
        out_end, err_end = self._pipe("stdout"), self._pipe("stderr")
        self._report, report_end = os.pipe()
        self._poll.register(self._report, select.POLLIN)
        ourselves = os.getpid()
        self._leader = os.fork()
        if not self._leader:
            become(self._order, ourselves, out_end, err_end, report_end)
        for fd in (out_end, err_end, report_end):
            os.close(fd)
        # Before its program runs for all we know: whoever comes after the server finds even the youngest.
        files.write_object(f"{self._base}.status", self._status(ourselves))
        # Secrets have no business here any longer.
        self._order["env"] = {}

    def _status(self, ourselves: int) -> dict[str, object]:
        order = self._order
        return {
            "component_id": order["component_id"],
            "instance_uuid": order["instance_uuid"],
            "epoch": order["epoch"],
            "boot_id": proc.boot_id(),
            "pid": self._leader,
            "start_time": proc.start_time(self._leader),
            "shim_pid": ourselves,
            "shim_start_time": proc.start_time(ourselves),
            "started_at": time.time(),
            "argv_hash": order["argv_hash"],
            "stop_grace": order["stop_grace"],
            "limits": order["applied"],
        }

    def _pipe(self, name: str) -> int:
        fd, end = os.pipe()
        os.set_blocking(fd, False)
        self._poll.register(fd, select.POLLIN)
        self._streams[fd] = Stream(name)
        return end

    def _look(self) -> bool:
        """Reap, and act on what was asked or is due; False when nothing of the component is left."""
        if not self._reap():
            return False
        now = time.monotonic()
        if self._asked:
            self._asked = False
            self._stop(now)
        if self._ended_at is not None and self._kill_at is None and now >= self._ended_at + _SETTLE:
            self._leave_behind(now)
        if self._kill_asked or (self._kill_at is not None and now >= self._kill_at):
            if not self._killed and not self._kill_asked:
                self._log.tell("it did not end in time; all of it is killed")
            self._kill()
            self._pause = min(self._pause * 2, _LAST_TRY)
        return True

    def _reap(self) -> bool:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            if pid == self._leader:
                self._record(os.waitstatus_to_exitcode(status))

    def _record(self, code: int) -> None:
        self._ended_at = time.monotonic()
        if self._never_ran:
            return  # the exit code is of our own making
        self._exit = {"code": code if code >= 0 else None, "signal": -code if code < 0 else None, "at": time.time()}
        self._write_exit()

    def _write_exit(self, *, over: bool = False) -> None:
        more = {
            "over": over,
            "stopped": self._requested,
            "killed": self._killed,
            "stragglers": self._stragglers,
        }
        try:
            files.write_object(f"{self._base}.exit", self._exit | more)
        except OSError as error:
            self._log.tell(f"how the component ended cannot be recorded: {error.strerror}")

    def _stop(self, now: float) -> None:
        if self._report >= 0:
            self._on_kill()  # its program does not run yet, so there is nobody to be asked
            return
        self._requested = True
        grace, kill = self._terms()
        if kill:
            self._kill_at = min(self._kill_at or now + grace, now + grace)
        if not self._stopping:
            self._stopping = True
            self._ask()

    def _terms(self) -> tuple[float, bool]:
        """What the one who stops has written for us: ``GRACE KILL``."""
        try:
            with open(f"{self._base}.stop", encoding="ascii") as file:
                grace, kill = file.read().split()
            return float(grace), kill == "1"
        except (OSError, ValueError):
            return float(self._order["stop_grace"]), True

    def _leave_behind(self, now: float) -> None:
        """The component has ended and processes that it started have not: they are asked too, and then killed."""
        left = proc.descendants(os.getpid())
        self._stragglers = sum(not proc.is_zombie(pid) for pid, _ in left)
        if not self._stragglers:
            return
        self._log.tell(f"the component ended and left processes behind ({self._stragglers}); they are stopped")
        self._stopping = True
        self._kill_at = now + float(self._order["stop_grace"])
        self._write_exit()
        self._ask()

    def _ask(self) -> None:
        number = int(self._order["stop_signal"])
        if self._ended_at is None:
            try:
                # The leader is not reaped yet, so the group is the component's and nobody else's.
                os.killpg(self._leader, number)
                return
            except ProcessLookupError:  # it has not got as far as a group of its own
                pass
        for pid, parent in proc.descendants(os.getpid()):
            proc.send(pid, parent, number)

    def _kill(self) -> None:
        self._killed = True
        if self._order["cgroup"]:
            path = f"{self._order['cgroup']}/cgroup.kill"
            # Kernels before 5.14 have none; what follows is enough for all but a bomb.
            with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:
                file.write("1")
        if self._ended_at is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._leader, signal.SIGKILL)
        for pid, parent in proc.descendants(os.getpid()):
            proc.send(pid, parent, signal.SIGKILL)

    def _wait(self) -> None:
        for fd, _ in self._poll.poll(self._patience()):
            if fd == self._wake:
                os.read(fd, 4096)
            elif fd == self._report:
                self._hear_of_start()
            else:
                self._capture(fd)

    def _patience(self) -> float | None:
        """Milliseconds until something is due; None where nothing is."""
        now, due = time.monotonic(), []
        if self._kill_asked:
            due.append(now + self._pause)
        if self._kill_at is not None:
            due.append(max(self._kill_at, now + self._pause) if self._killed else self._kill_at)
        if self._ended_at is not None and self._kill_at is None:
            due.append(max(self._ended_at + _SETTLE, now + _FIRST_TRY))
        return max(0.0, min(due) - now) * 1000 + 1 if due else None

    def _hear_of_start(self) -> None:
        if data := os.read(self._report, 4096):
            self._failure += data
            return
        self._poll.unregister(self._report)
        os.close(self._report)
        self._report = -1
        if not self._failure:
            self._tell_server({"pid": self._leader})
            return
        stage, number, text = self._failure.decode(errors="replace").split("\0")
        error: dict[str, object] = {"error": stage, "errno": int(number), "text": text}
        self._exit = {"code": None, "signal": None, "at": time.time(), "error": error}
        self._never_ran = True
        self._write_exit()
        self._tell_server(error)

    def _tell_server(self, message: dict[str, object]) -> None:
        """Say how the start went. There may be nobody left to hear it; it is in the files too."""
        with contextlib.suppress(OSError):
            os.write(1, files.as_json(message).encode("ascii"))
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)

    def _capture(self, fd: int) -> bool:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._log.write(self._streams[fd].feed(data))
            return True
        self._log.write(self._streams.pop(fd).end())
        self._poll.unregister(fd)
        os.close(fd)
        return False

    def _end(self) -> None:
        for fd in list(self._streams):
            # Nothing of the component is left, so what is in the pipes is all there will be.
            for _ in range(_ROUNDS):
                if not self._capture(fd):
                    break
            if fd in self._streams:
                self._log.write(self._streams[fd].end())
        while self._report >= 0 and self._leader:
            self._hear_of_start()
        if self._exit:
            self._write_exit(over=True)
        if self._order["cgroup"]:
            try:
                os.rmdir(self._order["cgroup"])
            except OSError as error:
                self._log.tell(f"{self._order['cgroup']} stays: {error.strerror}")

    def _on_term(self, *_: object) -> None:
        self._asked = True

    def _on_kill(self, *_: object) -> None:
        self._kill_asked = self._requested = self._stopping = True
